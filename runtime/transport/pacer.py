"""Slows down a peer that sends more than it may: its messages are kept, and handed over at the rate that is allowed."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio

from actors.errors import LinkClosed
from actors.messages import Message
from runtime.transport.budget import Budget
from runtime.transport.ending import Ending
from runtime.transport.inbox import Inbox
from runtime.transport.options import CloseCode, LinkOptions

__all__ = ["OVER_LIMIT_TIMEOUT", "Pacer"]

OVER_LIMIT_TIMEOUT = 60.0
"""Seconds for which messages may be held back without a break; then the link is closed."""

_SHORTEST = 0.01

_log = structlog.get_logger(kind="link")


class Pacer:
    """Stands between a link's reader and its inbox.

    The reader goes on meanwhile, so that pings are answered and a close is seen; what is held back counts towards what
    is unread, and when that is too much the peer's frames are left in the socket. When the link ends by the peer, what
    is held back is handed over at once.

    Args:
        options: How much may pass in a second.
        inbox: Takes what passes.
        ending: Told that the peer sends too much for too long.
        peer: The peer's address, for the log.
    """

    def __init__(self, options: LinkOptions, inbox: Inbox, ending: Ending, *, peer: str) -> None:
        self._budget = Budget(options.max_messages_per_second, options.max_bytes_per_second, trio.current_time())
        self._limits = options.rates
        self._inbox = inbox
        self._ending = ending
        self._peer = peer
        self._held: deque[tuple[Sequence[Message], int]] | None = None  # which is rarely needed
        self._is_passing_on = False
        self.start: Callable[[Callable[[], Awaitable[None]]], object] | None = None
        """Starts a task beside those of the link, where there is something to hold back."""

    def extend(self, messages: Sequence[Message], size: int) -> None:
        """Hand messages over that came in `size` bytes, or hold them back; see `Inbox.extend`."""
        if not self._held and self._budget.take(len(messages), size, trio.current_time):
            self._inbox.extend(messages, size)
            return
        self._held = self._held or deque()
        self._held.append((messages, size))
        self._inbox.held += size
        if not self._is_passing_on and self.start is not None:
            self._is_passing_on = True
            self.start(self._pass_on_in_time)

    async def _pass_on_in_time(self) -> None:
        began_at = trio.current_time()
        _log.warning("slowed down", peer=self._peer, limits=self._limits)
        while self._held and self._ending.end is None:
            await trio.sleep(max(self._budget.wait, _SHORTEST))
            now = trio.current_time()
            self._budget.refill(now)
            self._pass_on()
            if self._held and now - began_at >= OVER_LIMIT_TIMEOUT and self._ending.requested is None:
                reason = f"more than {self._limits} for {OVER_LIMIT_TIMEOUT:g} s"
                _log.warning("too many messages", peer=self._peer, reason=reason)
                self._ending.request(LinkClosed(CloseCode.TRY_AGAIN_LATER, reason, "local"))
        self._is_passing_on = False

    def _pass_on(self) -> None:
        """Hand over what may pass by now."""
        while self._held:
            messages, size = self._held[0]
            count = self._budget.grant(len(messages), size)
            if not count:
                break
            share = size * count // len(messages)
            if count < len(messages):
                self._held[0] = (messages[count:], size - share)
            else:
                self._held.popleft()
            self._hand_over(messages[:count], share)
        self._inbox.notify()  # a reader that waits for room hears nothing of what is taken at once

    def hand_over_rest(self) -> None:
        """Hand over what is held back: the link has ended, and there will be no more."""
        while self._held:
            self._hand_over(*self._held.popleft())

    def _hand_over(self, messages: Sequence[Message], size: int) -> None:
        self._inbox.held -= size
        self._inbox.extend(messages, size)
