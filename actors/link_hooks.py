"""The hooks of one link: started, never waited for by the link, and in order among themselves.

on_connect comes first; on_message starts when it has ended, one delivery of a subscription at a time and
different ones side by side; the end of the link cancels what still runs, and on_close comes after all others.
Each session has one on_connect and one on_close: one whose link is lost before the service got to on_connect has
it run to its end all the same. The hooks of the next link wait for this one's `done`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from attrs import frozen

from actors.call import Call
from actors.envelope import Envelope, ReplySlot, ask_by
from actors.errors import NotFound
from actors.hooks import Closed, Connected, MessageReceived
from actors.ports import Entropy
from actors.ref import ActorRef
from actors.settings import OutgoingSettings

__all__ = ["LinkHooks", "OnSettled"]

OnSettled = Callable[[object, "Exception | None"], None]
"""Told what on_message returned, or the error that it ended with."""


@frozen
class _Job:
    """One event for on_message."""

    event: MessageReceived
    settled: OnSettled


class LinkHooks:
    """Runs the hook services of one link.

    Args:
        ref: Finds actors.
        settings: The connection's settings, which name the hooks.
        log: The connection's logger.
        after: The hooks of the link before this one.
        entropy: Correlation ids.
    """

    def __init__(
        self,
        ref: Callable[[str, str], ActorRef],
        settings: OutgoingSettings,
        log: Any,
        *,
        after: LinkHooks | None,
        entropy: Entropy,
    ) -> None:
        self._ref = ref
        self._settings = settings
        self._log = log
        self._after = after
        self._entropy = entropy
        self._connected: Connected | None = None
        self._connect_slot: ReplySlot | None = None
        self._connect_ended = trio.Event()
        self._is_begun = False
        self._closed: Closed | None = None
        self._link_ended = trio.Event()
        self._send_job, self._jobs = trio.open_memory_channel[tuple[str | None, _Job]](float("inf"))
        self._requests: dict[str, trio.CancelScope] = {}
        self._caught_up = trio.Event()
        self.waiting = 0
        """How many messages were handed over and are not settled yet."""
        self.done = trio.Event()

    # What the link tells

    def connected(self, event: Connected) -> None:
        """Say what on_connect is to be told; comes before `run`."""
        self._connected = event

    def message(self, event: MessageReceived, settled: OnSettled, *, lane: str | None) -> None:
        """Hand an event to on_message; those of one lane run one after the other, None is no lane."""
        if self._settings.on_message is None:
            msg = "there is no on_message hook"
            self._log.warning("message refused", reason=msg)
            settled(None, NotFound(msg))
            return
        self.waiting += 1
        if lane is None:
            self._requests[event.data.id] = trio.CancelScope()
        self._send_job.send_nowait((lane, _Job(event, settled)))

    def cancel(self, request_id: str) -> bool:
        """The server does not wait for a request's answer any more; tell whether it waited or was under way."""
        scope = self._requests.get(request_id)
        if scope is not None:
            scope.cancel()
        return scope is not None

    def closed(self, event: Closed) -> None:
        """The link has ended: cancel running hooks, then run on_close."""
        self._closed = event
        self._link_ended.set()

    # How far the hooks are

    @property
    def is_behind(self) -> bool:
        """Tell whether so much waits that no more should be read."""
        return self.waiting >= self._settings.max_unhandled

    async def caught_up(self) -> None:
        """Wait until half of what may wait is handled."""
        while self.waiting > self._settings.max_unhandled // 2:
            await self._caught_up.wait()

    # Running them

    async def run(self) -> None:
        """Run the hooks of this link, from its beginning until on_close has ended."""
        if self._after is not None:
            await self._after.done.wait()
            self._after = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_in_order)
            await self._link_ended.wait()
            if self._connect_slot is None or not self._connect_slot.is_begun:
                await self._connect_ended.wait()
            nursery.cancel_scope.cancel()
        await self._close()

    async def finish(self) -> None:
        """Where `run` was cut short: run on_close now, if these hooks had begun."""
        if not self.done.is_set() and self._is_begun:
            await self._close()
        self.done.set()

    async def _close(self) -> None:
        event, self._closed = self._closed, None
        if self._settings.on_close is not None and event is not None:
            await self._invoke(self._settings.on_close, event)
        self.done.set()

    async def _run_in_order(self) -> None:
        self._is_begun = True
        try:
            if self._settings.on_connect is not None and self._connected is not None:
                await self._invoke(self._settings.on_connect, self._connected)
        finally:
            self._connect_ended.set()
        lanes: dict[str, trio.MemorySendChannel[_Job]] = {}
        async with trio.open_nursery() as nursery:
            async for lane, job in self._jobs:
                if lane is None:
                    nursery.start_soon(self._handle_request, job)
                    continue
                if lane not in lanes:
                    lanes[lane], receive = trio.open_memory_channel[_Job](float("inf"))
                    nursery.start_soon(self._work_lane, receive)
                lanes[lane].send_nowait(job)

    async def _work_lane(self, jobs: trio.MemoryReceiveChannel[_Job]) -> None:
        async for job in jobs:
            await self._handle(job)

    async def _handle_request(self, job: _Job) -> None:
        request_id = job.event.data.id
        try:
            with self._requests[request_id]:
                await self._handle(job)
        finally:
            del self._requests[request_id]

    async def _handle(self, job: _Job) -> None:
        service = self._settings.on_message
        try:
            await trio.lowlevel.checkpoint_if_cancelled()  # a request may be taken back before its turn comes
            result, error = await self._invoke(str(service), job.event)
        finally:
            self.waiting -= 1
            self._caught_up.set()
            self._caught_up = trio.Event()
        job.settled(result, error)

    async def _invoke(self, service: str, event: object) -> tuple[object, Exception | None]:
        """Run one hook; what it raises is logged and never breaks the link."""
        cid = self._entropy.hex_id()

        async def send(envelope: Envelope) -> None:
            if isinstance(event, Connected):
                self._connect_slot = envelope.reply
            self._ref("service", service).send_nowait(envelope)

        try:
            return await ask_by(send, Call({"ctx": event}), timeout=self._settings.hook_timeout, cid=cid), None
        except Exception as error:  # whatever a user's hook raises
            self._log.error("hook failed", hook=service, cid=cid, error=f"{type(error).__name__}: {error}")
            return None, error
