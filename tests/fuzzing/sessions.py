"""Feeds real sessions: a channel whose peers are the fuzzer, and an outgoing connection whose server it is.

Both run over the network in memory, on a clock that jumps, so that each time-out is waited for. A link may end over
what the fuzzer sends; the channel and the connection may not, nor may they fail to answer whoever does as it should.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import structlog
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, wrap_server_stream

from actors import Service
from actors.errors import DialFailed
from actors.messages import Hello, Invoke, Message, Reply, Welcome
from actors.settings import Compat
from runtime.testing import MemoryNetwork, SimulatedCluster
from runtime.testing.run import run_simulated
from runtime.transport import Address
from runtime.wire import Frame
from tests.fuzzing.inputs import FORMATS, NOW, Inputs
from tests.fuzzing.report import Report
from tests.planted import PASSWORD
from tests.runtime.transport.support import websocket
from tests.support import ADDRESS, apac_settings, emea_settings, start

__all__ = ["fuzz_sessions"]

WHERE = Address.parse(ADDRESS)
PATIENCE = 120.0
"""Seconds of the simulation within which whoever is asked must answer, or end the link."""

UNSAYABLE = ("handle failed: RecursionError", "handle failed: TypeError: a value of type")
"""How it is logged that a service's result, here what it was given, is nested too deep or of a type of its own."""

_decode = msgspec.msgpack.Decoder(list[Message]).decode


class Sink(Service):
    """Takes what a connection is sent, whatever it is."""

    name = "hooks.all"

    async def handle(self, _event: Any) -> dict[str, bool]:
        return {"taken": True}


