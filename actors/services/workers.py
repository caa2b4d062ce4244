"""The workers of a service: how many requests it handles at once, how each is answered, and what a stop waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from actors.actor import Progress
from actors.deadlines import deadlines
from actors.envelope import Envelope
from actors.errors import ActorError, AskTimeout, CallError, Overloaded
from actors.failures import single
from actors.mailbox import Mailbox
from actors.pulse import Latch, Pulse
from actors.services.overload import Overload

__all__ = ["Workers"]


_AT_ONCE = 64
"""How many requests a worker may answer without a handler that waits, before others get their turn."""

_WAITED = 0.1
"""The part of its time that a request has waited at least which is refused for that."""


class _Scope:
    """A cancel scope that knows without asking Trio whether it was cancelled."""

    __slots__ = ("is_cancelled", "scope")

    def __init__(self, scope: trio.CancelScope) -> None:
        self.scope = scope
        self.is_cancelled = False

    def cancel(self) -> None:
        """Cancel what runs in it."""
        self.is_cancelled = True
        self.scope.cancel()


class Workers:
    """Tasks that take requests out of a mailbox and answer them, each one request at a time.

    Args:
        mailbox: Where the requests wait.
        invoke: Runs the service for one request and returns its answer.
        concurrency: At most so many at once; a worker is made only when all others are busy.
        stopping: Set when no further request is to be begun.
        progress: Where it is counted what was handled.
        log: Where failures are told.
        ended_over: Makes the answer of a request that was in hand when the service ended.
        is_crash: Tells whether an exception out of the service is also to restart it.
        pass_on: Gives a request to another service, slot and all, and tells whether it did; None where none ever is.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        invoke: Callable[[Envelope], Awaitable[Any]],
        *,
        concurrency: int,
        stopping: Latch,
        progress: Progress,
        log: Any,
        ended_over: Callable[[BaseException], ActorError],
        is_crash: Callable[[Exception], bool],
        pass_on: Callable[[Envelope], bool] | None = None,
    ) -> None:
        self._mailbox = mailbox
        self._invoke = invoke
        self._concurrency = concurrency
        self._stopping = stopping
        self._progress = progress
        self._log = log
        self._ended_over = ended_over
        self._is_crash = is_crash
        self._pass_on = pass_on
        self._under_way: dict[Envelope, _Scope] = {}
        self._count = 0
        self._idle = 0
        self._became_idle = Pulse()
        self._timers = deadlines()
        self._overload = Overload()

    async def run(self, nursery: trio.Nursery) -> None:
        """Answer requests until the service is to stop and those in hand are answered; then cancel the nursery."""
        self._add_worker(nursery)
        await self._stopping.wait()
        while self._idle < self._count:
            await self._became_idle.wait()
        nursery.cancel_scope.cancel()

    def overdue(self) -> list[str]:
        """Return the cids of handlers that go on although they have been cancelled: shielded, or in a thread."""
        return [envelope.cid for envelope, scope in self._under_way.items() if scope.is_cancelled]

    def _add_worker(self, nursery: trio.Nursery) -> None:
        self._count += 1
        self._idle += 1
        nursery.start_soon(self._work, nursery)

    async def _work(self, nursery: trio.Nursery) -> None:
        """Handle requests one after the other, in one scope until a request of it is cancelled."""
        while not self._stopping.is_set():
            with trio.CancelScope() as scope:
                await self._answer_requests(_Scope(scope), nursery)

    async def _answer_requests(self, scope: _Scope, nursery: trio.Nursery) -> None:
        """Answer requests until there are to be no more or the scope is cancelled.

        The last idle worker calls in another before it starts one.
        """
        at_once, mailbox = 0, self._mailbox
        while not scope.is_cancelled:
            if not mailbox.has_waiting:
                await mailbox.wait()
            if self._stopping.is_set():
                return  # what came together with the wish to stop is the next instance's
            envelope = mailbox.take_nowait()
            if (
                envelope is not None
                and envelope.is_wanted
                and not (self._pass_on and self._pass_on(envelope))
                and not (self._overload.is_on and self._is_too_late(envelope))
            ):
                self._idle -= 1
                if not self._idle and self._count < self._concurrency:
                    self._add_worker(nursery)
                try:
                    await self._answer(envelope, scope)
                finally:
                    self._idle += 1
                    self._became_idle.notify()
            at_once += 1
            if at_once == _AT_ONCE:
                at_once = 0
                await trio.lowlevel.checkpoint()

    def _is_too_late(self, envelope: Envelope) -> bool:
        """Refuse a request that waited for its turn until it has too little time left; tell whether that was so."""
        now = self._timers.now()
        left, waited, least = envelope.deadline - now, now - envelope.sent_at, self._overload.least(now)
        if left >= least or waited < _WAITED * (waited + left):
            return False
        self._overload.refused(now)
        self._progress.count("refused")
        self._log.warning("overloaded: a request is refused that came to its turn too late", takes=round(least, 3))
        if envelope.reply is not None:
            why = f"a request takes about {least:.3g} s, and {max(0.0, left):.3g} s were left when its turn came"
            envelope.reply.fail(Overloaded(f"never begun: {why}"))
        return True

    async def _answer(self, envelope: Envelope, scope: _Scope) -> None:
        """Handle one request and settle its slot; the scope is cancelled when nobody waits any more."""
        slot, run = envelope.reply, envelope.run
        if run is not None:
            run.begin()
        if slot is not None:
            slot.on_abandoned(scope.cancel)
        timer = self._timers.call_at(envelope.deadline, scope.cancel)
        self._under_way[envelope] = scope
        overload = self._overload
        began_at = self._timers.now() if overload.is_on else None
        try:
            await self._handle(envelope)
            if began_at is not None:
                overload.handled(self._timers.now() - began_at)
        except BaseException as error:  # nobody waits any more, or the service is being stopped, or worse
            if slot is not None:
                is_over = scope.is_cancelled and _is_cancellation(error)
                if is_over:
                    overload.cancelled(self._timers.now(), envelope.deadline, began_at)
                slot.fail(AskTimeout("the time for the answer is over") if is_over else self._ended_over(error))
            raise
        finally:
            self._timers.cancel(timer)
            del self._under_way[envelope]
            self._progress.count("handled")
            if run is not None:
                run.end()

    async def _handle(self, envelope: Envelope) -> None:
        slot = envelope.reply
        try:
            result = await self._invoke(envelope)
            if envelope.run is not None:
                envelope.run.has_succeeded = True
            if slot is not None:
                slot.answer(result)
        except Exception as error:  # an exception out of handle is an answer
            self._note_failure(envelope, error)
            if slot is not None:
                slot.fail(single(error))
            if self._is_crash(single(error)):
                raise
        except BaseExceptionGroup as group:
            cancelled, rest = group.split(trio.Cancelled)
            if isinstance(rest, Exception):
                self._note_failure(envelope, rest)
            raise (cancelled or group) from None

    def _note_failure(self, envelope: Envelope, error: Exception) -> None:
        cause = single(error)
        log = self._log.bind(cid=envelope.cid)
        if isinstance(cause, CallError):
            log.info("answered with an error", status=cause.status, error=str(cause))
        else:
            log.error("handle failed", error=f"{type(cause).__name__}: {cause}", exc_info=cause)


def _is_cancellation(error: BaseException) -> bool:
    """Tell whether an error is nothing but a cancellation, or a group of those."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)
