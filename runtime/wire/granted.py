"""What the peer has been granted and has under way at this end: the receiving side of the feature `credit`.

Requests count from their arrival to their answer, or until the peer takes them back; deliveries of each subscription
until they are answered. A peer that goes beyond what it was granted breaks the rules of the format, so it is the wire
that looks after that. `actors.credit` has the rule, which both ends count by.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, Union, get_args

import msgspec

from actors.credit import CreditAccount, encoded, size_of
from actors.messages import (
    Acknowledge,
    Cancel,
    Confirm,
    Credit,
    CreditLimit,
    Deliver,
    Failure,
    Invoke,
    Message,
    OpenStream,
    Publication,
    PublishTo,
    Refuse,
    Reply,
    StreamEnd,
)

__all__ = ["SIZED", "UNREADABLE", "Granted", "SizedMessage", "whole"]

UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What says that bytes cannot be decoded."""

_ANSWERS = (Reply, Failure, StreamEnd)
_SETTLEMENTS = (Acknowledge, Refuse)


_decode = msgspec.msgpack.Decoder().decode
_publications = msgspec.msgpack.Decoder(list[Publication]).decode
_NIL = msgspec.Raw(b"\xc0")


class _SizedInvoke(Invoke, frozen=True, array_like=True, tag="invoke"):
    """An `Invoke` as it came, whose data has a size."""

    data: msgspec.Raw = _NIL


class _SizedStream(OpenStream, frozen=True, array_like=True, tag="stream"):
    """An `OpenStream` as it came, whose data has a size."""

    data: msgspec.Raw = _NIL


class _SizedPublish(PublishTo, frozen=True, array_like=True, tag="publish"):
    """A `PublishTo` as it came, whose data has a size."""

    data: msgspec.Raw = msgspec.Raw(b"\x90")  # type: ignore[assignment]  # what its data is before it is read


SIZED = frozenset({_SizedInvoke, _SizedStream, _SizedPublish})
"""Requests whose data has not been read, so that it has a size."""

_OTHERS = tuple(kind for kind in get_args(Message) if kind not in (Invoke, OpenStream, PublishTo))
SizedMessage: TypeAlias = Union[(_SizedInvoke, _SizedStream, _SizedPublish, *_OTHERS)]  # type: ignore[valid-type]
"""What a frame is decoded as where requests are to have sizes."""


def whole(request: _SizedInvoke | _SizedStream | _SizedPublish) -> Invoke:
    """Return a request with its data read.

    Raises:
        UNREADABLE: When that cannot be decoded.
    """
    rest = request.timestamp, request.timeout, request.cid, request.trace
    if isinstance(request, _SizedPublish):
        return PublishTo(request.id, _publications(request.data), *rest, request.topic)
    data = _decode(request.data)
    if isinstance(request, _SizedStream):
        return OpenStream(request.id, data, *rest, request.count, request.bytes)
    return Invoke(request.id, data, *rest)


def _size_of_data(data: object) -> int:
    return len(data) if isinstance(data, msgspec.Raw) else encoded(data)[1]


class Granted:
    """What the peer may send that this end has not answered yet, and what it has sent.

    Args:
        requests: How many requests.
        deliveries: How many messages of each subscription; None where the peer delivers none.
    """

    def __init__(self, requests: CreditLimit, deliveries: CreditLimit | None) -> None:
        self._requests = CreditAccount(requests)
        self._sizes: dict[str, int] = {}
        self._limit = deliveries
        self._accounts: dict[str, CreditAccount] = {}
        self._deliveries: dict[str, tuple[str, int, int]] = {}

    def received(self, message: Message, as_it_came: Message | None) -> str | None:
        """Take note of a message; return what is wrong with it, or None.

        Args:
            message: What has come.
            as_it_came: The same before its data was read; None for one of those so small that their number says enough.
        """
        if isinstance(message, Reply):  # which is most of what a client receives
            return None
        if isinstance(message, Invoke):
            return self._request(message.id, as_it_came)
        if isinstance(message, Cancel):
            self._forget(message.in_reply_to)
        elif isinstance(message, Deliver) and self._limit is not None:
            return self._delivery(message, self._limit)
        return None

    def _request(self, request_id: str, as_it_came: Any) -> str | None:
        account = self._requests
        if not account.is_open:
            having = f", with {account.bytes} bytes" if account.bytes else ""
            return f"more requests than were granted: {account.count} are under way{having}"
        if request_id not in self._sizes:  # a second one of the same id is ignored
            size = 0 if as_it_came is None else _size_of_data(as_it_came.data)
            self._sizes[request_id] = size
            account.count += 1
            account.bytes += size
        return None

    def _delivery(self, delivery: Deliver, limit: CreditLimit) -> str | None:
        if delivery.id in self._deliveries:
            return None
        sub_key, messages = delivery.sub_key, delivery.messages
        count, size = max(1, len(messages)), size_of(messages)
        account = self._accounts.setdefault(sub_key, CreditAccount(limit))
        if count > account.room or (count > 1 and size - size_of(messages[-1:]) >= account.room_bytes):
            return (
                f"more messages of subscription {sub_key!r} than were granted: {account.count} are not answered, "
                f"with {account.bytes} bytes"
            )
        self._deliveries[delivery.id] = (sub_key, count, size)
        account.take(size, count)
        return None

    def sent(self, messages: Iterable[Message]) -> None:
        """Take note of what this end has answered, and what else it grants."""
        for message in messages:
            if type(message) is Invoke:
                continue  # which is most of what a client sends
            if isinstance(message, _ANSWERS):
                self._forget(message.in_reply_to)
            elif isinstance(message, Confirm):
                for one in message.confirmed:
                    self._forget(one.in_reply_to)
            elif isinstance(message, _SETTLEMENTS):
                self._settle(message.in_reply_to)
            elif isinstance(message, Credit) and not message.subject:
                self._requests.raise_by(message.count, message.bytes)

    def _forget(self, request_id: str) -> None:
        size = self._sizes.pop(request_id, None)
        if size is not None:
            self._requests.give_back(size)

    def _settle(self, delivery_id: str) -> None:
        found = self._deliveries.pop(delivery_id, None)
        if found is None:
            return
        sub_key, count, size = found
        account = self._accounts[sub_key]
        account.give_back(size, count)
        if not account.count:
            del self._accounts[sub_key]
