"""The one registry of all actors of a server: who runs, under whom, since when and how well.

CLI, console and metrics read it, nothing else. It also finds mailboxes by name, which is how actors address each
other.
"""

from __future__ import annotations

import datetime
from typing import Any

from attrs import define, field

from actors.mailbox import Mailbox
from actors.ports import Clock
from actors.ref import actor_name

__all__ = ["Entry", "Registry"]


@define(eq=False)
class Entry:
    """What is known of one actor; it is also the actor's `Progress`."""

    kind: str
    name: str
    parent: str
    mailbox: Mailbox
    clock: Clock = field(repr=False)
    since: datetime.datetime
    state: str = "starting"
    restarts: int = 0
    last_error: str = ""
    handled: int = 0
    detail: dict[str, Any] = field(factory=dict)

    def show(self, state: str, **detail: object) -> None:
        """Show a state and facts of the actor's own."""
        if state != self.state:
            self.since = self.clock.utc_now()
        self.state = state
        self.detail = detail

    def count_handled(self) -> None:
        """Count a message that was handled."""
        self.handled += 1

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as JSON can say it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "parent": self.parent,
            "state": self.state,
            "since": self.since.isoformat(timespec="seconds") + "Z",
            "restarts": self.restarts,
            "last_error": self.last_error,
            "mailbox": len(self.mailbox),
            "handled": self.handled,
            "detail": self.detail,
        }


class Registry:
    """All actors of a server by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, Entry] = {}

    def add(self, kind: str, name: str, parent: str, max_mailbox: int) -> Entry:
        """Make an entry with a fresh mailbox; names are unique within a kind.

        Raises:
            ValueError: When the name is taken.
        """
        key = actor_name(kind, name)
        if key in self._entries:
            msg = f"there is an actor {key!r} already"
            raise ValueError(msg)
        entry = Entry(kind, name, parent, Mailbox(max_mailbox), self._clock, self._clock.utc_now())
        self._entries[key] = entry
        return entry

    def remove(self, entry: Entry) -> None:
        """Forget an actor that has ended for good."""
        self._entries.pop(actor_name(entry.kind, entry.name), None)

    def find_mailbox(self, name: str) -> Mailbox | None:
        """Return the mailbox of the actor of that name, or None."""
        entry = self._entries.get(name)
        return None if entry is None else entry.mailbox

    def names(self, kind: str) -> list[str]:
        """Return the names, without the kind, of all actors of a kind."""
        return [entry.name for entry in self._entries.values() if entry.kind == kind]

    def snapshot(self) -> list[dict[str, Any]]:
        """Return all entries as JSON can say them, parents before their children."""
        return [entry.as_dict() for entry in self._entries.values()]
