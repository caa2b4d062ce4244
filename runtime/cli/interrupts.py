"""Ctrl-C, and readers that go away: for commands that have something to finish, and those that go on until then."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio

__all__ = ["on_interrupt", "while_wanted"]


@contextmanager
def on_interrupt(callback: Callable[[], object]) -> Iterator[None]:
    """Call `callback` on the event loop each time the command is interrupted or asked to end, and raise nothing.

    Where a shell has it ignore interrupts, as it does with what runs in the background of a script, it goes on to.
    """
    token = trio.lowlevel.current_trio_token()
    heeded = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) is not signal.SIG_IGN]
    before = {one: signal.signal(one, lambda *_: token.run_sync_soon(callback)) for one in heeded}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


async def while_wanted(action: Callable[[], Awaitable[None]]) -> None:
    """Run `action` until it ends, somebody interrupts, or nobody reads what is printed any more.

    Raises:
        Exception: Whatever `action` raises.
    """
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        with on_interrupt(nursery.cancel_scope.cancel):
            nursery.start_soon(_until_nobody_reads, nursery.cancel_scope)
            try:
                await action()
            except Exception as error:  # taken out of the nursery, which would wrap it
                failure = error
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _until_nobody_reads(scope: trio.CancelScope) -> None:
    """Cancel a scope when the reader of standard output, where that is a pipe, has gone: it says so by an error."""
    try:
        descriptor = sys.stdout.fileno()
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return
        await trio.lowlevel.wait_readable(descriptor)
    except OSError:  # no file at all, or a system that does not tell
        return
    scope.cancel()
