"""A cluster calls the clients of its channels, on both wires: one, several, some by their attributes, all."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
import trio

from actors import (
    BadInput,
    CallError,
    InvokeTimeout,
    LinkLost,
    MessageReceived,
    NotFound,
    Overloaded,
    RemoteError,
    Service,
)
from actors.errors import LinkClosed
from actors.messages import Cancel, Failure, Invoke, Reply
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.peers import Peer, peer_of
from tests.runtime.test_two_clusters import until
from tests.support import CONNECTION, apac_settings, emea_settings, start


class Calls(Service):
    """Does with `self.wsx.channel` what it is given: the name of a method and its arguments."""

    name = "test.calls"
    concurrency = 1000

    async def handle(self, request: dict) -> Any:
        arguments = dict(request)
        return outcome_of(await getattr(self.wsx.channel, arguments.pop("do"))(**arguments))


class CallsInThread(Service):
    """The same in blocking code."""

    name = "test.calls-in-thread"

    def handle(self, request: dict) -> Any:
        arguments = dict(request)
        return outcome_of(getattr(self.wsx.channel, arguments.pop("do"))(**arguments))


def outcome_of(result: Any) -> Any:
    errors = getattr(result, "errors", {})
    return [dict(result), {key: type(error).__name__ for key, error in errors.items()}] if errors else result


class CallsBack(Service):
    """Asks its own caller something before it answers."""

    name = "test.calls-back"

    async def handle(self, data: Any) -> Any:
        assert self.caller is not None
        answer = await self.wsx.channel.invoke(pub_client_id=self.caller.pub_client_id, request={"back": data})
        return {"said": answer}


class Relay(Service):
    name = "test.relay"

    async def handle(self, request: Any) -> Any:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            return (await client.invoke("test.calls-back", request)).data


def answering(answer: Any) -> type[Service]:
    """A client's hook whose on_message answers a request with what the function `answer` makes of it."""

    class Hooks(Service):
        name = "hooks.all"

        async def handle(self) -> Any:
            ctx = self.request.payload["ctx"]
            return await answer(ctx.data.data) if isinstance(ctx, MessageReceived) else None

    return Hooks


async def echo(data: Any) -> Any:
    return {"echo": data}


async def alone(
    nursery: trio.Nursery, network: MemoryNetwork, classes: Sequence[type[Service]] = (), **channel: Any
) -> SimulatedCluster:
    """Start emea, whose clients the test plays itself."""
    emea = await start(nursery, network, "emea", emea_settings(**channel), [Calls, *classes])
    await emea.until("listener", "gateway", "listening")
    return emea


async def started(
    nursery: trio.Nursery, network: MemoryNetwork, answer: Any = echo, **channel: Any
) -> tuple[SimulatedCluster, SimulatedCluster]:
    """Start emea, and apac as its only client."""
    emea = await start(nursery, network, "emea", emea_settings(**channel), [Calls, CallsInThread, CallsBack])
    apac = await start(nursery, network, "apac", apac_settings(), [answering(answer), Relay])
    await apac.until("outgoing", CONNECTION, "ready")
    return emea, apac


async def call(emea: SimulatedCluster, do: str = "invoke", *, service: str = "test.calls", **arguments: Any) -> Any:
    arguments = {"channel_name": "gateway", **arguments} if do != "disconnect_client" else arguments
    return await emea.invoke(service, {"do": do, **arguments})


async def only_client(emea: SimulatedCluster) -> dict[str, Any]:
    [client] = await call(emea, "get_connection_list")
    return dict(client)


class Talking:
    """A client that a test plays itself; `requests` are those that came."""

    def __init__(self, peer: Peer, nursery: trio.Nursery) -> None:
        self.link = peer._link
        self.requests: list[Invoke] = []
        self.others: list[Any] = []
        self._came = trio.Event()
        nursery.start_soon(self._read)

    async def _read(self) -> None:
        with suppress(LinkClosed):
            while True:
                for message in await self.link.receive():
                    (self.requests if isinstance(message, Invoke) else self.others).append(message)
                self._came.set()
                self._came = trio.Event()

    async def request(self, number: int = 1) -> Invoke:
        """Return one of the requests, once there are so many."""
        with trio.fail_after(600):
            while len(self.requests) < number:
                await self._came.wait()
        return self.requests[number - 1]

    def answer(self, request: Invoke, data: Any) -> None:
        self.link.send_nowait(Reply("r1", request.id, data))


# What is asked, and what comes back


