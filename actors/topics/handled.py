"""A subscriber's deduplication window: which messages of a subscription it has handled. Pure.

A message that was handled is not handled again when it is redelivered. What is handled and not recorded yet is known,
too, but acknowledged only once it is recorded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence

from attrs import define, field

__all__ = ["HANDLED_WINDOW", "HandledWindow"]

HANDLED_WINDOW = 100_000
"""How many ids of a subscription are remembered."""


@define(eq=False)
class HandledWindow:
    """The last ids that were handled.

    Args:
        recorded: What is kept already, the oldest first.
        size: How many are remembered.
    """

    recorded: Collection[str] = ()
    size: int = HANDLED_WINDOW
    _known: OrderedDict[str, None] = field(factory=OrderedDict, init=False)
    _unrecorded: set[str] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        for msg_id in self.recorded:
            self.add(msg_id, to_be_recorded=False)

    def __contains__(self, msg_id: object) -> bool:
        return msg_id in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, msg_id: str, *, to_be_recorded: bool = True) -> None:
        """Note that a message was handled."""
        known = self._known
        if msg_id in known:
            known.move_to_end(msg_id)
        else:
            known[msg_id] = None
            if len(known) > self.size:
                self._unrecorded.discard(known.popitem(last=False)[0])
        if to_be_recorded:
            self._unrecorded.add(msg_id)

    def knows_any(self, msg_ids: Collection[str]) -> bool:
        """Tell whether one of the messages was handled."""
        return not self._known.keys().isdisjoint(msg_ids)

    def unrecorded(self, msg_ids: Iterable[str]) -> list[str]:
        """Return which of the ids still have to be recorded."""
        unrecorded = self._unrecorded
        return [msg_id for msg_id in msg_ids if msg_id in unrecorded] if unrecorded else []

    def note_recorded(self, msg_ids: Sequence[str]) -> None:
        """Note that ids are recorded."""
        self._unrecorded.difference_update(msg_ids)
