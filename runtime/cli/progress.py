"""How far long work has come, on stderr, where somebody can see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from runtime.store.files import OnStep, nothing

__all__ = ["progress_bar"]


@contextmanager
def progress_bar() -> Iterator[OnStep]:
    """Give what shows a bar: what is done, how much of it, and of how much, 0 where that is not known."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield nothing
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def on_step(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total or None)

        yield on_step
