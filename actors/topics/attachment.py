"""How a session takes the deliveries of subscriptions: what of them, and how much at once."""

from __future__ import annotations

from collections.abc import Callable, Collection

from attrs import define, field, frozen

from actors.credit import CreditAccount
from actors.messages import CreditLimit

__all__ = ["Attachment", "Window", "next_free"]


@define(eq=False)
class Window:
    """How much may be on its way to one session and not answered yet: of all of its subscriptions, and of each.

    What is sent last may go beyond the bytes.

    Args:
        max_count: How many messages of all subscriptions.
        max_bytes: Their bytes.
        credit: What the peer takes of each; None where it does not say. Unlike the rest, that is not given back when a
            delivery is waited for no more, but when the peer has answered it.
    """

    max_count: int
    max_bytes: int
    credit: CreditLimit | None = None
    count: int = field(init=False, default=0)
    bytes: int = field(init=False, default=0)
    _accounts: dict[str, CreditAccount] = field(init=False, factory=dict)
    _waiting: list[Callable[[], None]] = field(init=False, factory=list)

    @property
    def room(self) -> int:
        """How many messages may be sent now, whatever their sizes."""
        return max(0, self.max_count - self.count) if self.bytes < self.max_bytes else 0

    def room_of(self, sub_key: str) -> tuple[int, int]:
        """Return how many messages of a subscription may be sent now, and how many bytes but for the last of them."""
        is_first = not self.count
        if self.credit is None:
            return self.room or is_first, self.max_bytes
        account = self._accounts.get(sub_key) or CreditAccount(self.credit)
        return min(self.room or is_first, account.room), account.room_bytes

    def take(self, sub_key: str, count: int, size: int) -> None:
        """Note what is sent of a subscription."""
        self.count += count
        self.bytes += size
        if self.credit is not None:
            self._accounts.setdefault(sub_key, CreditAccount(self.credit)).take(size, count)

    def give_back(self, count: int, size: int) -> None:
        """Note what was answered or is waited for no more, and tell those who wait for room."""
        self.count -= count
        self.bytes -= size
        self._tell_waiting()

    def answered(self, sub_key: str, count: int, size: int) -> None:
        """Note what of a subscription the peer has answered, and tell those who wait for room."""
        account = self._accounts.get(sub_key)
        if account is not None:
            account.give_back(size, count)
            if not account.count:
                del self._accounts[sub_key]
            self._tell_waiting()

    def _tell_waiting(self) -> None:
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


def next_free(
    attached: list[Attachment], busy: Collection[str], sub_key: str, tell: Callable[[], None]
) -> Attachment | None:
    """Return the session that is to get the next delivery of a subscription, and have it stand behind the others.

    Args:
        attached: The sessions that take its deliveries, in turn.
        busy: Those that have not answered one.
        sub_key: The subscription.
        tell: Called once there is room, where there is none now.
    """
    for number, one in enumerate(attached):
        if one.session in busy and not one.is_pipelined:
            continue
        if one.window.room_of(sub_key)[0]:
            attached.append(attached.pop(number))
            return one
        one.window.wait_room(tell)
    return None
