"""A message between actors, and the slot that its answer goes into.

The slot is settled once: by an answer, by an error, or by being abandoned when nobody waits any more. Whoever
asks says what happens then (`on_settled`); whoever handles the message says how it learns that nobody waits
(`on_abandoned`). Neither needs a task of its own for that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import trio
from trio.lowlevel import Abort

from actors.deadlines import Deadlines, deadlines
from actors.errors import AskTimeout
from actors.pulse import Latch

__all__ = ["AwaitedReply", "Envelope", "HandlerRun", "ReplySlot", "ask_by"]


class ReplySlot:
    """Where the one answer to one message goes.

    Args:
        on_settled: Called once with the slot when it holds an answer or an error; not when it was abandoned.
    """

    __slots__ = ("_on_abandoned", "_on_settled", "_shape", "error", "is_settled", "value")

    def __init__(self, on_settled: Callable[[ReplySlot], None]) -> None:
        self._on_settled = on_settled
        self._on_abandoned: Callable[[], None] | None = None
        self._shape: Callable[[Any], Any] | None = None
        self.is_settled = False
        self.value: Any = None
        self.error: Exception | None = None

    def answer(self, value: object) -> None:
        """Settle with a value; ignored where the slot is settled already."""
        if not self.is_settled:
            self.is_settled = True
            self.value = value if self._shape is None else self._shape(value)
            self._on_abandoned = None
            self._on_settled(self)

    def shape(self, shape: Callable[[Any], Any]) -> None:
        """Have a value take another shape before it settles the slot; of several shapes the last one comes first."""
        before = self._shape
        self._shape = shape if before is None else lambda value: before(shape(value))

    def fail(self, error: Exception) -> None:
        """Settle with an error; ignored where the slot is settled already."""
        if not self.is_settled:
            self.is_settled = True
            self.error = error
            self._on_abandoned = None
            self._on_settled(self)

    def abandon(self) -> None:
        """Tell the handler that nobody waits any more; ignored where the slot is settled already."""
        if not self.is_settled:
            self.is_settled = True
            if self._on_abandoned is not None:
                self._on_abandoned()
                self._on_abandoned = None

    def on_abandoned(self, callback: Callable[[], None] | None) -> None:
        """Say what to call when nobody waits any more; at once where that is so already."""
        if self.is_settled:
            if callback is not None and self.value is None and self.error is None:
                callback()
        else:
            self._on_abandoned = callback


class AwaitedReply(ReplySlot):
    """A slot whose answer one task waits for, without a cancel scope or an event of its own.

    Args:
        timers: The deadlines of this run.
    """

    __slots__ = ("_timers", "is_late", "task")

    def __init__(self, timers: Deadlines) -> None:
        super().__init__(_wake)
        self._timers = timers
        self.task: trio.lowlevel.Task | None = None
        self.is_late = False

    async def wait(self, deadline: float, timeout: float) -> Any:
        """Return the answer; always a checkpoint.

        Cancellation and the deadline abandon the slot, which tells the handler that nobody waits.

        Args:
            deadline: Until when to wait, in Trio's time.
            timeout: How long that was in all, for the error.

        Raises:
            AskTimeout: When there was no answer in time.
            Exception: What the message was failed with.
        """
        if self.is_settled:
            await trio.lowlevel.checkpoint()
        else:
            timer = self._timers.call_at(deadline, self._give_up)
            self.task = trio.lowlevel.current_task()
            try:
                await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)
            finally:
                self._timers.cancel(timer)
                self.abandon()
        if self.is_late:
            msg = f"no answer within {timeout:g} s"
            raise AskTimeout(msg)
        if self.error is not None:
            raise self.error
        return self.value

    def _give_up(self) -> None:
        if not self.is_settled:
            self.is_late = True
            self.abandon()
            _wake(self)

    def _stop_waiting(self, _raise_cancel: object) -> Abort:
        self.task = None
        return Abort.SUCCEEDED


def _wake(slot: ReplySlot) -> None:
    """Have the task that waits for the slot go on."""
    if isinstance(slot, AwaitedReply) and slot.task is not None:
        task, slot.task = slot.task, None
        trio.lowlevel.reschedule(task)


class HandlerRun:
    """Whether a service is running for an envelope: also when nobody waits any more, until it has really ended."""

    __slots__ = ("_ended", "_then", "has_succeeded", "is_running")

    def __init__(self) -> None:
        self.is_running = False
        self.has_succeeded = False
        self._ended = Latch()
        self._then: list[Callable[[], None]] | None = None

    @property
    def has_begun(self) -> bool:
        """Tell whether the handler runs, or has run."""
        return self.is_running or self._ended.is_set()

    def begin(self) -> None:
        """Note that the handler begins."""
        self.is_running = True

    def end(self) -> None:
        """Note that it has ended."""
        self.is_running = False
        self._ended.set()
        then, self._then = self._then, None
        for callback in then or ():
            callback()

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Say what to call as soon as no handler runs, maybe at once; one that has not begun is not waited for."""
        if self.is_running:
            self._then = [*(self._then or ()), callback]
        else:
            callback()

    async def wait_ended(self) -> None:
        """Wait until no handler runs; one that has not begun is not waited for."""
        if self.is_running:
            await self._ended.wait()


class Envelope(msgspec.Struct, eq=False):
    """A payload on its way to an actor.

    `deadline` is a point in Trio's time after which nobody waits; `size` what the payload counts against the
    mailbox's bytes; `reply` is None where no answer is wanted; `run` is told when a service begins and ends; `sent_at`
    is since when it has been waited for, also in Trio's time, where somebody waits with a deadline.
    """

    payload: Any
    cid: str = ""
    deadline: float = float("inf")
    reply: ReplySlot | None = None
    size: int = 0
    run: HandlerRun | None = None
    sent_at: float = float("-inf")

    @property
    def is_wanted(self) -> bool:
        """Tell whether handling it still serves anybody."""
        return self.reply is None or not self.reply.is_settled


async def ask_by(send: Callable[[Envelope], Awaitable[None]], payload: object, *, timeout: float, cid: str = "") -> Any:
    """Send a message by way of `send` and wait for its answer, at most `timeout` seconds in all.

    Cancellation and the time-out abandon the slot, which tells the handler that nobody waits.

    Raises:
        AskTimeout: When there was no answer in time.
        Exception: What `send` raised, or what the message was failed with.
    """
    timers = deadlines()
    slot, now = AwaitedReply(timers), timers.now()
    deadline = now + timeout
    try:
        with trio.move_on_at(deadline):
            await send(Envelope(payload, cid, deadline, slot, sent_at=now))
        return await slot.wait(deadline, timeout)
    finally:
        slot.abandon()
