"""Running a generator: from its first to its last step in the task of the worker that answers the request."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

__all__ = ["produce"]


class _Step:
    """Waits for one step of a generator, and has `before_waiting` called when the step begins to wait for anything.

    That is how items which are yielded one right after the other travel together, while one that others follow later
    waits for nothing.
    """

    __slots__ = ("_before_waiting", "_step")

    def __init__(self, step: Awaitable[Any], before_waiting: Callable[[], None]) -> None:
        self._step = step
        self._before_waiting = before_waiting

    def __await__(self) -> Generator[Any, Any, Any]:
        step = self._step.__await__()
        try:
            trap = next(step)
        except StopIteration as done:
            return done.value
        self._before_waiting()
        return (yield from _resumed(step, trap))


def _resumed(step: Any, trap: Any) -> Generator[Any, Any, Any]:
    """Go on with a step that has been begun, as `yield from` would."""
    while True:
        try:
            sent = yield trap
        except BaseException as error:
            resume, value = step.throw, error
        else:
            resume, value = step.send, sent
        try:
            trap = resume(value)
        except StopIteration as done:
            return done.value


async def produce(
    generator: AsyncGenerator[Any, None], put: Callable[[Any], Awaitable[None]], flush: Callable[[], None]
) -> None:
    """Run a generator to its end and put what it yields; it is closed when this returns, however that comes about.

    What `put` raises, cancellation included, is raised within the generator, at its `yield`: so a scope around the
    `yield` works as it would around any other wait, and what the generator cleans up is done before anything else.

    Raises:
        Exception: What the generator raised.
    """
    try:
        step: Awaitable[Any] = generator.__anext__()
        while True:
            try:
                item = await _Step(step, flush)
            except StopAsyncIteration:
                return
            try:
                await put(item)
            except BaseException as error:
                step = generator.athrow(error)
            else:
                step = generator.__anext__()
    finally:
        await generator.aclose()
        flush()
