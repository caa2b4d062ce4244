"""How many restarts are too many: pure, time comes as an argument."""

from __future__ import annotations

from actors.supervision import Intensity

__all__ = ["RestartWindow"]


class RestartWindow:
    """Counts restarts within a sliding period, as OTP's `add_restart` does."""

    def __init__(self, intensity: Intensity) -> None:
        self.intensity = intensity
        self._at: list[float] = []  # most actors never restart; an empty deque has room for 64

    def allows(self, now: float) -> bool:
        """Note a restart at `now`; tell whether it is still within the limit."""
        self._at = [at for at in self._at if at > now - self.intensity.period]
        self._at.append(now)
        return len(self._at) <= self.intensity.restarts
