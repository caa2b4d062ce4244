"""What a channel's options do: requests one after the other, and the last messages of each session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from actors import BadInput, NotFound, Service
from actors.messages import Cancel, Invoke, Reply
from actors.settings import EndpointSettings, TopicSettings
from runtime.testing import MemoryNetwork
from tests.planted import PASSWORD
from tests.runtime.peers import peer_of
from tests.runtime.test_pubsub import SUBSCRIBE, settings_with, started
from tests.runtime.zato_peer import serve, zato_peer

LOG = "isthmus.admin.message-log"


def recorded(events: list[str], gates: dict[str, trio.Event]) -> type[Service]:
    class Slow(Service):
        """Notes when it begins and ends; waits for its gate in between."""

        name = "test.slow"

        async def handle(self, name: str) -> str:
            events.append(f"{name} begins")
            try:
                if name in gates:
                    await gates[name].wait()
            finally:
                events.append(f"{name} ends")
            return name

    return Slow


async def has(events: list[str], condition: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not condition():
            await trio.sleep(0.01)
    assert events


@pytest.mark.parametrize("sequential", [False, True])
async def test_requests_of_one_session_in_turn(network: MemoryNetwork, nursery: trio.Nursery, sequential: bool) -> None:
    """On a sequential channel the second begins when the first has ended; else they run side by side."""
    events: list[str] = []
    gates = {"a": trio.Event()}
    await serve(network, nursery, [recorded(events, gates)], sequential=sequential)
    async with zato_peer(network) as peer:
        await peer.log_in()
        asked = [await peer.send("invoke-service", {"service": "test.slow", "request": name}) for name in "abc"]
        await trio.sleep(1.0)
        if sequential:
            assert events == ["a begins"]
        else:
            assert set(events) == {"a begins", "b begins", "b ends", "c begins", "c ends"}
        gates["a"].set()
        answers = [(await peer.receive())["meta"]["in_reply_to"] for _ in asked]
        if sequential:
            assert answers == asked
            assert events == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]
        else:
            assert answers[-1] == asked[0]


async def test_sessions_take_no_turns_among_each_other(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A request that takes long holds up its own session only."""
    events: list[str] = []
    gates = {"a": trio.Event()}
    await serve(network, nursery, [recorded(events, gates)], sequential=True)
    async with zato_peer(network) as one, zato_peer(network, node="other") as other:
        await one.log_in()
        await other.log_in()
        await one.send("invoke-service", {"service": "test.slow", "request": "a"})
        await has(events, lambda: "a begins" in events)
        assert (await other.invoke("test.slow", "b"))["meta"]["status"] == 200
        gates["a"].set()


