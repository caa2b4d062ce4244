"""Which topics there may be, and what each is set to: named in clusters.toml, of a pattern there, or made later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from actors.settings import DeliverySettings, OnNoSubs, TopicSettings
from actors.topics.endpoint import SERVICE_TOPICS, first_match

__all__ = [
    "Catalogue",
    "dead_letter_topic",
    "is_dead_letter_topic",
    "is_pattern",
    "name_problem",
    "service_of",
    "service_topic",
]

MAX_NAME = 200

_DEAD_LETTERS = "/dead-letter/"
_OF_DEAD_LETTERS = TopicSettings(guaranteed=True, on_no_subs=OnNoSubs.ACCEPT, max_depth_gd=0, max_message_size=0)
_OF_SERVICES = TopicSettings(
    guaranteed=True, is_api_sub_allowed=False, delivery=DeliverySettings(delivery_batch_size=1)
)
_RESERVED = {_DEAD_LETTERS: _OF_DEAD_LETTERS, SERVICE_TOPICS: _OF_SERVICES}


def name_problem(topic: str) -> str | None:
    """Return what is wrong with a topic's name, or None."""
    if not topic.startswith("/"):
        return "a topic's name starts with '/'"
    if len(topic) > MAX_NAME or not topic.isascii() or not topic.isprintable():
        return f"a topic's name has up to {MAX_NAME} printable ASCII characters"
    return None


def service_topic(service: str) -> str:
    """Return the topic whose messages a service receives."""
    return f"{SERVICE_TOPICS}{service}"


def service_of(topic: str) -> str | None:
    """Return the service that receives the messages of a topic by its name; None where it is an ordinary topic."""
    return topic.removeprefix(SERVICE_TOPICS) if topic.startswith(SERVICE_TOPICS) else None


def is_pattern(name: str) -> bool:
    """Tell whether a topic's name stands for many topics."""
    return "*" in name


def is_dead_letter_topic(topic: str) -> bool:
    """Tell whether a topic holds what could not be delivered."""
    return topic.startswith(_DEAD_LETTERS)


def dead_letter_topic(cluster: str, topic: str) -> str:
    """Return where messages of a topic go that cannot be delivered; those of a dead-letter topic stay in it."""
    return topic if is_dead_letter_topic(topic) else f"{_DEAD_LETTERS}{cluster}{topic}"


class Catalogue:
    """What each topic is set to.

    A pattern counts for dead-letter topics and for those of services only where it names them: `/**` does not.

    Args:
        configured: The topics of clusters.toml, patterns among them.
    """

    def __init__(self, configured: Mapping[str, TopicSettings]) -> None:
        self._made: dict[str, TopicSettings] = {}
        self.configure(configured)

    def configure(self, configured: Mapping[str, TopicSettings]) -> None:
        """Go by other topics of clusters.toml; what was made while the cluster runs stays."""
        self._configured = {name: one for name, one in configured.items() if not is_pattern(name)}
        self._patterns = {name: one for name, one in configured.items() if is_pattern(name)}
        self._topics = {**self._made, **self._configured}

    @property
    def configured(self) -> Mapping[str, TopicSettings]:
        """The topics that clusters.toml names, without patterns."""
        return self._configured

    def __contains__(self, topic: object) -> bool:
        return topic in self._topics

    def __iter__(self) -> Iterator[str]:
        return iter(self._topics)

    def add(self, topic: str, settings: TopicSettings) -> None:
        """Note a topic that was made while the cluster runs; the file has the last word about those that it names."""
        self._made[topic] = settings
        self._topics.setdefault(topic, settings)

    def group_of(self, topic: str) -> str:
        """Return what stands for a topic in figures, of which there are only so many: itself where it is configured.

        Else its pattern, `/dead-letter/**` and its like, or `made` for those that were made while the cluster runs.
        """
        if topic in self._configured:
            return topic
        reserved = next((prefix for prefix in _RESERVED if topic.startswith(prefix)), None)
        pattern = None if reserved else first_match(self._patterns, topic, "/")
        return f"{reserved}**" if reserved else pattern or "made"

    def find(self, topic: str) -> TopicSettings | None:
        """Return what a topic is set to, or what it would be made with; None where there can be none of that name."""
        known = self._topics.get(topic)
        if known is not None:
            return known
        if is_pattern(topic):
            return None
        reserved = next((prefix for prefix in _RESERVED if topic.startswith(prefix)), None)
        if reserved is None:
            pattern = first_match(self._patterns, topic, "/")
            return None if pattern is None else self._patterns[pattern]
        pattern = first_match([one for one in self._patterns if one.startswith(reserved)], topic, "/")
        return _RESERVED[reserved] if pattern is None else self._patterns[pattern]
