"""How a session takes the deliveries of subscriptions: what of them, and how much at once."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen

__all__ = ["Attachment", "Window"]


@define(eq=False)
class Window:
    """How much may be on its way to one session and not answered yet, over all of its subscriptions.

    What is sent last may go beyond the bytes.
    """

    max_count: int
    max_bytes: int
    count: int = 0
    bytes: int = 0
    _waiting: list[Callable[[], None]] = field(factory=list)

    @property
    def room(self) -> int:
        """How many messages may be sent now, whatever their sizes."""
        return max(0, self.max_count - self.count) if self.bytes < self.max_bytes else 0

    def take(self, count: int, size: int) -> None:
        """Note what is sent."""
        self.count += count
        self.bytes += size

    def give_back(self, count: int, size: int) -> None:
        """Note what was answered, and tell those who wait for room."""
        self.count -= count
        self.bytes -= size
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()

    def wait_room(self, tell: Callable[[], None]) -> None:
        """Have `tell` called once, as soon as there is more room."""
        if tell not in self._waiting:
            self._waiting.append(tell)


@frozen
class Attachment:
    """A session that takes a subscription's deliveries.

    Args:
        session: Its name.
        window: How much may be on its way to it.
        compat: The release of Zato whose shape its peer's on_message gets; empty for the newest.
        max_delivery_bytes: How large one delivery may be.
        is_pipelined: Whether further deliveries may be sent before the first is answered.
        kind: Which kind of actor it is.
    """

    session: str
    window: Window
    compat: str = ""
    max_delivery_bytes: int = 512 * 1024
    is_pipelined: bool = False
    kind: str = "session"