async def test_answers_get_through_while_a_request_has_its_turn(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A delivery is sent and acknowledged while a request of the same session is under way."""
    events: list[str] = []
    gates = {"a": trio.Event()}
    both = EndpointSettings(channel="gateway", publish=("/customer/*",), subscribe=("/customer/*",))
    settings = settings_with(both, channel={"sequential": True}, new=TopicSettings(guaranteed=True))
    emea = await started(nursery, network, settings, [recorded(events, gates)])
    async with zato_peer(network) as peer:
        await peer.log_in()
        await peer.invoke(SUBSCRIBE, {"topic_name": "/customer/new"})
        asked = await peer.send("invoke-service", {"service": "test.slow", "request": "a"})
        await has(events, lambda: "a begins" in events)
        for number in range(3):
            await emea.publish("/customer/new", number)
            push = await peer.receive()
            assert [one["data"] for one in push["data"]] == [number]
            await peer.send("client-response", {"response": None}, in_reply_to=push["meta"]["id"])
        gates["a"].set()
        assert (await peer.answer_to(asked))["meta"]["status"] == 200


async def test_a_request_that_is_cancelled_ends_its_turn(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A native peer that gives a request up is answered the next one, and what waited and was given up never runs."""
    events: list[str] = []
    gates = {"a": trio.Event(), "b": trio.Event()}
    await serve(network, nursery, [recorded(events, gates)], sequential=True)
    async with peer_of(network, "isthmus.1", "p") as peer:
        for name in "abc":
            await peer._link.send(Invoke(name, {"service": "test.slow", "request": name}))
        await has(events, lambda: "a begins" in events)
        for name in "ba":
            await peer._link.send(Cancel(name))
        assert isinstance(await peer._next("c"), Reply)
    assert sorted(events) == ["a begins", "a ends", "c begins", "c ends"]


async def test_the_last_messages_of_a_session_can_be_looked_at(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """An operator sees what a session said and was told; nothing of its secrets, and nothing after its end."""
    emea = await serve(
        network,
        nursery,
        is_audit_log_sent_active=True,
        is_audit_log_received_active=True,
        max_len_messages_received=3,
    )
    async with peer_of(network, wire, "p", client_id="c1") as peer:
        await peer.invoke("demo.echo", password="hidden", a=1)
        [known] = await emea.invoke(LOG, None)
        session = known.pop("session")
        assert known == {"received": 2, "sent": 2}
        for name in (session, session.rpartition("/")[2]):
            found = await emea.invoke(LOG, {"session": name})
            kinds = [(one["direction"], one["kind"]) for one in found["messages"]]
            assert kinds == [("received", "Hello"), ("sent", "Welcome"), ("received", "Invoke"), ("sent", "Reply")]
        text = repr(found)
        assert "hidden" not in text
        assert PASSWORD not in text
        assert "token" not in text
        assert found["messages"][3]["in_reply_to"] == found["messages"][2]["id"]
        for _ in range(5):
            await peer.invoke("demo.echo", big="x" * 5000)
        received = await emea.invoke(LOG, {"session": session, "direction": "received", "max_bytes": 10})
        assert (received["received"], len(received["messages"])) == (7, 3)
        assert all(len(one["data"]) == 10 and one["size"] > 5000 for one in received["messages"])
        assert len((await emea.invoke(LOG, {"session": session, "limit": 2}))["messages"]) == 2
        for wrong in ({"direction": "both"}, {"limit": 0}, {"max_bytes": "all"}):
            with pytest.raises(BadInput, match=next(iter(wrong))):
                await emea.invoke(LOG, {"session": session, **wrong})
        with pytest.raises(NotFound, match="is_audit_log_sent_active"):
            await emea.invoke(LOG, {"session": "none"})
    with trio.fail_after(60):
        while await emea.invoke(LOG, None):
            await trio.sleep(0.1)


async def test_nothing_is_logged_unless_the_channel_says_so(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """By default there is no log of any session."""
    emea = await serve(network, nursery)
    async with zato_peer(network) as peer:
        await peer.log_in()
        await peer.invoke("demo.echo", 1)
        assert await emea.invoke(LOG, {}) == []


async def test_what_an_operator_is_shown_is_bounded(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """The newest messages that fit into an answer, at least one, whatever the channel keeps."""
    emea = await serve(network, nursery, is_audit_log_received_active=True, max_bytes_per_message_received=1000)
    async with zato_peer(network) as peer:
        await peer.log_in()
        for _ in range(8):
            await peer.invoke("demo.echo", "x" * 900_000)
        [known] = await emea.invoke(LOG, None)
        found = await emea.invoke(LOG, {"session": known["session"], "max_bytes": 1_000_000})
    assert 3 <= len(found["messages"]) <= 5
    assert found["messages"][-1]["number"] == 9


def test_settings_are_what_zato_calls_them() -> None:
    """Each option has Zato's name and default."""
    [channel] = settings_with().channels.values()
    defaults: dict[str, Any] = {
        "active": True,
        "data_format": "json",
        "new_token_wait_time": 5.0,
        "token_ttl": 3600.0,
        "is_audit_log_sent_active": False,
        "is_audit_log_received_active": False,
        "max_len_messages_sent": 50,
        "max_len_messages_received": 50,
        "max_bytes_per_message_sent": 500,
        "max_bytes_per_message_received": 500,
        "extra_properties": {},
    }
    assert {name: getattr(channel, name) for name in defaults} == defaults
