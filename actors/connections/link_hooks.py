"""The hooks of one link: started, never waited for by the link, and in order among themselves.

on_connect comes first; on_message starts when it has ended, one delivery of a subscription at a time and
different ones side by side; the end of the link cancels what still runs, and on_close comes after all others.
Each session has one on_connect and one on_close: one whose link is lost before the service got to on_connect has
it run to its end all the same. The hooks of the next link wait for this one's `done`. Frames of a WebSocket server are
handled one after the other, and those that had come are handled before on_close, within `max_throttled_time`, since
nobody sends them again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from attrs import frozen

from actors.connections.frames import FrameLane
from actors.connections.hooks import Closed, Connected, IncomingRequest, MessageReceived
from actors.envelope import HandlerRun
from actors.errors import LinkClosed, NotFound
from actors.lazy import Lazy
from actors.messages import Deliver, Extend, Message
from actors.ports import Entropy
from actors.pulse import Latch, Pulse
from actors.ref import ActorRef
from actors.services.hook_calls import ask_hook
from actors.settings import OutgoingSettings
from actors.signals import Signals
from actors.topics.handling import Handling, Verdict
from actors.topics.lanes import Lanes
from actors.topics.settlement import Settlement

__all__ = ["LinkBegan", "LinkHooks", "OnSettled"]

_NO_HOOK = "there is no on_message hook"

OnSettled = Callable[[object, "Exception | None"], None]
"""Told what on_message returned, or the error that it ended with."""


@frozen
class _Request:
    """A request of the server for on_message."""

    event: MessageReceived
    settled: OnSettled


@frozen
class LinkBegan:
    """What is known of a link when it is there; see `Connected`."""

    attempt: int
    resumed: bool = False
    missed: int = 0


class LinkHooks:
    """Runs the hook services of one link, in a task that a link without anything to run does without.

    Args:
        ref: Finds actors.
        settings: The connection's settings, which name the hooks.
        log: The connection's logger.
        after: The hooks of the link before this one.
        handling: What is known of messages that came over this link and those before it.
        config: Gives what the hooks see of the settings.
        conn: Gives what makes clients for the hooks.
        send: Sends an answer to a delivery, or an `Extend`.
        is_extending: Whether the sender of deliveries understands `Extend`.
        entropy: Correlation ids.
        signals: What is told of deliveries, where somebody looks.
    """

    # with more attributes than instances share the names of, each would have a dict of its own
    __slots__ = (
        "_after",
        "_began",
        "_caught_up",
        "_close_run",
        "_closed",
        "_config",
        "_conn",
        "_connect_ended",
        "_connect_run",
        "_entropy",
        "_extending_in",
        "_frame_task",
        "_frames",
        "_handling",
        "_handling_in",
        "_is_begun",
        "_is_extending",
        "_is_needed",
        "_jobs",
        "_lanes",
        "_link_ended",
        "_log",
        "_ref",
        "_requests",
        "_running",
        "_send",
        "_signals",
        "done",
        "settings",
        "waiting",
    )

    def __init__(
        self,
        ref: Callable[[str, str], ActorRef],
        settings: OutgoingSettings,
        log: Any,
        *,
        after: LinkHooks | None,
        handling: Handling,
        config: Callable[[], Any],
        conn: Callable[[], Any],
        send: Callable[[Message], None],
        is_extending: bool,
        entropy: Entropy,
        signals: Signals | None,
    ) -> None:
        self._ref = ref
        self._signals = signals
        self.settings = settings
        self._log = log
        self._after = after
        self._config = config
        self._conn = conn
        self._send = send
        self._frames = FrameLane(self._handle_frame)
        self._frame_task = Lazy(self._frames.run)
        self._handling = handling
        self._is_extending = is_extending
        self._lanes: Lanes | None = None
        self._extending_in: trio.Nursery | None = None
        self._entropy = entropy
        self._began: LinkBegan | None = None
        self._connect_run = HandlerRun()
        self._close_run = HandlerRun()
        self._connect_ended = Latch()
        self._is_begun = False
        self._closed: LinkClosed | None = None
        self._link_ended = Latch()
        self._running = Lazy(self._run)
        self._is_needed = False
        self._jobs: list[_Request] = []
        self._handling_in: trio.Nursery | None = None
        self._requests: dict[str, trio.CancelScope] = {}
        self._caught_up = Pulse()
        self.waiting = 0
        """How many messages were handed over and are not settled yet."""
        self.done = Latch()

    # What the link tells

    def begin(self, began: LinkBegan, nursery: trio.Nursery) -> None:
        """The link is there: run on_connect, and what comes, by tasks of a nursery as far as there are any hooks."""
        self._running.may_run_in(nursery)
        if self._after is not None and self._after.done.is_set():
            self._after = None
        if self._after is not None or self.settings.on_connect is not None:
            self._began = began
            self._need_task()
        else:
            self._is_begun = True
            self._connect_ended.set()

    def _need_task(self) -> None:
        if not self._is_needed:
            self._is_needed = True
            self._running.need()

    def request(self, request: IncomingRequest, settled: OnSettled) -> None:
        """Hand a request of the server to on_message; any number run side by side."""
        if self.settings.on_message is None:
            settled(None, NotFound(_NO_HOOK))
            return
        self.waiting += 1
        self._need_task()
        self._requests[request.id] = trio.CancelScope()
        self._start(_Request(MessageReceived(self._config(), self._conn(), request), settled))

    def frame(self, data: object, size: int) -> None:
        """Hand a frame to on_message, one after the other; what it returns goes nowhere."""
        self.waiting += 1
        self._need_task()
        self._frames.take(MessageReceived(self._config(), self._conn(), data), size)
        self._frame_task.need()

    def delivery(self, delivery: Deliver) -> None:
        """Hand messages to on_message; those of one subscription one after the other."""
        if self.settings.on_message is None:
            self._answer_delivery(Verdict(delivery, refused=_NO_HOOK))
            return
        self.waiting += 1
        self._need_task()
        if self._lanes is None:
            self._lanes = self._open_lanes()
        self._lanes.take(delivery)

    def _open_lanes(self) -> Lanes:
        """Return what handles deliveries, which a link that brings none does without."""
        lanes = Lanes(
            self._handling,
            self._run_on_message,
            self._answer_delivery,
            self._extend if self._is_extending else None,
            self._one_less,
        )
        lanes.may_run_in(self._handling_in)
        lanes.may_extend_in(self._extending_in)
        return lanes

    def _extend(self, held: list[Deliver]) -> None:
        self._send(Extend([one.id for one in held]))

    def cancel(self, request_id: str) -> bool:
        """The server does not wait for a request's answer any more; tell whether it waited or was under way."""
        scope = self._requests.get(request_id)
        if scope is not None:
            scope.cancel()
        return scope is not None

    def closed(self, closed: LinkClosed) -> None:
        """The link has ended: cancel running hooks, then run on_close."""
        self._closed = closed
        self._link_ended.set()
        if self._is_needed or self.settings.on_close is not None:
            self._need_task()
        else:
            self.done.set()

    # How far the hooks are

    @property
    def is_behind(self) -> bool:
        """Tell whether so much waits that no more should be read."""
        return self.waiting >= self.settings.max_unhandled or self._frames.is_full

    async def caught_up(self) -> None:
        """Wait until half of what may wait is handled."""
        while self.waiting > self.settings.max_unhandled // 2 or not self._frames.is_half_empty:
            await self._caught_up.wait()

    # Running them

    async def _run(self) -> None:
        """Run the hooks of this link, from when there is anything to run until on_close has ended."""
        try:
            await self._run_until_ended()
        finally:
            self._handle_in(None)
            self._extend_in(None)
        await self._close()

    async def _run_until_ended(self) -> None:
        async with trio.open_nursery() as nursery:
            self._extend_in(nursery)
            if self._after is not None:
                await self._after.done.wait()
                self._after = None
            if self._is_begun:
                self._begin_handling(nursery)
            else:
                nursery.start_soon(self._connect, nursery)
            await self._link_ended.wait()
            if not self._connect_run.has_begun:
                await self._connect_ended.wait()
            with trio.move_on_after(self.settings.max_throttled_time):  # or links that come and go would add up
                await self._frames.wait_handled()  # nobody sends them again
            nursery.cancel_scope.cancel()

    async def finish(self) -> None:
        """Where that was cut short: run on_close now, if these hooks had begun, after that of the link before."""
        if self._after is not None:
            await self._after.finish()
        has_begun = self._is_begun or self._connect_run.has_begun
        if has_begun and not self.done.is_set() and not self._close_run.has_begun:
            await self._close()
        self.done.set()

    async def _close(self) -> None:
        if self._frames:
            self._log.warning("frames were not handled", count=len(self._frames))
        closed, on_close = self._closed, self.settings.on_close
        if on_close is not None and closed is not None:
            event = Closed(self._config(), self._conn(), closed.code, closed.reason, closed.origin)
            await self._invoke(on_close, event, self._close_run)
        self.done.set()

    async def _connect(self, nursery: trio.Nursery) -> None:
        """Run on_connect, and have all else handled from then on."""
        try:
            began, on_connect = self._began, self.settings.on_connect
            if on_connect is not None and began is not None:
                event = Connected(self._config(), self._conn(), began.attempt, began.resumed, began.missed)
                await self._invoke(on_connect, event, self._connect_run)
            self._is_begun = True
        finally:
            self._connect_ended.set()
        self._begin_handling(nursery)

    def _begin_handling(self, nursery: trio.Nursery) -> None:
        self._handle_in(nursery)
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            self._start(job)

    def _handle_in(self, nursery: trio.Nursery | None) -> None:
        self._handling_in = nursery
        if self._lanes is not None:
            self._lanes.may_run_in(nursery)
        self._frame_task.may_run_in(nursery)

    def _extend_in(self, nursery: trio.Nursery | None) -> None:
        self._extending_in = nursery
        if self._lanes is not None:
            self._lanes.may_extend_in(nursery)

    def _start(self, job: _Request) -> None:
        """Handle a request of the server as soon as on_connect has ended."""
        if self._handling_in is None:
            self._jobs.append(job)
        else:
            self._handling_in.start_soon(self._handle_request, job)

    async def _run_on_message(
        self, delivery: Deliver, messages: Any, settlement: Settlement, run: HandlerRun
    ) -> Exception | None:
        request = IncomingRequest(delivery.id, delivery.timestamp, messages)
        event = MessageReceived(self._config(), self._conn(), request, settlement)
        service, cid = str(self.settings.on_message), self._entropy.hex_id()

        async def handle(trace: str = "") -> tuple[object, Exception | None]:
            return await self._invoke(service, event, run, cid=cid, trace=trace)

        signals = self._signals
        settlement.result, error = await (handle() if signals is None else signals.delivery(delivery, handle, cid))
        return error

    def _answer_delivery(self, verdict: Verdict) -> None:
        self._send(verdict.answer(self._entropy.hex_id()))

    def _one_less(self) -> None:
        self.waiting -= 1
        self._caught_up.notify()

    async def _handle_request(self, job: _Request) -> None:
        request_id = job.event.data.id
        result: object = None
        error: Exception | None = None
        try:
            with self._requests[request_id] as scope:
                await trio.lowlevel.checkpoint_if_cancelled()  # it may be taken back before its turn comes
                result, error = await self._invoke(str(self.settings.on_message), job.event)
        finally:
            self._one_less()
            del self._requests[request_id]
        if not scope.cancelled_caught:
            job.settled(result, error)

    async def _handle_frame(self, event: MessageReceived) -> None:
        await self._invoke(str(self.settings.on_message), event)
        self._one_less()

    async def _invoke(
        self, service: str, event: object, run: HandlerRun | None = None, *, cid: str = "", trace: str = ""
    ) -> tuple[object, Exception | None]:
        """Run one hook; what it raises is logged and never breaks the link."""
        return await ask_hook(
            service,
            event,
            ref=self._ref,
            timeout=self.settings.hook_timeout,
            cid=cid or self._entropy.hex_id(),
            log=self._log,
            run=run,
            trace=trace,
        )
