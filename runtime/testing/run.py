# ruff: noqa: SLF001 - the one place that uses what Trio keeps to itself
"""Runs a test on a mock clock, with tasks scheduled in an order that a seed decides.

Trio runs the tasks that are ready in random order. For Hypothesis it has a switch that makes the order depend on
its random number generator alone; this is the one place that uses it, and a test fails when it changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import trio
from trio._core import _run as trio_internals
from trio.abc import Clock, Instrument
from trio.testing import MockClock

__all__ = ["run_simulated"]

T = TypeVar("T")


def run_simulated(
    async_fn: Callable[..., Awaitable[T]],
    *args: object,
    seed: int = 0,
    clock: Clock | None = None,
    instruments: Sequence[Instrument] = (),
) -> T:
    """Run an async function as `trio.run` does, on a clock that jumps over every wait.

    Give it to pytest-trio as a runner: `@pytest.mark.trio(run=run_simulated)`.

    Args:
        async_fn: What to run.
        *args: Its arguments.
        seed: Decides the order of tasks that are ready at the same time.
        clock: The clock, if not a fresh `MockClock` that jumps as soon as nothing else can run.
        instruments: Trio's instruments.
    """
    with _scheduling_decided_by(seed):
        return trio.run(
            async_fn,
            *args,
            clock=clock or MockClock(autojump_threshold=0),
            instruments=instruments,
            strict_exception_groups=True,
        )


@contextmanager
def _scheduling_decided_by(seed: int) -> Iterator[None]:
    was_allowed = trio_internals._ALLOW_DETERMINISTIC_SCHEDULING
    state = trio_internals._r.getstate()
    trio_internals._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    trio_internals._r.seed(seed)
    try:
        yield
    finally:
        trio_internals._ALLOW_DETERMINISTIC_SCHEDULING = was_allowed  # type: ignore[misc]
        trio_internals._r.setstate(state)
