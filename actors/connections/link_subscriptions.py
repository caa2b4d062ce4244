"""The subscriptions of one link: what is listed is subscribed to, and what is refused is tried again later.

A service may list further topics (`on_subscribe`); where it cannot be asked, it is asked again as if it were a topic
that was refused. What was listed at an earlier link and is not any more is unsubscribed from. A remote tells on native
links which of its subscriptions were made from a list: they bear a label. Those that code made over the link are left
alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from actors.connections.remote_topics import RemoteSubscribe, RemoteUnsubscribe
from actors.errors import CallError, LinkClosed, LinkLost
from actors.failures import single
from actors.pulse import Pulse
from actors.services.call import CallResponse, RemoteCall
from actors.topics.catalogue import name_problem

__all__ = ["LinkSubscriptions"]

OWN_SERVICE = "isthmus.pubsub.subscriptions"
LISTED = "clusters.toml"
"""What subscriptions are called that were made from a list."""

GOING_AWAY = 1001


class LinkSubscriptions:
    """Subscribes over one link.

    Args:
        topics: What is listed, and what is set of each subscription.
        is_native: Whether the remote keeps a label with each subscription.
        is_resumed: Whether it has subscriptions of an earlier link.
        skipped: Topics that are not to be asked for at first, with the reason: asking cost the link before this.
        retry_interval: Seconds until a refused topic is tried again.
        invoke: Makes a call over the link.
        ask: Asks on_subscribe for further topics; None where there is no such service.
        log: The connection's logger.
    """

    def __init__(
        self,
        topics: Mapping[str, Mapping[str, Any]],
        *,
        is_native: bool,
        is_resumed: bool,
        skipped: dict[str, str],
        retry_interval: float,
        invoke: Callable[[RemoteCall], Awaitable[CallResponse]],
        ask: Callable[[], Awaitable[object]] | None,
        log: Any,
    ) -> None:
        self.subscribed: dict[str, str] = {}
        self.problem = ""
        """What is wrong with the answer of on_subscribe."""
        self.refused: dict[str, str] = dict(skipped)
        self.is_answered = False
        """Whether every listed topic was answered."""
        self._asking = ""
        self._has_begun = False
        self._is_relisted = False
        self._relisted = Pulse()
        self._is_complete = True
        self._nursery: trio.Nursery | None = None
        self._scope: trio.CancelScope | None = None
        self._on_answered: Callable[[], None] = lambda: None
        self._listed = dict(topics)
        self._topics = dict(topics)
        self._ask = ask
        self._is_native = is_native
        self._is_resumed = is_resumed
        self._retry_interval = retry_interval
        self._invoke = invoke
        self._log = log

    def begin(self, nursery: trio.Nursery, on_answered: Callable[[], None]) -> None:
        """Subscribe to all topics, those refused again and again, by a task of a nursery while there is any to do.

        `on_answered` is called after each round, also where there is nothing to subscribe to.
        """
        self._nursery, self._on_answered = nursery, on_answered
        if self._topics or self._ask is not None or self._is_resumed:
            self._start()
        else:
            self._has_begun = self.is_answered = True
            on_answered()

    def end(self) -> None:
        """The link has ended: do no more."""
        self._nursery = None
        if self._scope is not None:
            self._scope.cancel()

    def _start(self) -> None:
        if self._nursery is not None and self._scope is None:
            self._scope = trio.CancelScope()
            self._nursery.start_soon(self._keep, self._scope)

    async def _keep(self, scope: trio.CancelScope) -> None:
        """Subscribe until all topics are subscribed to."""
        with scope:
            if not self._has_begun:
                self._has_begun = True
                await self._subscribe_first()
                self._on_answered()
            while self._is_relisted or self.refused or not self._is_complete:
                if not self._is_relisted:
                    with trio.move_on_after(self._retry_interval):
                        await self._relisted.wait()
                self._is_relisted = False
                await self._subscribe_again()
                self._on_answered()
            self._scope = None

    async def _subscribe_first(self) -> None:
        self._is_complete = await self._ask_for_more()
        for topic in list(self._topics):
            if topic in self._topics and topic not in self.refused:
                await self._subscribe(topic)
        if self._is_resumed and self._is_complete:
            await self._end_unlisted()
        self.is_answered = True

    async def _subscribe_again(self) -> None:
        await self._end_delisted()
        if not self._is_complete:
            self._is_complete = await self._ask_for_more()
        for topic in [one for one in self._topics if one not in self.subscribed]:
            if topic in self._topics:
                await self._subscribe(topic)

    def relist(self, topics: Mapping[str, Mapping[str, Any]]) -> None:
        """Have further topics subscribed to, and those unsubscribed from that are not listed any more."""
        self._topics = {**{one: how for one, how in self._topics.items() if one not in self._listed}, **topics}
        self._listed = dict(topics)
        self.refused = {topic: reason for topic, reason in self.refused.items() if topic in self._topics}
        self._is_relisted = True
        self._relisted.notify()
        self._start()

    async def _ask_for_more(self) -> bool:
        """Add the topics that on_subscribe lists; tell whether it answered with a list."""
        if self._ask is None:
            return True
        try:
            answer = await self._ask()
        except Exception as error:  # whatever a user's service raises
            self._note_problem(f"on_subscribe failed: {single(error)}")
            return False
        if not isinstance(answer, list | tuple):
            self._note_problem(f"on_subscribe gave no list of topic names but {answer!r:.100}")
            return False
        wrong = [f"{one!r:.100}" for one in answer if not isinstance(one, str) or name_problem(one) is not None]
        self._note_problem(f"on_subscribe gave what is no topic's name: {', '.join(wrong[:5])}" if wrong else "")
        for topic in answer:
            if isinstance(topic, str) and name_problem(topic) is None:
                self._topics.setdefault(topic, {})
        self.refused = {topic: reason for topic, reason in self.refused.items() if topic in self._topics}
        return True

    def _note_problem(self, problem: str) -> None:
        self.problem = problem
        if problem:
            self._log.error("further topics are not known", reason=problem)

    def blame(self, closed: LinkClosed) -> dict[str, str]:
        """Return the topic that made the peer end the link, so that the next link does not begin with it."""
        is_suspect = bool(self._asking) and closed.origin == "remote" and closed.code != GOING_AWAY
        return {self._asking: f"the peer closed the link over it: {closed}"} if is_suspect else {}

    async def _call(self, call: RemoteCall) -> Any:
        try:
            return (await self._invoke(call)).data
        except LinkLost:
            await trio.sleep_forever()  # whoever receives from the link ends it all

    async def _end_unlisted(self) -> None:
        """Unsubscribe from what was listed before; a remote that does not tell of it keeps it."""
        try:
            known = await self._call(RemoteCall({"service": OWN_SERVICE, "request": None}))
            ended = [one for one in known if one["label"] == LISTED and one["topic_name"] not in self._topics]
            for one in ended:
                topic = one["topic_name"]
                await self._call(RemoteUnsubscribe(topic=topic, sub_key=str(one["sub_key"])))
                self._log.info("unsubscribed: not listed any more", topic=topic)
        except (CallError, KeyError, TypeError) as error:
            self._log.warning("what is not listed any more may still be subscribed to", reason=str(error))

    async def _end_delisted(self) -> None:
        for topic in [one for one in self.subscribed if one not in self._topics]:
            sub_key = self.subscribed.pop(topic)
            try:
                await self._call(RemoteUnsubscribe(topic=topic, sub_key=sub_key))
                self._log.info("unsubscribed: not listed any more", topic=topic)
            except CallError as error:
                self._log.warning("a topic may still be subscribed to", topic=topic, reason=str(error))

    async def _subscribe(self, topic: str) -> None:
        self._asking = topic
        options = {**self._topics[topic], **({"label": LISTED} if self._is_native else {})}
        try:
            sub_key = (await self._call(RemoteSubscribe(topic=topic, options=options)))["sub_key"]
        except (CallError, KeyError, TypeError) as error:
            self.refused[topic] = str(error)
            self._log.warning("subscription refused", topic=topic, reason=str(error))
        else:
            self.refused.pop(topic, None)
            self.subscribed[topic] = str(sub_key)
            self._log.info("subscribed", topic=topic)
        self._asking = ""
