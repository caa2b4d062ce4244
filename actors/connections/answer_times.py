"""How quickly a peer answers at best: so that no call is sent that can get no answer in the time that it has left.

Calls that wait for credit are sent in the order in which they came, so where more come than the peer takes, each has
nearly used up its time when its turn comes. Sent then, it takes credit, is given up before its answer is back, and
the next one fares the same: the peer would work without pause, and nobody would ever get an answer.
"""

from __future__ import annotations

from actors.lately import note, with_margin

__all__ = ["AnswerTimes"]

_MAX_AGE = 10.0
"""Seconds after which an answer says nothing any more: calls are sent then to learn anew how long it takes."""

_MAX_AWAITED = 256


class AnswerTimes:
    """How long the last answers took to calls that had waited for their turn, answers that came too late included."""

    __slots__ = ("_known", "_sent")

    def __init__(self) -> None:
        self._sent: dict[str, float] = {}
        self._known: list[tuple[float, float]] = []

    @property
    def is_awaiting(self) -> bool:
        """Tell whether `answered` has anything to learn."""
        return bool(self._sent)

    def sent(self, call_id: str, now: float) -> None:
        """Note that a call was sent that had waited for its turn."""
        if len(self._sent) >= _MAX_AWAITED:
            del self._sent[next(iter(self._sent))]
        self._sent[call_id] = now

    def answered(self, call_id: str, now: float) -> None:
        """Note that the peer has answered, maybe too late for whoever called."""
        sent_at = self._sent.pop(call_id, None)
        if sent_at is not None:
            note(self._known, (now, now - sent_at))

    def forget(self, call_id: str) -> None:
        """Await no answer to a call that was taken back."""
        self._sent.pop(call_id, None)

    def least(self, now: float) -> float:
        """Return the seconds without which a call gets no answer; 0 where there is nothing to go by."""
        return with_margin(min((took for at, took in self._known if at >= now - _MAX_AGE), default=0.0))