@pytest.mark.parametrize("service", ["test.calls", "test.calls-in-thread"])
async def test_the_only_client_of_a_channel_answers(
    wire: str, service: str, network: MemoryNetwork, nursery: Any
) -> None:
    """What its on_message returned is the answer, whatever JSON it is; text that is JSON is sent as what it says."""
    emea, _apac = await started(nursery, network)
    for request in ({"a": 1}, [1, 2], 7, True, None, "text", {}, {"response": 1}):
        assert await call(emea, service=service, request=request) == {"echo": request}
    assert await call(emea, service=service, request='{"a": [1]}') == {"echo": {"a": [1]}}
    client = await only_client(emea)
    by_id = {"pub_client_id": client["pub_client_id"], "request": 1}
    assert await call(emea, service=service, **by_id) == {"echo": 1}
    assert await call(emea, service=service, **by_id, channel_name="") == {"echo": 1}
    assert await call(emea, service=service, **by_id, remove_wrapper=False) == {"response": {"echo": 1}}


async def test_what_on_message_returns_is_never_taken_for_a_wrapper(
    wire: str, network: MemoryNetwork, nursery: Any
) -> None:
    """An answer that has a key `response` of its own keeps it, on both wires."""

    async def own(data: Any) -> Any:
        return {"response": data}

    emea, _apac = await started(nursery, network, own)
    assert await call(emea, request=5) == {"response": 5}


@pytest.mark.parametrize("sequential", [False, True])
async def test_a_service_that_calls_its_caller_back_gets_the_answer(
    wire: str, network: MemoryNetwork, nursery: Any, *, sequential: bool
) -> None:
    """While the caller waits for the service, the same link carries the service's own question and its answer."""
    _emea, apac = await started(nursery, network, sequential=sequential)
    assert await apac.invoke("test.relay", {"service": "x"}) == {"said": {"echo": {"back": {"service": "x"}}}}


