"""A channel of Zato as it was observed, with its quirks: what our outgoing connections have to get along with.

Each connection has one loop that reads and handles, so that a service which takes long holds up whatever comes
after it, answers and pings included. What the server says by itself goes in between.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from attrs import define, field
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Message,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError

from runtime.transport import Address, Network
from tests.interop.zato_frames import ABSENT, Frames, Release, Shape
from tests.planted import PASSWORD

__all__ = ["Connection", "ZatoChannel", "ZatoFailure"]

SUBSCRIBE = "zato.pubsub.subscription.create-wsx-subscription"

ZatoService = Callable[["Connection", Any], Awaitable[Any]]


class ZatoFailure(Exception):
    """What a service fails with: a status and a text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Dropped(Exception):
    """The server ends the TCP connection without a close frame."""


@define
class ZatoChannel:
    """A channel at an address, on whatever network.

    `connections` are all that there were, in order; `refusals` is why connections were dropped, and `ignored` what
    was never answered because it could not be understood.
    """

    network: Network
    address: Address
    release: Release = Release.NEW
    shape: Shape = Shape.BOTH
    is_gateway: bool = True
    credentials: tuple[str, str] | None = ("apac", PASSWORD)
    token_ttl: float = 3600.0
    ping_interval: float = 45.0
    ping_wait: float = 5.0
    pings_missed_threshold: int = 2
    services: dict[str, ZatoService] = field(factory=dict)
    backlog: dict[str, list[Any]] = field(factory=dict)
    connections: list[Connection] = field(factory=list)
    refusals: list[str] = field(factory=list)
    ignored: list[str] = field(factory=list)

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take connections until cancelled."""
        listeners = await self.network.listen(self.address)
        await trio.serve_listeners(self._serve_one, listeners, task_status=task_status)  # type: ignore[type-var]

    async def _serve_one(self, stream: trio.abc.Stream) -> None:
        connection = Connection(self, stream)
        self.connections.append(connection)
        await connection.run()

    def broadcast(self, data: Any) -> Awaitable[None]:
        """Send a request with one and the same id to all connections."""
        return self._send_to_all(Frames(self.release).request(data, "broadcast0000000000001"))

    async def _send_to_all(self, text: str) -> None:
        for connection in self.connections:
            if connection.token and not connection.is_gone.is_set():
                await connection.say(text)


class Connection:
    """One peer. Tests have the server ask, deliver, close or drop by its methods."""

    def __init__(self, channel: ZatoChannel, stream: trio.abc.Stream) -> None:
        self.channel = channel
        self.frames = Frames(channel.release)
        self.token = ""
        self.client: dict[str, Any] = {}
        self.is_gone = trio.Event()
        self.close_received: tuple[int, str | None] | None = None
        self.subscriptions: dict[str, str] = {}
        self._stream = stream
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._text = ""
        self._expires_at = 0.0
        self.answers: dict[str, Any] = {}
        self._answered = trio.Event()
        self._pongs: set[str] = set()
        self._pings: set[str] = set()

    async def run(self) -> None:
        """Serve the peer until it is gone."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await self._read()
                nursery.cancel_scope.cancel()
        except* (_Dropped, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.is_gone.set()
            await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        while True:
            data = await self._stream.receive_some(65536)
            if not data:
                return
            self._protocol.receive_data(bytes(data))
            for event in self._protocol.events():
                match event:
                    case Request():
                        await self._upgrade(event)
                    case TextMessage() | BytesMessage():
                        # a binary frame is read as though it were text
                        self._text += event.data if isinstance(event.data, str) else bytes(event.data).decode()
                        if event.message_finished:
                            text, self._text = self._text, ""
                            await self._take(text)
                    case Ping():
                        await self._send(event.response())
                    case Pong():
                        self._take_pong(bytes(event.payload))
                    case CloseConnection():
                        self.close_received = (event.code, event.reason)
                        await self._send(event.response())
                        return

    async def _upgrade(self, request: Request) -> None:
        """The sub-protocols that are offered are ignored, and the answer has headers that nobody needs."""
        if request.target != self.channel.address.path:
            await self._send(RejectConnection(status_code=404))
            raise _Dropped
        headers = [(b"Date", b"Thu, 01 Jan 2026 00:00:00 GMT"), (b"Content-Length", b"0")]
        await self._send(AcceptConnection(extra_headers=headers))

    async def _send(self, event: Any) -> None:
        with contextlib.suppress(LocalProtocolError):  # a close crossed it
            await self._stream.send_all(self._protocol.send(event))

    async def say(self, text: str) -> None:
        """Send a text frame."""
        await self._send(Message(data=text))

    # What peers say

    async def _take(self, text: str) -> None:
        channel = self.channel
        try:
            document = json.loads(text)
        except ValueError:
            return channel.ignored.append(f"not JSON: {text[:40]}")
        if not isinstance(document, dict):
            return channel.ignored.append(f"no object: {text[:40]}")
        meta = document.get("meta", {})
        for key in ("id", "timestamp"):
            if not meta.get(key):
                return channel.ignored.append(f"no {key}: {text[:40]}")
        if meta.get("action") == "create-session":
            return await self._log_in(meta)
        if not self._has_token(meta):
            return await self._deny(f"no token or a wrong one: {meta}")
        if meta.get("action") in (None, "client-response"):
            return self._take_answer(meta, document.get("data"))
        return await self._invoke(meta["id"], document.get("data"))

    async def _log_in(self, meta: dict[str, Any]) -> None:
        if self.token:
            return self.channel.ignored.append("a second create-session")
        wanted = self.channel.credentials
        if wanted is not None and (meta.get("username"), meta.get("secret")) != wanted:
            return await self._deny(f"bad credentials of {meta.get('username')!r}")
        self.client = {key: meta.get(key) for key in ("client_id", "client_name")}
        self.token = self.frames.new_token()
        self._expires_at = trio.current_time() + self.channel.token_ttl
        await self.say(self.frames.session(meta["id"], self.token))
        self._nursery.start_soon(self._ping_for_ever)
        return None

    def _has_token(self, meta: dict[str, Any]) -> bool:
        if not self.token or not meta.get("token"):
            return False
        if self.channel.release is Release.OLD:
            return True  # its value is not compared
        return meta["token"] == self.token and trio.current_time() < self._expires_at

    async def _deny(self, why: str) -> None:
        self.channel.refusals.append(why)
        await self.say(self.frames.denial())
        raise _Dropped

    def _take_answer(self, meta: dict[str, Any], data: Any) -> None:
        """Answers that nobody waits for are kept all the same, for tests to see."""
        self.answers[str(meta.get("in_reply_to"))] = data
        self._answered.set()
        self._answered = trio.Event()

    async def _invoke(self, message_id: str, data: Any) -> None:
        """Answer a request; one whose result is no JSON is never answered."""
        try:
            result = await self._result(data)
            text = self.frames.result(message_id, result)
        except ZatoFailure as error:
            text = self.frames.error(message_id, error.status, str(error))
        except TypeError:
            return
        await self.say(text)

    async def _result(self, data: Any) -> Any:
        channel = self.channel
        if not channel.is_gateway:
            return await channel.services["mounted"](self, data)
        if not isinstance(data, dict) or "service" not in data:
            raise ZatoFailure(500, "Internal server error")
        name, request = data["service"], data.get("request")
        if name == SUBSCRIBE:
            return channel.shape.wrap(await self._subscribe(request))
        if name not in channel.services:
            raise ZatoFailure(403, "You are not allowed to access this resource")
        return channel.shape.wrap(await channel.services[name](self, request))

    async def _subscribe(self, request: dict[str, Any]) -> dict[str, Any]:
        """What waits is pushed before the answer, and each message is in its frame twice."""
        names = request.get("topic_name_list") or [request["topic_name"]]
        for name in names:
            if name not in self.channel.backlog:
                raise ZatoFailure(404, f"No such topic `{name}`")
            self.subscriptions[name] = self.frames.sub_key(self.client["client_id"])
            messages = [self._message(name, data) for data in self.channel.backlog[name]]
            if messages:
                await self.say(self.frames.delivery([one for one in messages for _ in range(2)]))
        if "topic_name" in request:
            return {"sub_key": self.subscriptions[request["topic_name"]]}
        keys = [{"topic_name": one, "sub_key": self.subscriptions[one], "current_depth": "0"} for one in names]
        return {"sub_data": str(keys)}  # the repr of a list, which is no JSON

    # Pings

    async def _ping_for_ever(self) -> None:
        missed = 0
        while True:
            await trio.sleep(self.channel.ping_interval)
            name, payload = self.frames.ping()
            self._pings.add(name)
            await self._send(Ping(payload=payload))
            with trio.move_on_after(self.channel.ping_wait):
                while name not in self._pongs:
                    await self._answered.wait()
            if name in self._pongs:
                missed = 0
                self._expires_at += self.channel.ping_interval
            else:
                missed += 1
                if missed == self.channel.pings_missed_threshold:
                    return await self._give_up()

    async def _give_up(self) -> None:
        """3.2 sends a close frame and keeps the connection; 3.0 says it in a message."""
        self.channel.refusals.append("pings missed")
        if self.channel.release is Release.OLD:
            await self.say(self.frames.denial())
        else:
            await self.close(4002, "Pings missed")

    def _take_pong(self, payload: bytes) -> None:
        """A pong that is no JSON with meta.id ends the connection; one with an id nobody asked for does not."""
        try:
            self._pongs.add(json.loads(payload)["meta"]["id"])
        except (ValueError, KeyError, TypeError):
            self.channel.refusals.append(f"a foreign pong: {payload[:40]!r}")
            raise _Dropped from None
        self._answered.set()
        self._answered = trio.Event()

    @property
    def pongs(self) -> int:
        """How many pings were answered."""
        return len(self._pongs & self._pings)

    # What the server says by itself

    def _message(self, topic: str, data: Any, **more: Any) -> dict[str, Any]:
        return self.frames.message(topic, data, sub_key=self.subscriptions[topic], **more)

    async def deliver(self, topic: str, *datas: Any, **more: Any) -> list[str]:
        """Deliver messages in one frame; return their ids."""
        messages = [self._message(topic, data, **more) for data in datas]
        await self.say(self.frames.delivery(messages))
        return [one["msg_id"] for one in messages]

    async def request(self, data: Any = ABSENT) -> Any:
        """Ask the peer, wait 5 s at most and return what it answers, unwrapped; None where it does not."""
        text = self.frames.request(data)
        await self.say(text)
        return await self.answer_to(json.loads(text)["meta"]["id"])

    async def answer_to(self, message_id: str) -> Any:
        """Return what the peer answers to a message; None where it does not within 5 s."""
        with trio.move_on_after(5.0):
            while message_id not in self.answers:
                await self._answered.wait()
        data = self.answers.get(message_id)
        return data["response"] if isinstance(data, dict) and "response" in data else data

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame; the connection stays until the peer has echoed it."""
        await self._send(CloseConnection(code=code, reason=reason))

    async def drop(self) -> None:
        """End the connection without a word."""
        await trio.aclose_forcefully(self._stream)
