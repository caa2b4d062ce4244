"""How a conversation with a channel is shown: for people, for pipes, or as JSON, a line for each thing that happens.

At a terminal what comes by itself is put above the line that somebody is typing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from attrs import define, field
from rich.console import Console
from rich.text import Text

from runtime.cli.connecting.conversation import Event, MessageCame
from runtime.cli.tables import printable

__all__ = ["Screen"]

SHOWN = ("msg_id", "priority", "size", "data")
"""What is shown as JSON of a message, beside its topic."""


@define
class Screen:
    """Shows what happens.

    Args:
        is_terminal: Whether somebody is looking.
        as_json: Whether everything is an object on a line of its own.
        typed: Gives the prompt and what stands behind it now; empty while nothing is typed.
    """

    is_terminal: bool
    as_json: bool
    typed: Callable[[], str]
    _console: Console = field(factory=lambda: Console(highlight=False, soft_wrap=True))

    def connected(self, address: str, wire: str, peer: str) -> None:
        """Show that there is a session."""
        if self.as_json:
            self._object("connected", address=address, wire=wire, peer=peer)
        elif self.is_terminal:
            self._print(Text.assemble(("connected", "green"), f" to {address}, {wire}{f', {peer}' if peer else ''}"))
            self.hint("help shows what may be typed")

    def result(self, value: Any) -> None:
        """Show what a call gave."""
        if self.as_json:
            self._object("result", data=value)
        else:
            self._print(_text(json.dumps(value, indent=2 if self.is_terminal else None, ensure_ascii=False)))

    def done(self, sentence: str) -> None:
        """Show that something was done that gives nothing."""
        if self.as_json:
            self._object("done", what=sentence)
        elif self.is_terminal:
            self._print(Text(sentence, "green"))

    def failed(self, sentence: str, status: int = 0) -> None:
        """Show why something was not done."""
        if self.as_json:
            self._object("error", error=sentence, status=status)
        elif self.is_terminal:
            self._print(Text.assemble(("error", "red"), " ", printable(sentence)))
        else:
            sys.stderr.write(f"{printable(sentence)}\n")

    def event(self, event: Event) -> None:
        """Show what came by itself."""
        if isinstance(event, MessageCame):
            topic, data = str(event.message.get("topic_name", "")), event.message.get("data")
            if self.as_json:
                known = {name: event.message.get(name) for name in SHOWN}
                self._object("message", topic=topic, **known)
            else:
                self._print(Text.assemble(("message", "cyan"), " ", printable(topic), " ", _shown(data)))
        elif self.as_json:
            self._object("request", data=event.data)
        else:
            self._print(Text.assemble(("request", "magenta"), " ", _shown(event.data)))

    def hint(self, text: str) -> None:
        """Tell somebody who is looking what may be done."""
        if self.is_terminal:
            self._print(Text(text, "dim"))

    def line(self, text: str) -> None:
        """Show a line for people."""
        self._print(Text(text))

    def _object(self, event: str, **facts: Any) -> None:
        print(json.dumps({"event": event, **facts}, ensure_ascii=False), flush=True)  # noqa: T201

    def _print(self, text: Text) -> None:
        typed = self.typed()
        if typed:
            sys.stdout.write("\r\x1b[K")
        self._console.print(text)
        sys.stdout.write(typed)
        sys.stdout.flush()


def _shown(value: Any) -> Text:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _text(lines: str) -> Text:
    return Text("\n").join(printable(line) for line in lines.split("\n"))
