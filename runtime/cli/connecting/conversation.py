"""Conversation: one session with a channel, on either wire: what is asked over it, and what comes by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import trio
from attrs import define, field, frozen

from actors.connections.remote_topics import PUBLISH_SERVICE, SUBSCRIBE_SERVICE, UNSUBSCRIBE_SERVICE
from actors.errors import CallError, InvokeTimeout, LinkClosed
from actors.failures import error_of
from actors.messages import (
    NATIVE,
    Acknowledge,
    Cancel,
    Deliver,
    Denied,
    Failure,
    Invoke,
    Message,
    Reply,
)
from actors.ports import Entropy, Link
from actors.pulse import Pulse
from actors.topics.received import messages_of

__all__ = ["Conversation", "Event", "MessageCame", "RequestCame"]


@frozen
class MessageCame:
    """A message of a topic was delivered, and is acknowledged."""

    message: Mapping[str, Any]


@frozen
class RequestCame:
    """The server asked something, and is answered with null."""

    data: Any


Event = MessageCame | RequestCame


@define
class _Asked:
    """A call under way."""

    done: trio.Event = field(factory=trio.Event)
    answer: Message | None = None


@define
class Conversation:
    """A session over a link; `listen` must run meanwhile.

    Args:
        link: The link.
        entropy: Ids.
        timeout: Seconds to wait for an answer.
        on_event: Told of what comes by itself.
    """

    link: Link
    entropy: Entropy
    timeout: float
    on_event: Callable[[Event], None]
    ended: LinkClosed | None = None
    _asked: dict[str, _Asked] = field(factory=dict)
    _keys: dict[str, str] = field(factory=dict)
    _unseen: int = 0
    _came: Pulse = field(factory=Pulse)

    async def listen(self) -> None:
        """Take what comes, until the link ends; whoever waits for an answer is told so then."""
        try:
            while True:
                self.take(await self.link.receive())
        except LinkClosed as error:
            self.ended = self.ended or error
            for one in self._asked.values():
                one.done.set()
            self._came.notify()

    def take(self, messages: Any) -> None:
        """Act on messages, in their order."""
        for message in messages:
            match message:
                case Reply(in_reply_to=call_id) | Failure(in_reply_to=call_id) if call_id in self._asked:
                    asked = self._asked[call_id]
                    asked.answer = message
                    asked.done.set()
                case Deliver():
                    self._take_delivery(message)
                case Invoke():
                    self.on_event(RequestCame(message.data))
                    self.link.send_nowait(Reply(self.entropy.hex_id(), message.id))
                case Denied(reason=reason):
                    self.ended = LinkClosed(1008, reason, "remote")
                case _:  # answers to what was given up, and goodbyes, which the end of the link follows
                    pass

    def _take_delivery(self, delivery: Deliver) -> None:
        found = messages_of(delivery)
        for one in found if isinstance(found, list) else [found]:
            self.on_event(MessageCame(one))
            self._unseen += 1
        self.link.send_nowait(Acknowledge(self.entropy.hex_id(), delivery.id))
        self._came.notify()

    async def invoke(self, service: str, request: object = None) -> Any:
        """Invoke a service by way of the channel's gateway, and return its result.

        Raises:
            CallError: What it failed with.
            LinkClosed: When the link ended before the answer.
        """
        return await self.send({"service": service, "request": request})

    async def send(self, data: object) -> Any:
        """Send the input of the channel's service, and return its result; see `invoke`."""
        call = Invoke(self.entropy.hex_id(), data, timeout=self.timeout)
        asked = self._asked[call.id] = _Asked()
        try:
            await self.link.send(call)
            with trio.move_on_after(self.timeout):
                await asked.done.wait()
        except trio.Cancelled:
            self.link.send_nowait(Cancel(call.id))
            raise
        finally:
            del self._asked[call.id]
        if isinstance(asked.answer, Reply):
            return asked.answer.data
        if isinstance(asked.answer, Failure):
            raise error_of(asked.answer)
        if self.ended is not None:
            raise self.ended
        self.link.send_nowait(Cancel(call.id))
        msg = f"no answer within {self.timeout:g} s"
        raise InvokeTimeout(msg)

    async def subscribe(self, topic: str, options: Mapping[str, Any]) -> str:
        """Have a topic's messages delivered, as long as the session lasts; return the sub_key.

        A native peer is asked for what comes from now on where nothing else is said, so that nothing is taken from
        others; one of Zato does not know that option.
        """
        usual = {"deliver_from": "now", "unsub_on_wsx_close": True} if self.link.wire == NATIVE else {}
        result = await self.invoke(SUBSCRIBE_SERVICE, {"topic_name": topic, **usual, **options})
        try:
            key = str(result["sub_key"])
        except (KeyError, TypeError):
            msg = f"expected a sub_key for an answer, got {result!r:.200}"
            raise CallError(msg) from None
        self._keys[topic] = key
        return key

    async def unsubscribe(self, topic: str) -> None:
        """Have them delivered no more."""
        key = self._keys.pop(topic, "")
        await self.invoke(UNSUBSCRIBE_SERVICE, {"topic_name": topic, **({"sub_key": key} if key else {})})

    async def publish(self, topic: str, data: object) -> Any:
        """Publish a message, and return what the channel says of it."""
        return await self.invoke(PUBLISH_SERVICE, {"topic_name": topic, "data": data})

    async def wait(self, count: int) -> None:
        """Wait until so many messages have come that nobody waited for yet.

        Raises:
            InvokeTimeout: When they do not come in time.
            LinkClosed: When the link ended before.
        """
        with trio.move_on_after(self.timeout) as scope:
            while self._unseen < count and self.ended is None:
                await self._came.wait()
        if self._unseen >= count:
            self._unseen -= count
        elif scope.cancelled_caught:
            msg = f"{self._unseen} of {count} messages came within {self.timeout:g} s"
            raise InvokeTimeout(msg)
        elif self.ended is not None:
            raise self.ended
