"""Which topics there may be, and what each is set to: named in clusters.toml, of a pattern there, or made later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from actors.endpoint import first_match
from actors.settings import OnNoSubs, TopicSettings

__all__ = ["Catalogue", "dead_letter_topic", "is_dead_letter_topic", "is_pattern"]

_DEAD_LETTERS = "/dead-letter/"
_OF_DEAD_LETTERS = TopicSettings(guaranteed=True, on_no_subs=OnNoSubs.ACCEPT, max_depth_gd=0, max_message_size=0)


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

    Args:
        configured: The topics of clusters.toml, patterns among them.
    """

    def __init__(self, configured: Mapping[str, TopicSettings]) -> None:
        self._topics = {name: one for name, one in configured.items() if not is_pattern(name)}
        self._patterns = {name: one for name, one in configured.items() if is_pattern(name)}

    def __contains__(self, topic: object) -> bool:
        return topic in self._topics

    def __iter__(self) -> Iterator[str]:
        return iter(self._topics)

    def add(self, topic: str, settings: TopicSettings) -> None:
        """Note a topic that was made while the cluster runs; the file has the last word about those that it names."""
        self._topics.setdefault(topic, settings)

    def find(self, topic: str) -> TopicSettings | None:
        """Return what a topic is set to, or what it would be made with; None where there can be none of that name."""
        known = self._topics.get(topic)
        if known is not None:
            return known
        pattern = first_match(self._patterns, topic, "/")
        if pattern is not None:
            return self._patterns[pattern]
        return _OF_DEAD_LETTERS if is_dead_letter_topic(topic) else None