class Counts(Service):
    """Yields numbers to whoever asks for a stream."""

    name = "demo.counts"

    async def handle(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number


class Peer:
    """The fuzzer's end of a link: it speaks a format well enough to log in and to probe."""

    def __init__(self, socket: WebSocketConnection, format_: str) -> None:
        self.socket = socket
        self.format = format_
        self.token = ""

    async def say(self, message: Hello | Invoke | Welcome) -> None:
        """Send a message as it should be."""
        if self.format == "native":
            await self.socket.send_message(msgspec.msgpack.encode([message]))
            return
        meta: dict[str, Any] = {"id": message.id, "timestamp": NOW, "token": self.token}
        if isinstance(message, Hello):
            meta |= {"action": "create-session", "username": message.username, "secret": message.secret}
            await self.socket.send_message(json.dumps({"meta": meta}))
        elif isinstance(message, Welcome):
            meta = {"id": "w1", "timestamp": NOW, "msg_type": "zwsx.rspa", "in_reply_to": message.in_reply_to}
            await self.socket.send_message(json.dumps({"meta": {**meta, "status": 200}, "data": {"token": "t"}}))
        else:
            meta |= {"action": "invoke-service", "msg_type": "zwsx.rqc"}
            await self.socket.send_message(json.dumps({"meta": meta, "data": message.data}))

    async def hear(self, answered: str) -> Any:
        """Read on to what answers a message; a token in it is kept."""
        while True:
            frame = await self.socket.get_message()
            if isinstance(frame, bytes):
                for message in _decode(frame):
                    if getattr(message, "in_reply_to", "") == answered and isinstance(message, Reply | Welcome):
                        return message
            else:
                document = json.loads(frame)
                if document["meta"].get("in_reply_to") == answered:
                    data = document.get("data")
                    self.token = data.get("token", self.token) if isinstance(data, dict) else self.token
                    return document

    async def first_hello(self) -> str:
        """Return the id of what the other end says first."""
        frame = await self.socket.get_message()
        return str(_decode(frame)[0].id if isinstance(frame, bytes) else json.loads(frame)["meta"]["id"])  # type: ignore[union-attr]


class SessionFuzzer:
    """Sends inputs over links, and looks after each whether the other end is as it should be.

    Args:
        inputs: What is sent.
        report: Where it is counted.
        count: How many inputs a link carries, unless it ends before.
    """

    def __init__(self, inputs: Inputs, report: Report, count: int) -> None:
        self._inputs = inputs
        self._report = report
        self._count = count

    def channel_options(self) -> dict[str, Any]:
        """Return options of the channel that change the way of its messages."""
        chance = self._inputs.chance
        return {
            "compat": Compat.ZATO_3_0 if chance(0.3) else Compat.ZATO_3_2,
            "sequential": chance(0.5),
            "is_audit_log_sent_active": chance(0.5),
            "is_audit_log_received_active": chance(0.5),
        }

    async def channel(self, network: MemoryNetwork, *, links: int) -> None:
        """Open links to a channel, some with a session and some without, and feed each."""
        for number in range(links):
            format_ = FORMATS[number % 2]
            async with self._connected(network, format_) as peer:
                has_session = self._inputs.chance(0.7)
                with contextlib.suppress(ConnectionClosed):
                    if has_session:
                        await peer.say(Hello("h1", username="apac", secret=PASSWORD))
                        await peer.hear("h1")
                    await self._feed(peer, f"session {format_} server {'open' if has_session else 'new'}", "server")
                    await self._probe(peer)
        async with self._connected(network, "native") as good:
            await good.say(Hello("h1", username="apac", secret=PASSWORD))
            await good.hear("h1")
            await self._probe(good)

    @contextlib.asynccontextmanager
    async def _connected(self, network: MemoryNetwork, format_: str) -> AsyncIterator[Peer]:
        stream = await network.node("peer").connect(WHERE)
        subprotocols = ("isthmus.1",) if format_ == "native" else None
        async with websocket(stream, WHERE, subprotocols=subprotocols) as socket:
            yield Peer(socket, format_)

    async def connection(self, network: MemoryNetwork, format_: str, *, links: int) -> None:
        """Be the server of a connection that comes back after each link, and feed each."""
        [listener] = await network.node("emea").listen(WHERE)
        async with listener:
            for _ in range(links):
                with trio.fail_after(600):
                    stream = await listener.accept()
                async with trio.open_nursery() as nursery:
                    request = await wrap_server_stream(nursery, stream)
                    assert isinstance(request, WebSocketRequest)
                    socket = await request.accept(subprotocol="isthmus.1" if format_ == "native" else None)
                    with contextlib.suppress(ConnectionClosed):
                        await self._serve(Peer(socket, format_))
                    nursery.cancel_scope.cancel()
                await trio.aclose_forcefully(stream)

    async def _serve(self, peer: Peer) -> None:
        hello = await peer.first_hello()
        has_session = self._inputs.chance(0.8)
        if has_session:
            await peer.say(Welcome("w1", hello, token="t"))
        await self._feed(peer, f"connection {peer.format} client {'open' if has_session else 'greeted'}", "client")
        await self._probe(peer)

    async def _feed(self, peer: Peer, target: str, role: str) -> None:
        """Send inputs while what comes back is read and thrown away."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drain, peer.socket)
            for _ in range(self._inputs.number(1, self._count)):
                kind, frame = self._inputs.next(peer.format, role, peer.token)
                self._report.inputs[target] += 1
                self._report.kinds[kind] += 1
                try:
                    await self._send(peer.socket, frame)
                except ConnectionClosed:
                    break
            nursery.cancel_scope.cancel()

    async def _send(self, socket: WebSocketConnection, frame: Frame) -> None:
        if isinstance(frame, bytes) and self._inputs.chance(0.1):
            await socket.pong(frame[:100])
        await socket.send_message(frame)

    async def _drain(self, socket: WebSocketConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.get_message()

    async def _probe(self, peer: Peer) -> None:
        """Ask something as it should be: an answer or the end of the link must come in time."""
        try:
            with trio.fail_after(PATIENCE):
                await peer.say(Invoke("probe", {"service": "demo.echo", "request": 1}))
                await peer.hear("probe")
                self._report.outcomes["probe answered"] += 1
        except ConnectionClosed:
            self._report.outcomes["link ended"] += 1
        except trio.TooSlowError:
            self._report.problems.append(f"no answer and no end of a link of {peer.format}")


def fuzz_sessions(seed: int, report: Report, *, links: int, count: int) -> None:
    """Feed a channel and a connection in each format; nothing may crash."""
    errors: list[str] = []

    def note(_logger: Any, level: str, event: Any) -> Any:
        what = f"{event.get('event')}: {event.get('error', '')}"
        if what.startswith(UNSAYABLE):
            report.outcomes["answered with 500: the result cannot be said"] += 1
        elif level in ("error", "critical"):
            errors.append(what)
        raise structlog.DropEvent

    fuzzer = SessionFuzzer(Inputs(seed), report, count)
    structlog.configure(processors=[note])
    try:
        run_simulated(_run_channel, fuzzer, links, report, seed=seed)
        for format_ in FORMATS:
            run_simulated(_run_connection, fuzzer, format_, links // 2, report, seed=seed)
    finally:
        structlog.reset_defaults()
    report.problems += [f"seed {seed}: logged as an error: {one}" for one in dict.fromkeys(errors)]


async def _run_channel(fuzzer: SessionFuzzer, links: int, report: Report) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        emea = await start(nursery, network, "emea", emea_settings(**fuzzer.channel_options()), [Counts])
        await emea.until("listener", "gateway", "listening")
        await fuzzer.channel(network, links=links)
        await _end(emea, report)


async def _run_connection(fuzzer: SessionFuzzer, format_: str, links: int, report: Report) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        apac = await start(nursery, network, "apac", apac_settings(), [Sink])
        await fuzzer.connection(network, format_, links=links)
        await _end(apac, report)


async def _end(cluster: SimulatedCluster, report: Report) -> None:
    """See to it that no actor has crashed and no session is left, and stop the cluster."""
    with trio.move_on_after(PATIENCE):
        while any(one["kind"] == "session" for one in cluster.actors()):
            await trio.sleep(1.0)
    for one in cluster.actors():
        if one["kind"] == "session":
            report.problems.append(f"a session is left: {one['name']}")
        if one["restarts"]:
            report.problems.append(f"{one['kind']}:{one['name']} crashed: {one.get('last_error')}")
    with contextlib.suppress(DialFailed):
        await cluster.stop()
    cluster.forget()