async def test_several_clients_are_asked_side_by_side(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """Each is asked before any has answered; those that fail stand apart, with their errors, and hold up nobody."""
    emea = await alone(nursery, network)
    async with peer_of(network, wire, "one") as one, peer_of(network, wire, "two") as two:
        first, second = Talking(one, nursery), Talking(two, nursery)
        outcome: list[Any] = []

        async def ask(**arguments: Any) -> None:
            outcome.append(await call(emea, request="all", **arguments))

        nursery.start_soon(ask)
        for client in (first, second):
            await client.request()
        second.answer(second.requests[0], 2)
        first.answer(first.requests[0], 1)
        await until(lambda: outcome)
        assert sorted(outcome[0].values()) == [1, 2]
        assert outcome[0].keys() == {one["pub_client_id"] for one in await call(emea, "get_connection_list")}
        nursery.start_soon(lambda: ask(timeout=3.0, remove_wrapper=False))
        second.answer(await second.request(2), 4)
        await until(lambda: len(outcome) == 2)
        answers, errors = outcome[1]
        assert (list(answers.values()), list(errors.values())) == ([{"response": 4}], ["InvokeTimeout"])


async def test_clients_are_chosen_by_all_of_the_attributes(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """Every attribute must match; who has only some of them is left alone, and nobody at all is no error."""
    emea = await alone(nursery, network)
    attrs = {"kind": "till", "floor": "3", "open": "true"}
    async with (
        peer_of(network, wire, "one", attrs=attrs) as one,
        peer_of(network, wire, "two", attrs={"kind": "till", "floor": "4"}),
        peer_of(network, wire, "three"),
    ):
        client = Talking(one, nursery)

        async def answer() -> None:
            client.answer(await client.request(), "here")

        nursery.start_soon(answer)
        wanted = {"kind": "till", "floor": 3, "open": True}
        found = await call(emea, "invoke_by_attrs", attrs=wanted, request="x")
        assert list(found.values()) == ["here"]
        assert await call(emea, "invoke_by_attrs", attrs={"kind": "till", "floor": "5"}, request="x") == {}
        assert await call(emea, "invoke_by_attrs", attrs={"colour": "red"}, request="x", channel_name="") == {}
        for nothing in ({}, None, "kind"):
            with pytest.raises(BadInput, match="attrs: expected a dict of at least one attribute"):
                await call(emea, "invoke_by_attrs", attrs=nothing, request="x")


async def test_a_broadcast_reaches_all_and_waits_for_none(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """It says how many were told; what they answer is counted and ignored."""

    class Broadcasts(Service):
        name = "test.broadcasts"

        def handle(self, name: Any) -> Any:
            return self.wsx.channel[name].broadcast('{"n": 1}')

    class Knows(Service):
        name = "test.knows"

        async def handle(self, name: Any) -> Any:
            try:
                return self.wsx.channel[name].name
            except KeyError as error:
                return [error.args[0], self.wsx.channel.get(name)]

    emea = await alone(nursery, network, [Broadcasts, Knows])
    assert await emea.invoke("test.broadcasts", "gateway") == 0
    async with peer_of(network, wire, "one") as one, peer_of(network, wire, "two") as two:
        clients = [Talking(one, nursery), Talking(two, nursery)]
        assert await emea.invoke("test.broadcasts", "gateway") == 2
        assert await call(emea, "broadcast", request=2, channel_name="") == 2
        for client in clients:
            assert [(await client.request(1)).data, (await client.request(2)).data] == [{"n": 1}, 2]
            client.answer(client.requests[0], "nobody waits")
        await until(lambda: sum(one["counts"].get("ignored", 0) for one in sessions(emea)) == 2)
    assert await emea.invoke("test.knows", "gateway") == "gateway"
    assert await emea.invoke("test.knows", "gatewy") == ["gatewy", None]


def sessions(cluster: SimulatedCluster) -> list[dict[str, Any]]:
    return [one for one in cluster.actors() if one["kind"] == "session"]


async def test_connected_clients_are_listed(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """Each with its ids, since when it is there, what it said of itself and what it subscribes to."""
    emea = await alone(nursery, network)
    hello: dict[str, Any] = {"client_id": "c1", "client_name": "Till 1", "attrs": {"floor": "3"}}
    async with peer_of(network, wire, "one", **hello) as peer:
        found = await peer.invoke("zato.pubsub.subscription.create-wsx-subscription", topic_name="/customer/new")
        client = await only_client(emea)
        assert len(client.pop("pub_client_id").removeprefix("ws.")) == 24
        assert abs(datetime.datetime.fromisoformat(client.pop("connection_time")).year - 2026) < 1
        assert client == {
            "ext_client_id": "c1",
            "ext_client_name": "Till 1",
            "channel_name": "gateway",
            "security": "apac",
            "cluster": "",
            "connection": "",
            "peer_address": "memory",
            "wire": wire,
            "attrs": {"floor": "3" if wire == "isthmus.1" else 3},
            "subscriptions": [found["sub_key"]],
        }
        await peer.invoke("zato.pubsub.pubapi.unsubscribe", topic_name="/customer/new", sub_key=found["sub_key"])
        assert (await only_client(emea))["subscriptions"] == []
    await until(lambda: not sessions(emea))
    assert await call(emea, "get_connection_list", channel_name="") == []


async def test_a_client_is_disconnected(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """Its link ends with 4005, it is not listed any more, and an outgoing connection comes back as a new client."""
    emea, apac = await started(nursery, network)
    before = (await only_client(emea))["pub_client_id"]
    await call(emea, "disconnect_client", pub_client_id=before)
    assert await call(emea, "get_connection_list") == []
    await apac.until("outgoing", CONNECTION, "backoff")
    [closed] = [event for event in apac.hooks if event.type == "close"]
    assert (closed.code, closed.origin) == (4005, "remote")
    await until(lambda: len(sessions(emea)) == 1)
    await apac.until("outgoing", CONNECTION, "ready")
    for gone in (before, "ws.unknown", ""):
        with pytest.raises(NotFound, match="is connected"):
            await call(emea, "disconnect_client", pub_client_id=gone)
    assert (await only_client(emea))["pub_client_id"] != before


# What goes wrong


async def test_each_way_a_request_can_fail_has_its_error(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """Nobody there, an unknown client or channel, data that is no JSON, a hook that fails."""

    async def fail(data: Any) -> Any:
        msg = "an internal detail"
        raise RuntimeError(msg)

    emea = await alone(nursery, network)
    with pytest.raises(NotFound, match="no client is connected to channel 'gateway'"):
        await call(emea)
    await (await start(nursery, network, "apac", apac_settings(), [answering(fail)])).until(
        "outgoing", CONNECTION, "ready"
    )
    with pytest.raises(NotFound, match=r"no client 'ws\.x' is connected to channel 'gateway'"):
        await call(emea, pub_client_id="ws.x")
    with pytest.raises(NotFound, match="there is no channel 'gatewy'"):
        await call(emea, channel_name="gatewy")
    with pytest.raises(BadInput, match="channel_name: expected"):
        await call(emea, channel_name="")
    for do in ("invoke", "broadcast"):
        with pytest.raises(BadInput, match="the request cannot be sent"):
            await call(emea, do, request=object())
    with pytest.raises(BadInput, match="bytes"):
        await call(emea, request="x" * (1 << 20))
    if wire == "isthmus.1":
        with pytest.raises(RemoteError) as failed:
            await call(emea)
        assert "internal detail" not in str(failed.value)
    else:
        assert await call(emea) is None  # a Zato client cannot say that it failed


async def test_no_answer_is_a_time_out_and_a_late_one_is_ignored(
    wire: str, network: MemoryNetwork, nursery: Any
) -> None:
    """Late, repeated and unknown answers are counted and change nothing; a native peer hears that nobody waits."""
    emea = await alone(nursery, network)
    async with peer_of(network, wire, "one") as peer:
        client = Talking(peer, nursery)
        began = trio.current_time()
        with pytest.raises(InvokeTimeout, match="gave no answer within 2 s"):
            await call(emea, timeout=2.0)
        assert trio.current_time() - began == pytest.approx(2.0, abs=0.5)
        request = await client.request()
        client.answer(request, "late")
        client.answer(request, "twice")
        client.answer(Invoke("never-asked"), "unknown")
        await until(lambda: sessions(emea)[0]["counts"].get("ignored", 0) == 3)
        assert client.others == ([Cancel(request.id)] if wire == "isthmus.1" else [])
        outcome: list[Any] = []

        async def ask() -> None:
            outcome.append(await call(emea))

        nursery.start_soon(ask)
        again = await client.request(2)
        client.answer(again, "first")
        client.answer(again, "second")
        await until(lambda: sessions(emea)[0]["counts"]["ignored"] == 4)
        assert outcome == ["first"]


async def test_a_lost_link_ends_requests_at_once(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """The one that was sent says so; a client that has gone in between is not found."""
    emea = await alone(nursery, network)
    errors: list[CallError] = []

    async def ask() -> None:
        try:
            await call(emea, timeout=100.0)
        except CallError as error:
            errors.append(error)

    async with peer_of(network, wire, "one") as peer, trio.open_nursery() as inner:
        client = Talking(peer, inner)
        nursery.start_soon(ask)
        await client.request()
        inner.cancel_scope.cancel()
    with trio.fail_after(5):
        await until(lambda: errors)
    [lost] = errors
    assert isinstance(lost, LinkLost)
    assert lost.sent
    with pytest.raises(NotFound):
        await call(emea)


async def test_whoever_stops_waiting_has_the_client_s_handler_cancelled(network: MemoryNetwork, nursery: Any) -> None:
    """On the native wire the handler behind a request ends with whoever asked, and the session forgets the request."""
    began, ended = trio.Event(), trio.Event()

    async def hang(_data: Any) -> None:
        began.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    emea, _apac = await started(nursery, network, hang)
    with trio.CancelScope() as scope:

        async def give_up() -> None:
            await began.wait()
            scope.cancel()

        nursery.start_soon(give_up)
        await call(emea, timeout=100.0)
    with trio.fail_after(1):
        await ended.wait()
    [session] = sessions(emea)
    assert session["gauges"]["calls"] == 0


async def test_only_so_many_requests_are_under_way(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """One too many is refused at once; the others have their answers."""
    emea = await alone(nursery, network, max_in_flight=2)
    async with peer_of(network, wire, "one") as peer:
        client = Talking(peer, nursery)
        outcome: list[Any] = []

        async def ask() -> None:
            outcome.append(await call(emea, timeout=60.0))

        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await client.request(2)
        with pytest.raises(Overloaded, match="more than 2 requests to 'gateway/ws"):
            await call(emea, timeout=60.0)
        for request in client.requests:
            client.answer(request, "yes")
        await until(lambda: outcome == ["yes", "yes"])


async def test_a_peer_that_does_not_read_can_be_disconnected(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """What waits to be sent to it holds nothing else up; all of it fails when the link ends."""
    emea = await alone(nursery, network, ping_timeout=1e6, ping_interval=1e6)
    errors: list[CallError] = []

    async def ask() -> None:
        try:
            await call(emea, request="x" * 60_000, timeout=1e5)
        except CallError as error:
            errors.append(error)

    async with peer_of(network, wire, "one"):
        network.throttle("emea", "peer-one", 1.0)
        for _ in range(600):
            nursery.start_soon(ask)
        await until(lambda: sessions(emea)[0]["gauges"]["calls"] == 600)
        began = trio.current_time()
        await call(emea, "disconnect_client", pub_client_id=(await only_client(emea))["pub_client_id"])
        await until(lambda: len(errors) == 600)
        assert trio.current_time() - began < 10
    assert {type(error) for error in errors} == {LinkLost}
    assert {error.sent for error in errors if isinstance(error, LinkLost)} == {True, False}


async def test_a_refusal_of_the_client_is_the_error_it_names(network: MemoryNetwork, nursery: Any) -> None:
    """What a native client says about a request is raised as the error of that name."""
    emea = await alone(nursery, network)
    async with peer_of(network, "isthmus.1", "one") as peer:
        client = Talking(peer, nursery)

        async def refuse() -> None:
            request = await client.request()
            client.link.send_nowait(Failure("f1", request.id, 400, "data: too odd", "BadInput"))

        nursery.start_soon(refuse)
        with pytest.raises(BadInput, match="data: too odd"):
            await call(emea)
