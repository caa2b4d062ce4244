"""The hooks of one link: started, never waited for by the link, and in order among themselves.

on_connect comes first; on_message starts when it has ended, one delivery of a subscription at a time and
different ones side by side; the end of the link cancels what still runs, and on_close comes after all others.
The hooks of the next link wait for this one's `done`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from actors.call import Call
from actors.errors import ActorNotFound, IsthmusError
from actors.hooks import Closed, Connected, MessageReceived
from actors.ports import Entropy
from actors.ref import ActorRef

__all__ = ["LinkHooks", "OnSettled"]

OnSettled = Callable[[object, "Exception | None"], None]
"""Told what on_message returned, or the error that it ended with."""


class LinkHooks:
    """Runs the hook services of one link.

    Args:
        ref: Finds actors.
        timeout: Seconds that a hook may take.
        log: The connection's logger.
        after: Set when the hooks of the link before this one are done.
        entropy: Correlation ids.
    """

    def __init__(
        self,
        ref: Callable[[str, str], ActorRef],
        timeout: float,
        log: Any,
        *,
        after: trio.Event,
        entropy: Entropy,
    ) -> None:
        self._ref = ref
        self._timeout = timeout
        self._log = log
        self._after = after
        self._entropy = entropy
        self._connect: tuple[str | None, Connected] | None = None
        self._close: tuple[str | None, Closed] | None = None
        self._link_ended = trio.Event()
        self._send_event, self._events = trio.open_memory_channel[tuple[str, MessageReceived, OnSettled, str | None]](
            float("inf")
        )
        self.done = trio.Event()

    def connected(self, service: str | None, event: Connected) -> None:
        """Say what on_connect is to be told; comes before `run` gets to work."""
        self._connect = (service, event)

    def message(self, service: str | None, event: MessageReceived, settled: OnSettled, *, lane: str | None) -> None:
        """Hand an event to on_message; those of one lane run one after the other, None is no lane."""
        if service is None:
            self._log.warning("message received, and there is no on_message hook")
            settled(None, None)
        else:
            self._send_event.send_nowait((service, event, settled, lane))

    def closed(self, service: str | None, event: Closed) -> None:
        """The link has ended: cancel running hooks, then run on_close."""
        self._close = (service, event)
        self._link_ended.set()

    async def run(self) -> None:
        """Run the hooks of this link, from its beginning until on_close has ended."""
        try:
            await self._after.wait()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._run_until_link_ends)
                await self._link_ended.wait()
                nursery.cancel_scope.cancel()
            if self._close is not None and self._close[0] is not None:
                await self._invoke(self._close[0], self._close[1])
        finally:
            self.done.set()

    async def _run_until_link_ends(self) -> None:
        if self._connect is not None and self._connect[0] is not None:
            await self._invoke(self._connect[0], self._connect[1])
        lanes: dict[str, trio.MemorySendChannel[tuple[str, MessageReceived, OnSettled]]] = {}
        async with trio.open_nursery() as nursery:
            async for service, event, settled, lane in self._events:
                if lane is None:
                    nursery.start_soon(self._handle, service, event, settled)
                    continue
                if lane not in lanes:
                    lanes[lane], receive = trio.open_memory_channel[tuple[str, MessageReceived, OnSettled]](
                        float("inf")
                    )
                    nursery.start_soon(self._work_lane, receive)
                lanes[lane].send_nowait((service, event, settled))

    async def _work_lane(self, events: trio.MemoryReceiveChannel[tuple[str, MessageReceived, OnSettled]]) -> None:
        async for service, event, settled in events:
            await self._handle(service, event, settled)

    async def _handle(self, service: str, event: MessageReceived, settled: OnSettled) -> None:
        result, error = await self._invoke(service, event)
        settled(result, error)

    async def _invoke(self, service: str, event: object) -> tuple[object, Exception | None]:
        """Run one hook; what it raises is logged and never breaks the link."""
        cid = self._entropy.hex_id()
        try:
            result = await self._ref("service", service).ask(Call({"ctx": event}), timeout=self._timeout, cid=cid)
        except ActorNotFound:
            msg = f"there is no service {service!r}"
            self._log.error("hook failed", hook=service, error=msg)
            return None, IsthmusError(msg)
        except Exception as error:  # whatever a user's hook raises
            self._log.error("hook failed", hook=service, cid=cid, error=f"{type(error).__name__}: {error}")
            return None, error
        return result, None
