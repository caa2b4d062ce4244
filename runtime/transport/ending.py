"""How one link comes to its end: what the peer said of it, what was asked for, and what it was in the end."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from actors.errors import LinkClosed
from actors.messages import Denied, Goodbye, Message, Welcome
from actors.pulse import Latch
from runtime.transport.inbox import Inbox
from runtime.transport.options import GOODBYE_TIMEOUT, CloseCode
from runtime.transport.outbox import Outbox
from runtime.transport.pings import Pings

__all__ = ["LAST_WORDS", "Ending"]

LAST_WORDS = frozenset((Welcome, Denied, Goodbye))
"""The kinds of messages that are to be noted."""


class Ending:
    """What a link's tasks know together of its end.

    Args:
        inbox: Whoever waits for it is woken at the end.
        outbox: The same; and when a close is asked for.
        pings: None is waited for after the end.
    """

    def __init__(self, inbox: Inbox, outbox: Outbox, pings: Pings) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._pings = pings
        self._has_session = False
        self.end: LinkClosed | None = None
        """How it ended, once it has."""
        self.requested: LinkClosed | None = None
        """The close that the writer is to carry out when what waits is sent."""
        self.own_close: LinkClosed | None = None
        """The close that the writer carries out: the reader takes the end for this one, not for the peer's."""
        self.own_close_done = Latch()
        self.parting: Latch | None = None
        """Set when a peer that was given up has been told so, as far as that goes."""
        self.need_reader: Callable[[], object] = lambda: None
        """Has the reader look for what the library says of the end."""
        self.peer_left = False
        """Whether the peer has said its last word, so that nothing more is sent."""
        self.gone_at = math.inf
        """When the link is closed although the peer, which said goodbye, has not closed it."""

    @property
    def is_near(self) -> bool:
        """Tell whether the link has ended, or is about to."""
        return self.end is not None or self.requested is not None or self.peer_left

    def finish(self, end: LinkClosed) -> None:
        """Note the end; the first one counts."""
        if self.end is None:
            self.end = end
            self._inbox.notify()
            self._outbox.notify()
            self._pings.end()

    def request(self, end: LinkClosed) -> None:
        """Have the writer close the link when what waits is sent."""
        self.requested = end
        self._outbox.notify()

    def note(self, message: Message) -> None:
        """Take note of what ends the session: the link ends with it, whether the peer closes it or not."""
        match message:
            case Welcome():
                self._has_session = True
            case Denied() if self._has_session:
                self.peer_left = True
                self.request(LinkClosed(CloseCode.POLICY_VIOLATION, message.reason, "remote"))
            case Goodbye():
                self.peer_left = True
                self.gone_at = trio.current_time() + GOODBYE_TIMEOUT
                self._outbox.notify()
