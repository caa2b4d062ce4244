"""Parts of what a cluster does with its clients, alone: finding them, the requests to one of them, who they are."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors.channels.channel import KnownPeer, SessionTable
from actors.channels.client_calls import ClientCalls
from actors.channels.clients import ConnectedClient, FindClients
from actors.envelope import Envelope, HandlerRun, ReplySlot
from actors.errors import LinkLost, Overloaded
from actors.messages import Invoke, Reply
from actors.services.call import Caller, PeerIdentity, RemoteCall
from runtime.testing import SeededEntropy
from tests.actors.links import FakeLink


def client(name: str = "ws.1", **attrs: str | int | bool) -> ConnectedClient:
    return ConnectedClient(Caller(f"gateway/{name}", "gateway", PeerIdentity("apac"), attrs=attrs), set())


# Finding them


@pytest.mark.parametrize(
    ("attrs", "is_found"),
    [
        ({"kind": "till"}, True),
        ({"kind": "till", "floor": "3"}, True),
        ({"kind": "till", "floor": 3, "open": True}, True),
        ({"kind": "till", "floor": 4}, False),
        ({"kind": "till", "colour": ""}, False),
        ({"open": "True"}, False),
    ],
)
def test_all_attributes_must_match(attrs: dict[str, Any], *, is_found: bool) -> None:
    """One that differs or that the client has not is enough to leave it out."""
    for one in (client(kind="till", floor="3", open="true"), client(kind="till", floor=3, open=True)):
        assert FindClients(attrs=attrs).among({"ws.1": one}) == ([one] if is_found else [])


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_attributes_are_a_part_of_the_client_s(wanted: dict[str, str], own: dict[str, str]) -> None:
    """A client is found exactly where what is wanted is among what it has."""
    assert bool(FindClients(attrs=wanted).among({"ws.1": client(**own)})) is (wanted.items() <= own.items())


def test_an_id_is_one_client_s() -> None:
    """Without an id all are meant; an id that nobody has is nobody."""
    clients = {name: client(name) for name in ("ws.1", "ws.2")}
    assert FindClients().among(clients) == list(clients.values())
    assert FindClients("ws.2").among(clients) == [clients["ws.2"]]
    assert FindClients("ws.3").among(clients) == []


@pytest.mark.parametrize(
    ("peer", "host"),
    [("127.0.0.1:5000", "127.0.0.1"), ("::1:5000", "::1"), ("a local user", "a local user"), ("", "")],
)
def test_the_host_of_a_peer_is_its_address_without_the_port(peer: str, host: str) -> None:
    """Also for addresses that have colons, and for peers without a port."""
    assert Caller("gateway/ws.1", "gateway", PeerIdentity("apac"), peer=peer).peer_host == host


def test_a_caller_is_printed_by_the_best_name_that_it_has() -> None:
    """What it calls itself, else its cluster, else nothing."""
    for facts, name in (
        ({"client_name": "Till", "client_id": "c1"}, "Till"),
        ({"client_id": "c1"}, "c1"),
        ({"identity": PeerIdentity("apac", "apac", "out")}, "apac"),
        ({}, "unnamed"),
    ):
        arguments: dict[str, Any] = {"identity": PeerIdentity("apac"), "peer": "1.2.3.4:5", **facts}
        caller = Caller("gateway/ws.1", "gateway", **arguments)
        assert caller.peer_conn_info_pretty == f"{name} (ws.1) at 1.2.3.4:5 on channel gateway"


# Requests to one


class Asked:
    """A request to the client: `outcomes` is all that whoever asked was told."""

    def __init__(self) -> None:
        self.outcomes: list[Any] = []
        self.slot = ReplySlot(lambda slot: self.outcomes.append(slot.error or slot.value))
        self.envelope = Envelope(RemoteCall({"a": 1}), cid="c", reply=self.slot)


@pytest.fixture
async def calls() -> ClientCalls:
    return ClientCalls("gateway/ws.1", 2, SeededEntropy(0))


async def test_a_request_is_under_way_from_its_acceptance_to_its_answer(calls: ClientCalls) -> None:
    """It counts while it waits and while it is answered, once; one too many is refused and never sent."""
    link, asked = FakeLink(), [Asked(), Asked(), Asked()]
    assert [calls.accept(one.envelope) for one in asked] == [True, True, False]
    assert isinstance(asked[2].outcomes[0], Overloaded)
    for one in asked[:2]:
        await calls.send(link, one.envelope)
        assert len(calls) == 2
    for message in link.queued:
        assert isinstance(message, Invoke)
        assert calls.answer(Reply("r", message.id, 7))
        assert not calls.answer(Reply("r", message.id, 8))
    assert [one.outcomes[0].data for one in asked[:2]] == [7, 7]
    assert len(calls) == 0


@pytest.mark.parametrize("is_sending", [False, True])
async def test_the_end_of_the_link_fails_what_waits_to_be_sent(calls: ClientCalls, *, is_sending: bool) -> None:
    """Also what was cancelled while it waited for room on the link: it was never sent, and says so."""
    link, asked = FakeLink(), Asked()
    link.has_room = False
    calls.accept(asked.envelope)
    if is_sending:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(calls.send, link, asked.envelope)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    calls.fail_all("gone")
    [error] = asked.outcomes
    assert isinstance(error, LinkLost)
    assert not error.sent
    assert (len(calls), link.queued) == (0, [])


async def test_what_nobody_waits_for_any_more_is_not_sent(calls: ClientCalls) -> None:
    """A request that was given up before its turn leaves no trace."""
    link, asked = FakeLink(), Asked()
    calls.accept(asked.envelope)
    asked.slot.abandon()
    await calls.send(link, asked.envelope)
    assert (len(calls), link.queued, asked.outcomes) == (0, [], [])


async def test_what_needs_no_answer_is_sent_and_forgotten(calls: ClientCalls) -> None:
    """An answer to it is not expected; on a link that has ended it is passed over."""
    link = FakeLink()
    for _ in range(3):
        envelope = Envelope(RemoteCall("news"), cid="c1")
        assert calls.accept(envelope)
        await calls.send(link, envelope)
        link.end()
    [message] = link.queued
    assert isinstance(message, Invoke)
    assert (message.data, message.cid) == ("news", "c1")
    assert not calls.answer(Reply("r", message.id, 1))
    assert len(calls) == 0


# What comes after a run


def test_what_comes_after_a_run_comes_once_and_at_its_end() -> None:
    """At once where none runs, whether one has run or has not begun."""
    run, called = HandlerRun(), []
    run.when_ended(lambda: called.append("before"))
    run.begin()
    run.when_ended(lambda: called.append("after"))
    assert called == ["before"]
    run.end()
    run.when_ended(lambda: called.append("later"))
    assert called == ["before", "after", "later"]


def test_peers_that_are_gone_are_forgotten_when_there_are_too_many() -> None:
    """However many names peers log in under, a channel remembers those that are there and no more than it may have."""
    table = SessionTable()
    alive = {"gateway/ws.0"}
    for number in range(100):
        identity = PeerIdentity("apac", "cluster", f"connection {number}")
        known = KnownPeer(f"gateway/ws.{number}", "")
        table.know(identity, known, limit=10, is_there=alive.__contains__)
        assert len(table.known) <= 10
        assert table.known[identity] == known
    assert PeerIdentity("apac", "cluster", "connection 0") in table.known
