"""The last messages of each session, for whoever looks for what a peer said and was told; off unless a channel says so.

A session's link is wrapped, and each message that passes is noted: when, which way, its id and what it answers, and
its data up to a size. Secrets and tokens are left out. The log lives in memory, as long as the session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from math import inf
from typing import Any

import msgspec
from attrs import frozen

from actors.messages import Deliver, Denied, Extend, Failure, Goodbye, Hello, Message, Welcome
from actors.ports import Link
from actors.redaction import shown
from actors.settings import ChannelSettings
from actors.topics.received import messages_of

__all__ = ["Direction", "LoggedMessage", "MessageLog", "MessageLogs"]

_KIB = 1024


class Direction(Enum):
    """Which way a message went, seen from the channel."""

    SENT = "sent"
    RECEIVED = "received"


@frozen
class LoggedMessage:
    """A message as it is kept: `data` may be the beginning of what has `size` bytes."""

    number: int
    at: str
    direction: Direction
    kind: str
    id: str
    in_reply_to: str
    data: str
    size: int


class MessageLog:
    """The log of one session: a ring for each direction that is logged.

    Args:
        settings: How many messages of how many bytes are kept.
        now: Gives the time, as messages carry it.
    """

    def __init__(self, settings: ChannelSettings, now: Callable[[], str]) -> None:
        self._now = now
        self._rings: dict[Direction, deque[LoggedMessage]] = {}
        self._max_bytes: dict[Direction, int] = {}
        if settings.is_audit_log_sent_active:
            self._rings[Direction.SENT] = deque(maxlen=settings.max_len_messages_sent)
            self._max_bytes[Direction.SENT] = settings.max_bytes_per_message_sent * _KIB
        if settings.is_audit_log_received_active:
            self._rings[Direction.RECEIVED] = deque(maxlen=settings.max_len_messages_received)
            self._max_bytes[Direction.RECEIVED] = settings.max_bytes_per_message_received * _KIB
        self.counts = dict.fromkeys(self._rings, 0)
        """How many messages went each way that is logged, those no longer kept included."""

    def note(self, direction: Direction, message: Message) -> None:
        """Note a message, if its direction is logged."""
        ring = self._rings.get(direction)
        if ring is None:
            return
        self.counts[direction] += 1
        data, size = shown(_data_of(message), self._max_bytes[direction])
        answered = getattr(message, "in_reply_to", "")
        ring.append(
            LoggedMessage(
                number=sum(self.counts.values()),
                at=self._now(),
                direction=direction,
                kind=type(message).__name__,
                id=getattr(message, "id", ""),
                in_reply_to=answered if isinstance(answered, str) else ", ".join(answered),
                data=data,
                size=size,
            )
        )

    def messages(self) -> list[LoggedMessage]:
        """Return what is kept of both directions, the oldest first."""
        return sorted((one for ring in self._rings.values() for one in ring), key=lambda one: one.number)


def _data_of(message: Message) -> Any:
    """Return what of a message is worth keeping; of a log-in neither the secret nor the token."""
    match message:
        case Hello():
            return {
                "username": message.username,
                "client_id": message.client_id,
                "client_name": message.client_name,
                "attrs": message.attrs,
            }
        case Welcome():
            return {"cluster": message.cluster}
        case Failure():
            return {"status": message.status, "message": message.message}
        case Denied() | Goodbye():
            return message.reason
        case Extend():
            return None
        case Deliver():
            try:
                return messages_of(message)
            except msgspec.MsgspecError as error:
                return str(error)
        case _:
            data = getattr(message, "data", None)
            return msgspec.msgpack.decode(data) if isinstance(data, msgspec.Raw) else data


class MessageLogs:
    """The logs of a cluster's sessions, by the sessions' names.

    Args:
        now: Gives the time, as messages carry it.
    """

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self.by_session: dict[str, MessageLog] = {}

    def watch(self, link: Link, session: str, settings: ChannelSettings) -> Link:
        """Return the link with its messages noted from now on, or as it is where the channel logs none."""
        if not (settings.is_audit_log_sent_active or settings.is_audit_log_received_active):
            return link
        log = self.by_session[session] = MessageLog(settings, self._now)
        return _LoggedLink(link, log)

    def forget(self, session: str) -> None:
        """Drop the log of a session that has ended."""
        self.by_session.pop(session, None)


class _LoggedLink:
    """A link whose messages are noted; implements `actors.ports.Link`."""

    def __init__(self, link: Link, log: MessageLog) -> None:
        self._link = link
        self._log = log

    @property
    def peer(self) -> str:
        return self._link.peer

    @property
    def wire(self) -> str:
        return self._link.wire

    async def receive(self) -> Sequence[Message]:
        messages = await self._link.receive()
        for message in messages:
            self._log.note(Direction.RECEIVED, message)
        return messages

    def take_at_once(self, taker: Callable[[Sequence[Message]], bool] | None) -> None:
        """Leave all to `receive`: a link that is looked at need not be the fastest."""

    async def send(self, message: Message) -> None:
        await self._link.send(message)
        self._log.note(Direction.SENT, message)

    @property
    def has_room(self) -> bool:
        return self._link.has_room

    def send_nowait(self, message: Message, others: float = inf) -> None:
        self._link.send_nowait(message, others)
        self._log.note(Direction.SENT, message)

    async def until_framed(self, message_id: str) -> None:
        await self._link.until_framed(message_id)

    def withdraw(self, message_id: str) -> bool:
        return self._link.withdraw(message_id)

    async def is_alive(self) -> bool:
        return await self._link.is_alive()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self._link.aclose(code, reason)
