"""LiveLink: the link of the moment of an outgoing connection, and what becomes of each message that comes over it.

Answers settle the calls that wait for them; deliveries, requests of the server and frames go to the hooks. When so
much waits for these that no more should be read, the link is throttled; when that lasts too long, it is closed. A peer
with credit sends no more than that allows, so such a link is always read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio

from actors.actor import Progress
from actors.connections.frames import data_of, size_in_bytes
from actors.connections.hooks import IncomingRequest
from actors.connections.link_hooks import LinkHooks
from actors.connections.link_subscriptions import LinkSubscriptions
from actors.connections.pending import PendingCalls
from actors.credit import RequestsGranted
from actors.errors import BadInput, LinkClosed, Overloaded
from actors.failures import failure_of
from actors.messages import (
    Cancel,
    Confirm,
    Credit,
    Deliver,
    Denied,
    Failure,
    Goodbye,
    Invoke,
    Message,
    Reply,
    StreamEnd,
    StreamItems,
)
from actors.ports import Entropy, Link
from actors.settings import OutgoingSettings, Remote

__all__ = ["LiveLink"]


class LiveLink:
    """Takes what comes over one link.

    Args:
        link: The link.
        hooks: Its hooks.
        subscriptions: Its subscriptions.
        settings: The connection's settings.
        pending: The calls that wait for answers.
        entropy: Ids of answers.
        progress: Where what happens is counted.
        on_change: Called when it is throttled, and when it is not any more.
        log: The connection's logger.
    """

    def __init__(
        self,
        link: Link,
        hooks: LinkHooks,
        subscriptions: LinkSubscriptions,
        *,
        settings: OutgoingSettings,
        pending: PendingCalls,
        entropy: Entropy,
        progress: Progress,
        on_change: Callable[[], None],
        log: Any,
    ) -> None:
        self.link = link
        self.hooks = hooks
        self.subscriptions = subscriptions
        self.is_throttled = False
        self.settings = settings
        self._pending = pending
        self._entropy = entropy
        self._progress = progress
        self._on_change = on_change
        self._log = log
        self._requests: set[str] = set()
        self._has_frames = settings.remote is Remote.WEBSOCKET
        self._has_credit = pending.credit is not None
        self._granted = RequestsGranted(settings.max_in_flight)

    def adopt(self, settings: OutgoingSettings) -> None:
        """Go on with changed settings, as far as they concern an open link."""
        self.settings = self.hooks.settings = settings
        if self._has_credit and (more := self._granted.raised_to(settings.max_in_flight)) is not None:
            self.link.send_nowait(more)

    async def receive(self, first: Sequence[Message]) -> LinkClosed:
        """Take what comes until the link ends, `first` before it; return how it ended."""
        messages = first
        try:
            while True:
                self._take_all(messages)
                if self._must_throttle:
                    await self._throttle()
                self.link.take_at_once(self._take_at_once)
                messages = await self.link.receive()
        except LinkClosed as closed:
            return closed

    def _take_at_once(self, messages: Sequence[Message]) -> bool:
        """Take what comes, unless the link is to be throttled before more of it is taken."""
        if self._must_throttle:
            return False
        self._take_all(messages)
        return True

    @property
    def _must_throttle(self) -> bool:
        return not self._has_credit and self.hooks.is_behind

    def _take_all(self, messages: Sequence[Message]) -> None:
        take = self._take_frame if self._has_frames else self._take
        for message in messages:
            take(message)

    async def _throttle(self) -> None:
        """Read nothing more until the hooks have caught up; end the link when that takes too long."""
        limit = self.settings.max_throttled_time
        self.is_throttled = True
        self._on_change()
        with trio.move_on_after(limit) as scope:
            await self.hooks.caught_up()
        if scope.cancelled_caught:
            reason = f"hooks were behind for more than {limit:g} s"
            await self.link.aclose(1013, reason)
            raise LinkClosed(1013, reason, "local")
        self.is_throttled = False
        self._on_change()

    def _take(self, message: Message) -> None:
        """Act on one message from the peer, without waiting."""
        match message:
            case Reply() | Failure():
                self._progress.count("handled" if self._pending.answer(message) else "ignored")
            case Confirm(confirmed=confirmed, timestamp=timestamp):
                for one in confirmed:
                    self._progress.count("handled" if self._pending.confirm(one, timestamp) else "ignored")
            case StreamItems():
                self._progress.count("items" if self._pending.put_items(message) else "ignored")
            case StreamEnd():
                self._progress.count("handled" if self._pending.end_stream(message) else "ignored")
            case Deliver():
                self._progress.count("messages", len(message.messages))
                self.hooks.delivery(message)
            case Invoke():
                self._take_request(message)
            case Credit(subject="") if self._pending.grant(message):
                self._progress.count("handled")
            case Denied(reason=reason):
                self._log.warning("denied by the peer", reason=reason)
            case Cancel(in_reply_to=request_id):
                self._requests.discard(request_id)
                if not self.hooks.cancel(request_id):
                    self._progress.count("ignored")
            case Goodbye():
                pass  # the end of the link follows
            case _:
                self._progress.count("ignored")

    def _take_request(self, message: Invoke) -> None:
        def settled(result: object, error: Exception | None) -> None:
            self._requests.discard(message.id)
            answer_id = self._entropy.hex_id()
            if error is None:
                self.link.send_nowait(Reply(answer_id, message.id, result))
            else:
                tells = self.settings.remote_tracebacks
                self.link.send_nowait(failure_of(error, answer_id, message.id, tells_traceback=tells))

        if message.id in self._requests:
            self._progress.count("ignored")
            return
        limit = self.settings.max_in_flight
        if len(self._requests) >= limit:
            settled(None, Overloaded(f"more than {limit} requests of the server are under way"))
            return
        self._requests.add(message.id)
        self.hooks.request(IncomingRequest(message.id, message.timestamp, message.data), settled)

    def _take_frame(self, message: Message) -> None:
        """Hand a frame to on_message; one that is not what `data_format` says is logged and counted, no more."""
        if type(message) is not Invoke or self.settings.on_message is None:
            self._progress.count("ignored")
            return
        try:
            data = data_of(message.data, self.settings.data_format)
        except BadInput as error:
            self._progress.count("unreadable")
            self._log.warning("frame not readable", reason=str(error))
            return
        self._progress.count("frames")
        self.hooks.frame(data, size_in_bytes(message.data))
