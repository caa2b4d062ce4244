"""Topics: the actor above all topics, which starts those that there are and, at first use, those that there may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from actors.actor import Actor
from actors.errors import ActorError, BadInput, CallError, Conflict, Overloaded, ServiceNotFound
from actors.ref import actor_name
from actors.settings import DeliveryOptions, TopicSettings
from actors.supervision import ChildSpec
from actors.topics.catalogue import Catalogue, is_pattern, name_problem, service_of
from actors.topics.delivery import ConfigureTopics, CreateTopic, FindTopic, NewMessages, NewSettings, StartSubscriber
from actors.topics.topic import Topic, TopicPorts, TopicState

__all__ = ["SubscriberMaker", "Topics"]

MAX_MADE = 10_000
"""How many topics there may be that clusters.toml does not name."""


class SubscriberMaker(Protocol):
    """Makes what receives messages for a service of this cluster."""

    def __call__(self, service: str, topic: str, options: DeliveryOptions) -> ChildSpec:
        """Return the actor that subscribes to a topic for a service; it answers `SubKeyOf`."""
        ...


class Topics(Actor):
    """Starts topics; they are its children, which its own crash leaves alone.

    Args:
        catalogue: What topics are set to.
        ports: What each topic is given of the outside.
        make_subscriber: Makes the subscribers that are services.
    """

    kind = "topics"
    intensity = None
    answers_with = (CallError,)

    def __init__(self, catalogue: Catalogue, ports: TopicPorts, *, make_subscriber: SubscriberMaker) -> None:
        self._catalogue = catalogue
        self._ports = ports
        self._make_subscriber = make_subscriber
        self._made: set[str] = set()

    async def setup(self) -> None:
        """Start the topics of clusters.toml, those that were made at run time, and those that were ever used."""
        topics = self._ports.topics
        topics.on_supplied = self._supplied
        for topic in self._catalogue.configured:
            self._start(topic)
        for topic, settings in (await topics.created()).items():
            self._catalogue.add(topic, settings)
        await self._start_others()
        self.progress.measure("made", lambda: len(self._made))

    async def receive(self, message: Any) -> Any:
        """Start or make a topic, or start a subscriber."""
        match message:
            case FindTopic(topic=topic):
                return self._find(topic)
            case ConfigureTopics(configured=configured):
                await self._configure(configured)
            case CreateTopic(topic=topic, settings=settings):
                await self._create(topic, settings)
            case StartSubscriber():
                return self._start_subscriber(message)
        return None

    async def _start_others(self) -> None:
        """Start the topics that clusters.toml does not name: those made at run time, and those that were ever used."""
        others = {*self._catalogue, *await self._ports.topics.used()} - self._catalogue.configured.keys()
        for topic in sorted(others):
            if self._catalogue.find(topic) is not None:
                self._made.add(topic)
                self._start(topic)

    async def _configure(self, configured: Mapping[str, TopicSettings]) -> None:
        """Start and stop topics as the file says now; those that go on look at their settings."""
        before = sorted({*self._catalogue.configured, *self._made})
        self._catalogue.configure(configured)
        self._made -= self._catalogue.configured.keys()
        for topic in self._catalogue.configured:
            self._start(topic)
        await self._start_others()
        for topic in before:
            if self._catalogue.find(topic) is None:
                self._made.discard(topic)
                await self.children.stop("topic", topic)
            else:
                self._tell(topic, NewSettings())

    def _find(self, topic: str) -> TopicSettings | None:
        settings = self._catalogue.find(topic)
        if settings is None or not self._may_be_made(topic):
            return None
        self._make_room_for(topic)
        self._start(topic)
        return settings

    def _may_be_made(self, topic: str) -> bool:
        service = service_of(topic)
        if service is not None:
            return self.directory.find_mailbox(actor_name("service", service)) is not None
        return topic in self._catalogue or name_problem(topic) is None

    async def _create(self, topic: str, settings: TopicSettings) -> None:
        problem = "a topic's name has no '*'" if is_pattern(topic) else name_problem(topic)
        if problem or service_of(topic) is not None:
            msg = f"{topic!r}: {problem or 'topics of services are made when they are published to'}"
            raise BadInput(msg)
        if topic in self._catalogue and self._catalogue.find(topic) != settings:
            msg = f"there is a topic {topic!r} already, which is set to something else"
            raise Conflict(msg)
        if topic not in self._catalogue:
            self._make_room_for(topic)
            await self._ports.topics.create(topic, settings)
            self._catalogue.add(topic, settings)
        self._start(topic)

    def _make_room_for(self, topic: str) -> None:
        if topic in self._catalogue or topic in self._made:
            return
        if len(self._made) >= MAX_MADE:
            msg = f"there are {MAX_MADE} topics already that clusters.toml does not name"
            raise Overloaded(msg)
        self._made.add(topic)

    def _start(self, topic: str) -> None:
        """Start a topic that does not run, and the subscriber of one that is a service's."""
        state = TopicState()
        self.children.start(ChildSpec.of(Topic, name=topic, make=lambda: Topic(self._catalogue, state, self._ports)))
        service = service_of(topic)
        if service is not None:
            self.children.start(self._make_subscriber(service, topic, DeliveryOptions()))

    def _start_subscriber(self, request: StartSubscriber) -> tuple[str, str]:
        if self.directory.find_mailbox(actor_name("service", request.service)) is None:
            msg = f"No such service {request.service!r}"
            raise ServiceNotFound(msg)
        spec = self._make_subscriber(request.service, request.topic, request.options)
        self.children.start(spec)
        return spec.kind, spec.name

    def _supplied(self, topic: str) -> None:
        """Tell a topic that the store has put messages into it."""
        self._tell(topic, NewMessages())

    def _tell(self, topic: str, message: object) -> None:
        try:
            self.ref("topic", topic).tell_nowait(message)
        except ActorError as error:
            self._log.debug("a topic was not told", topic=topic, error=str(error))
