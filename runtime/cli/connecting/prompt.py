"""Where lines come from: a terminal, by way of readline in a thread of its own, or a pipe or a file."""

from __future__ import annotations

import os
import sys
import termios
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

import trio

from runtime.cli.connecting.lines import WORDS
from runtime.cli.lines import read_lines

try:
    import readline
except ImportError:  # a Python that was built without it
    readline = None  # type: ignore[assignment]

__all__ = ["PipedLines", "TypedLines"]

PROMPT = "> "

_LONGEST_SETTING_UP = 1.0
"""Seconds that readline may take to set up the terminal for a line."""


class TypedLines:
    """Lines that somebody types, with a history and completion of the words that a line begins with."""

    def __init__(self) -> None:
        self._is_asking = False
        self._is_set_up = threading.Event()
        """Set once readline has changed the terminal for a line: what is restored before that is changed again."""

    @contextmanager
    def set_up(self) -> Iterator[None]:
        """Leave the terminal as it was, also when nobody waits for the line that is being typed any more."""
        before = termios.tcgetattr(sys.stdin.fileno())
        if readline is not None:
            readline.set_completer(_completed)
            readline.parse_and_bind("tab: complete")
            readline.set_startup_hook(self._is_set_up.set)
        try:
            yield
        finally:
            if self._is_asking and readline is not None:
                self._is_set_up.wait(_LONGEST_SETTING_UP)
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
            if self._is_asking:
                sys.stdout.write("\n")

    def typed(self) -> str:
        """Return the prompt and what stands behind it, while a line is being typed."""
        if not self._is_asking or os.environ.get("TERM") == "dumb":
            return ""
        return PROMPT + (readline.get_line_buffer() if readline is not None else "")

    async def lines(self) -> AsyncGenerator[str, None]:
        """Give each line, until the end of the input."""
        while True:
            self._is_set_up.clear()
            self._is_asking = True
            try:
                line = await trio.to_thread.run_sync(input, PROMPT, abandon_on_cancel=True)
            except EOFError:
                return
            self._is_asking = False
            yield line


class PipedLines:
    """Lines of a pipe or a file, for scripts."""

    @contextmanager
    def set_up(self) -> Iterator[None]:
        """Do nothing: there is no terminal to leave as it was."""
        yield

    def typed(self) -> str:
        """Return nothing: nobody types."""
        return ""

    async def lines(self) -> AsyncGenerator[str, None]:
        """Give each line, until the end of the input.

        Raises:
            ValueError: Where one is too long, or no UTF-8.
        """
        async for found, _size in read_lines(sys.stdin.fileno()):
            for one in found:
                if one.text is None:
                    msg = f"line {one.number}: {one.problem}"
                    raise ValueError(msg)
                yield one.text


def _completed(text: str, number: int) -> str | None:
    found = [word for word in WORDS if word.startswith(text)]
    return f"{found[number]} " if number < len(found) else None
