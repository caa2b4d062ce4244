"""What the CLI talks to a running server with: a session over its admin socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from actors.errors import DialFailed, InvokeTimeout, LinkClosed
from actors.failures import error_of
from actors.messages import Acknowledge, Deliver, Denied, Failure, Hello, Invoke, Message, Reply, Welcome
from actors.ports import Link
from actors.topics.received import messages_of
from runtime.ports import SystemClock, SystemEntropy
from runtime.transport import Address, LinkOptions, WebSocketDialer
from runtime.transport.unix import UnixNetwork, socket_path
from runtime.wire import NativeWire, Role

__all__ = ["AdminClient", "NotRunning", "connect"]

_ADDRESS = Address.parse("ws://localhost:1/admin")
_MAX_MESSAGE = 16 * 1024 * 1024


class NotRunning(Exception):
    """No server answers at the admin socket."""


class AdminClient:
    """An administrative session.

    Args:
        link: Its link.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._entropy = SystemEntropy()
        self._waiting: list[Message] = []

    async def invoke(self, service: str, request: object = None, *, timeout: float = 30.0) -> Any:
        """Invoke a service of the cluster and return its result.

        Raises:
            CallError: What the service failed with, or `InvokeTimeout`.
        """
        call_id = self._entropy.hex_id()
        call = Invoke(call_id, {"service": service, "request": request}, cid=call_id, timeout=timeout)
        await self._link.send(call)
        with trio.move_on_after(timeout):
            while True:
                message = await self._next()
                if isinstance(message, Reply) and message.in_reply_to == call.id:
                    return message.data
                if isinstance(message, Failure) and message.in_reply_to == call.id:
                    raise error_of(message)
                if isinstance(message, Deliver):
                    self._waiting.append(message)
        msg = f"service {service!r} gave no answer within {timeout:g} s"
        raise InvokeTimeout(msg)

    async def hello(self) -> None:
        """Create the session."""
        await self._link.send(Hello(self._entropy.hex_id(), client_name="isthmus CLI"))
        while not isinstance(message := await self._next(), Welcome):
            if isinstance(message, Denied):
                raise NotRunning(message.reason)

    async def deliveries(self) -> AsyncIterator[list[dict[str, Any]]]:
        """Give the messages of each delivery, which is acknowledged when the next is asked for."""
        kept, self._waiting = self._waiting, []
        while True:
            message = kept.pop(0) if kept else await self._next()
            if isinstance(message, Deliver):
                yield messages_of(message)
                self._link.send_nowait(Acknowledge(self._entropy.hex_id(), message.id))

    _batch: list[Message] | None = None

    async def _next(self) -> Message:
        if not self._batch:
            self._batch = list(await self._link.receive())
        return self._batch.pop(0)


@asynccontextmanager
async def connect(data_dir: Path) -> AsyncGenerator[AdminClient, None]:
    """Open an administrative session with the server of a data_dir.

    Raises:
        NotRunning: When there is none.
    """
    clock = SystemClock()
    dialer = WebSocketDialer(
        UnixNetwork(socket_path(data_dir)),
        _ADDRESS,
        lambda _subprotocol, _is_local: NativeWire(
            Role.CLIENT,
            timestamp=clock.timestamp,
            max_message_size=_MAX_MESSAGE,
        ),
        LinkOptions(max_message_size=_MAX_MESSAGE),
        entropy=SystemEntropy(),
    )
    try:
        async with dialer.dial() as link:
            client = AdminClient(link)
            await client.hello()
            yield client
    except (DialFailed, LinkClosed) as error:
        raise NotRunning(str(error)) from None
