"""What a hook says of single messages of a delivery."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from attrs import define, field

from actors.messages import Refusal

__all__ = ["Settlement"]


@define(eq=False)
class Settlement:
    """What a hook says of single messages, by their ids, and what it returned."""

    known: Collection[str] = ()
    acknowledged: set[str] = field(factory=set)
    refused: dict[str, Refusal] = field(factory=dict)
    result: Any = None

    def acknowledge(self, msg_id: str) -> None:
        """Have a message acknowledged, whatever becomes of the others."""
        self._check(msg_id)
        self.refused.pop(msg_id, None)
        self.acknowledged.add(msg_id)

    def refuse(self, msg_id: str, reason: str, redeliver_after: float | None) -> None:
        """Have a message refused."""
        self._check(msg_id)
        if redeliver_after is not None and redeliver_after < 0:
            msg = f"redeliver_after: expected seconds, got {redeliver_after!r}"
            raise ValueError(msg)
        self.acknowledged.discard(msg_id)
        self.refused[msg_id] = Refusal(msg_id, reason, redeliver_after)

    def is_settled(self, msg_id: str) -> bool:
        """Tell whether the hook has said anything of a message."""
        return msg_id in self.acknowledged or msg_id in self.refused

    def _check(self, msg_id: str) -> None:
        if msg_id not in self.known:
            msg = f"there is no message {msg_id!r} in this delivery"
            raise ValueError(msg)
