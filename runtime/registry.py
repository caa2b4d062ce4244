"""The one registry of all actors of a server: who runs, under whom, since when and how well.

CLI, console and metrics read it, nothing else. It also finds mailboxes by name, which is how actors address each
other, and tells whoever watches what has changed: each change has a revision, so a watcher that says how far it
is gets what it has missed, and a slow one gets less often more.
"""

from __future__ import annotations

import datetime
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import trio
from attrs import define, field, frozen

from actors.mailbox import Mailbox, MailboxLimits
from actors.ports import Clock
from actors.pulse import Pulse
from actors.ref import actor_name

__all__ = ["Changes", "Entry", "Registry", "Transition"]

KEPT_TRANSITIONS = 50
KEPT_REMOVALS = 1000


@frozen
class Transition:
    """A change of an actor's state: when, to what, and where the actor says so why and what comes next."""

    at: datetime.datetime
    state: str
    reason: str = ""
    attempt: int = 0
    next_attempt_at: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can say it, without what is not known."""
        rest = {"reason": self.reason, "attempt": self.attempt, "next_attempt_at": self.next_attempt_at}
        return {"at": _text(self.at), "state": self.state, **{key: value for key, value in rest.items() if value}}


def _clock() -> Callable[[], float]:
    """Return what tells Trio's time in this run; `trio.current_time` has to find out first which run it is in."""
    return trio.lowlevel.current_clock().current_time


@define(eq=False)
class Entry:
    """What is known of one actor; it is also the actor's `Progress`."""

    kind: str
    name: str
    parent: str
    mailbox: Mailbox
    clock: Clock = field(repr=False)
    on_change: Callable[[Entry], None] = field(repr=False)
    state: str = "new"
    restarts: int = 0
    last_error: str = ""
    revision: int = 0
    counts: Counter[str] = field(factory=Counter)
    now: Callable[[], float] = field(factory=_clock, repr=False)
    progress_at: float = field(init=False)
    gauges: dict[str, Callable[[], object]] = field(factory=dict)
    detail: dict[str, Any] = field(factory=dict)
    transitions: list[Transition] = field(factory=list)
    """The last ones; a deque, which would drop the others by itself, takes as much as a dozen of them."""

    def __attrs_post_init__(self) -> None:
        self.progress_at = self.now()

    @property
    def key(self) -> str:
        """The name under which the registry knows it."""
        return actor_name(self.kind, self.name)

    def show(self, state: str, **detail: object) -> None:
        """Show a state and facts of the actor's own; a change of state is recorded with its reason."""
        if state != self.state:
            self.state = state
            known = {key: detail[key] for key in ("reason", "attempt", "next_attempt_at") if key in detail}
            self.transitions.append(Transition(self.clock.utc_now(), state, **known))  # type: ignore[arg-type]
            del self.transitions[:-KEPT_TRANSITIONS]
        elif detail == self.detail:
            return
        self.detail = detail
        self.on_change(self)

    def count(self, what: str, amount: int = 1) -> None:
        """Count something that happened."""
        self.counts[what] = self.counts.get(what, 0) + amount  # which is faster than += of a Counter
        self.progress_at = self.now()

    def measure(self, what: str, function: Callable[[], object]) -> None:
        """Say how to find out a fact that changes all the time."""
        self.gauges[what] = function

    def note_crash(self, error: str) -> None:
        """Keep the error that the actor crashed with."""
        self.last_error = error
        self.on_change(self)

    def note_restart(self, reason: str, delay: float) -> None:
        """The actor is started again after a delay."""
        self.restarts += 1
        at = self.clock.utc_now() + datetime.timedelta(seconds=delay)
        self.show("restarting", reason=reason, attempt=self.restarts, next_attempt_at=_text(at))

    @property
    def totals(self) -> Counter[str]:
        """What it has counted, with its `restarts` and what its mailbox has `dropped_from_mailbox`."""
        return self.counts + Counter(restarts=self.restarts, dropped_from_mailbox=self.mailbox.dropped)

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as JSON can say it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "parent": self.parent,
            "state": self.state,
            "since": _text(self.transitions[-1].at) if self.transitions else "",
            "restarts": self.restarts,
            "last_error": self.last_error,
            "mailbox": len(self.mailbox),
            "dropped": self.mailbox.dropped,
            "handled": self.counts["handled"],
            "counts": dict(self.counts),
            "gauges": {name: function() for name, function in self.gauges.items()},
            "idle_for": round(trio.current_time() - self.progress_at, 1),
            "detail": self.detail,
            "transitions": [one.as_dict() for one in self.transitions],
        }


@frozen
class Changes:
    """What has changed up to a revision; `is_complete` when these are all actors there are."""

    revision: int
    changed: list[dict[str, Any]]
    removed: list[str]
    is_complete: bool


class Registry:
    """All actors of a server by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._revision = 0
        self._removals: deque[tuple[int, str]] = deque(maxlen=KEPT_REMOVALS)
        self._ended: dict[tuple[str, str], Counter[str]] = {}
        self._changed = Pulse()

    def add(self, kind: str, name: str, parent: str, limits: MailboxLimits) -> Entry:
        """Make an entry with a fresh mailbox; names are unique within a kind.

        Raises:
            ValueError: When the name is taken.
        """
        key = actor_name(kind, name)
        if key in self._entries:
            msg = f"there is an actor {key!r} already"
            raise ValueError(msg)
        entry = self._entries[key] = Entry(kind, name, parent, Mailbox(limits), self._clock, self._note)
        return entry

    def remove(self, entry: Entry) -> None:
        """Forget an actor that has ended for good."""
        if self._entries.pop(entry.key, None) is not None:
            self._ended.setdefault((entry.kind, entry.parent), Counter()).update(entry.totals)
            self._removals.append((self._next_revision(), entry.key))

    def _note(self, entry: Entry) -> None:
        entry.revision = self._next_revision()

    def _next_revision(self) -> int:
        self._revision += 1
        self._changed.notify()
        return self._revision

    def entries(self, *kinds: str) -> list[Entry]:
        """Return what is known of all actors of some kinds; of all where none is named."""
        return [entry for entry in self._entries.values() if not kinds or entry.kind in kinds]

    def totals(self, kind: str) -> dict[str, Counter[str]]:
        """Return what actors of a kind have counted, by their parents, with those that have ended."""
        found = {parent: counts.copy() for (of, parent), counts in self._ended.items() if of == kind}
        for entry in self.entries(kind):
            found.setdefault(entry.parent, Counter()).update(entry.totals)
        return found

    def find(self, key: str) -> Entry | None:
        """Return what is known of the actor of that name, or None."""
        return self._entries.get(key)

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

    async def wait_changes(self, since: int) -> Changes:
        """Wait until something has changed after the revision `since`, and return all that has.

        A watcher begins with 0, which gives all actors at once, and goes on with the revision it was given.
        Cancellation costs nothing.
        """
        while self._revision <= since:
            await self._changed.wait()
        forgotten = self._removals[0][0] if len(self._removals) == KEPT_REMOVALS else 0
        if since < max(1, forgotten):
            return Changes(self._revision, self.snapshot(), [], is_complete=True)
        changed = [entry.as_dict() for entry in self._entries.values() if entry.revision > since]
        removed = [key for revision, key in self._removals if revision > since and key not in self._entries]
        return Changes(self._revision, changed, removed, is_complete=False)


def _text(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"
