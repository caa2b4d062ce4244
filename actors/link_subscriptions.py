"""The subscriptions of one link: what is listed is subscribed to, and what is refused is tried again later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio

from actors.call import CallResponse
from actors.errors import CallError, LinkClosed, LinkLost

__all__ = ["LinkSubscriptions"]

SUBSCRIBE_SERVICE = "zato.pubsub.subscription.create-wsx-subscription"
GOING_AWAY = 1001


class LinkSubscriptions:
    """Subscribes over one link.

    Args:
        topics: What is listed.
        skipped: Topics that are not to be asked for at first, with the reason: asking cost the link before this.
        retry_interval: Seconds until a refused topic is tried again.
        invoke: Makes a call over the link.
        log: The connection's logger.
    """

    def __init__(
        self,
        topics: Sequence[str],
        *,
        skipped: dict[str, str],
        retry_interval: float,
        invoke: Callable[[object], Awaitable[CallResponse]],
        log: Any,
    ) -> None:
        self.subscribed: dict[str, str] = {}
        self.refused: dict[str, str] = dict(skipped)
        self.is_answered = False
        """Whether every listed topic was answered."""
        self._asking = ""
        self._topics = topics
        self._retry_interval = retry_interval
        self._invoke = invoke
        self._log = log

    async def keep(self, on_answered: Callable[[], None]) -> None:
        """Subscribe to all topics, those refused again and again; `on_answered` is called after each round."""
        for topic in self._topics:
            if topic not in self.refused:
                await self._subscribe(topic)
        self.is_answered = True
        while True:
            on_answered()
            if not self.refused:
                return
            await trio.sleep(self._retry_interval)
            for topic in list(self.refused):
                await self._subscribe(topic)

    def blame(self, closed: LinkClosed) -> dict[str, str]:
        """Return the topic that made the peer end the link, so that the next link does not begin with it."""
        is_suspect = bool(self._asking) and closed.origin == "remote" and closed.code != GOING_AWAY
        return {self._asking: f"the peer closed the link over it: {closed}"} if is_suspect else {}

    async def _subscribe(self, topic: str) -> None:
        self._asking = topic
        request = {"service": SUBSCRIBE_SERVICE, "request": {"topic_name": topic}}
        try:
            response = await self._invoke(request)
            sub_key = response.data["sub_key"]
        except LinkLost:
            await trio.sleep_forever()  # whoever receives from the link ends it all
        except (CallError, KeyError, TypeError) as error:
            self.refused[topic] = str(error)
            self._log.warning("subscription refused", topic=topic, reason=str(error))
        else:
            self.refused.pop(topic, None)
            self.subscribed[topic] = str(sub_key)
            self._log.info("subscribed", topic=topic)
        self._asking = ""
