"""Stream: what a caller iterates over.

Nothing is sent before the first item is asked for. The stream is opened by a request whose answer is its end, so what
holds for calls holds for it: the deadline flows along, and whoever leaves it cancels the generator, however many hops
away. Leaving is `break`, `return`, an exception or a cancellation within the loop: the loop was the only one to hold
the stream, which notices that nobody can ask it any more. Where it has a name of its own it is used by `async with`,
or closed by `aclose()`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import trio
from attrs import frozen

from actors.envelope import ReplySlot
from actors.errors import CallError, InvokeTimeout, IsthmusError, RemoteError
from actors.ports import Threads
from actors.streams.inlet import Inlet

__all__ = ["Opening", "Stream"]


def _wrong_end(value: object) -> RemoteError | None:
    """Return the error of a peer that ended a stream by an answer, which no stream has."""
    return None if value is None else RemoteError("the peer gave one answer and no stream")


@frozen
class Opening:
    """How a stream is opened.

    Args:
        send: Has the request on its way, whose slot is settled at the end of the stream; given the deadline of all.
        threads: The way back from blocking code.
        late: Returns the error of a stream that gave nothing for so many seconds.
        timeout: Seconds to wait for each item.
        total_timeout: Seconds that the whole stream may take.
        time_left: Returns what is left of a number of seconds within the invocation under way.
    """

    send: Callable[[Inlet, ReplySlot, float], None]
    threads: Threads
    late: Callable[[float], CallError]
    timeout: float
    total_timeout: float
    time_left: Callable[[float], float]


class Stream:
    """The items of a remote generator, or of another service, one by one.

    `async for item in stream`, or in a blocking service `for item in stream`. It may be iterated over once. After a
    cancellation or a time-out it is over.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._inlet: Inlet | None = None
        self._slot: ReplySlot | None = None
        self._deadline = float("inf")
        self._was_left = False

    # In async code

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """Return the next item.

        Raises:
            StopAsyncIteration: When the generator has ended.
            InvokeTimeout: When it gave no item in time, or its whole time is over.
            LinkLost: When the link broke; what had arrived before came first.
            NotSupported: When the peer cannot stream; nothing was sent.
            CallError: What the generator ended with, or why it could not begin.
            IsthmusError: When the stream was left before.
        """
        inlet = self._opened()
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            if not len(inlet):
                await self._wait(inlet)
            return inlet.take()
        except StopAsyncIteration:
            raise
        except BaseException:
            self._leave()
            raise

    def _opened(self) -> Inlet:
        if self._was_left:
            msg = "the stream was left before its end: what it would still have given is not known"
            raise IsthmusError(msg)
        if self._inlet is None:
            inlet = self._inlet = Inlet()
            opening = self._opening
            self._deadline = trio.current_time() + opening.time_left(opening.total_timeout)
            self._slot = ReplySlot(lambda slot: inlet.end(slot.error or _wrong_end(slot.value)))
            opening.send(inlet, self._slot, self._deadline)
        return self._inlet

    async def _wait(self, inlet: Inlet) -> None:
        """Wait for an item or the end, at most as long as was said."""
        began_at = trio.current_time()
        until = min(began_at + self._opening.timeout, self._deadline)
        with trio.move_on_at(until) as waiting:
            await inlet.wait()
        if len(inlet):
            return
        if waiting.cancelled_caught and not inlet.has_ended:
            self._leave()
            raise self._opening.late(until - began_at)
        if inlet.is_late and trio.current_time() >= self._deadline:  # the generator noticed it first
            msg = "the time for the whole stream is over"
            raise InvokeTimeout(msg)

    async def aclose(self) -> None:
        """Leave the stream: the generator is cancelled, if it has not ended. Idempotent."""
        self._leave()
        await trio.lowlevel.checkpoint()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        """Tell the generator that nobody waits."""
        inlet = self._inlet
        if inlet is None or not inlet.has_ended or len(inlet):
            self._was_left = True
        if self._slot is not None:
            self._slot.abandon()

    # In blocking code

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            return self._opening.threads.call_back(self.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Leave the stream, as `aclose` does, in blocking code."""
        self._opening.threads.call_back(self.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        """Leave it where the loop that held it was left."""
        slot = self._slot
        if slot is None or slot.is_settled:
            return
        if trio.lowlevel.in_trio_run():
            slot.abandon()
        elif self._opening.threads.inside():
            self.close()
