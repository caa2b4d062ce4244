"""A subscriber's deduplication window: which messages of a subscription it has handled. Pure.

A message that was handled is not handled again when it is redelivered. What is handled and not recorded yet is known,
too, but acknowledged only once it is recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import islice

from attrs import define, field

__all__ = ["HANDLED_WINDOW", "HandledWindow"]

HANDLED_WINDOW = 100_000
"""How many ids of a subscription are remembered."""

_SLACK = 16
"""The ids beyond the window are forgotten together, once they are a sixteenth of it: one by one that costs more."""


@define(eq=False)
class HandledWindow:
    """The last ids that were handled, and some that came before them.

    Args:
        recorded: What is kept already, the oldest first.
        size: How many are remembered at least.
    """

    recorded: Collection[str] = ()
    size: int = HANDLED_WINDOW
    _known: dict[str, None] = field(factory=dict, init=False)
    _unrecorded: set[str] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self.add_all(self.recorded)

    def __contains__(self, msg_id: object) -> bool:
        return msg_id in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add_all(self, msg_ids: Collection[str], *, to_be_recorded: Iterable[str] = ()) -> None:
        """Note that messages were handled; those that were known stay as they are.

        Args:
            msg_ids: Their ids, in the order in which they were handled.
            to_be_recorded: Which of them have to be recorded.
        """
        known = self._known
        if not known.keys().isdisjoint(msg_ids):
            to_be_recorded = [msg_id for msg_id in to_be_recorded if msg_id not in known]
        known.update(dict.fromkeys(msg_ids))
        self._unrecorded.update(to_be_recorded)
        if len(known) > self.size + self.size // _SLACK:
            oldest = list(islice(known, len(known) - self.size))
            for msg_id in oldest:
                del known[msg_id]
            self._unrecorded.difference_update(oldest)

    def knows_any(self, msg_ids: Iterable[str]) -> bool:
        """Tell whether one of the messages was handled."""
        return not self._known.keys().isdisjoint(msg_ids)

    def unrecorded(self, msg_ids: Iterable[str]) -> list[str]:
        """Return which of the ids still have to be recorded."""
        unrecorded = self._unrecorded
        return [msg_id for msg_id in msg_ids if msg_id in unrecorded] if unrecorded else []

    def note_recorded(self, msg_ids: Sequence[str]) -> None:
        """Note that ids are recorded."""
        self._unrecorded.difference_update(msg_ids)
