"""Who may publish to, and subscribe to, which topics; and the patterns that say so.

In a pattern `*` is anything within one level, also nothing, and `**` anything across levels. A pattern must match
the whole name: levels are separated by `/` in topics and by `.` in the names of services.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from attrs import frozen

from actors.settings import EndpointRole, EndpointSettings

__all__ = ["SERVICE_TOPICS", "Endpoint", "any_matches", "first_match", "matches"]

_WITHIN = "*"
_ACROSS = "**"

_MAX_REMEMBERED = 200

SERVICE_TOPICS = "/zato/s/to/"
"""Where topics begin whose messages a service receives; the service's name follows."""


@functools.lru_cache(maxsize=4096)
def _parts(pattern: str) -> tuple[str, ...]:
    """Split a pattern into its wildcards and the text between them."""
    parts: list[str] = []
    rest = pattern
    while rest:
        at = rest.find(_WITHIN)
        if at < 0:
            parts.append(rest)
            break
        if at:
            parts.append(rest[:at])
        stars = len(rest[at:]) - len(rest[at:].lstrip(_WITHIN))
        parts.append(_WITHIN if stars == 1 else _ACROSS)
        rest = rest[at + stars :]
    return tuple(parts)


def matches(pattern: str, name: str, separator: str) -> bool:
    """Tell whether the pattern matches the whole name.

    Walks all places that the pattern may have reached at once, so its time is bounded by the product of both
    lengths, whatever the pattern.
    """
    reached = {0}
    for part in _parts(pattern):
        if part == _ACROSS:
            reached = set(range(min(reached), len(name) + 1))
        elif part == _WITHIN:
            reached = _stretch(reached, name, separator)
        else:
            reached = {at + len(part) for at in reached if name.startswith(part, at)}
        if not reached:
            return False
    return len(name) in reached


def _stretch(reached: set[int], name: str, separator: str) -> set[int]:
    """Add all places up to the next separator behind each."""
    result: set[int] = set()
    for at in sorted(reached):
        if at in result:
            continue
        end = name.find(separator, at)
        result.update(range(at, (len(name) if end < 0 else end) + 1))
    return result


def first_match(patterns: Iterable[str], name: str, separator: str) -> str | None:
    """Return the first pattern that matches the whole name, or None."""
    return next((pattern for pattern in patterns if matches(pattern, name, separator)), None)


def any_matches(patterns: tuple[str, ...], name: str, separator: str) -> bool:
    """Tell whether one of the patterns matches the whole name; what was found of short names is remembered."""
    if len(name) > _MAX_REMEMBERED:
        return first_match(patterns, name, separator) is not None
    return _any_matches(patterns, name, separator)


@functools.lru_cache(maxsize=4096)
def _any_matches(patterns: tuple[str, ...], name: str, separator: str) -> bool:
    return first_match(patterns, name, separator) is not None


@frozen
class Endpoint:
    """What the peers of a channel, of a security definition, or a service may do with topics.

    The topics of services are matched only by patterns that name them: `/**` lets nobody invoke services.
    """

    name: str
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, settings: EndpointSettings) -> Endpoint:
        """Return the endpoint that a section of clusters.toml describes; its role decides which patterns count."""
        role = settings.role
        return cls(
            name,
            () if role is EndpointRole.SUBSCRIBE_ONLY else settings.publish,
            () if role is EndpointRole.PUBLISH_ONLY else settings.subscribe,
        )

    def may_publish(self, topic: str) -> str | None:
        """Return the pattern that allows publishing to the topic, or None."""
        return _allowing(self.publish, topic)

    def may_subscribe(self, topic: str) -> str | None:
        """Return the pattern that allows subscribing to the topic, or None."""
        return _allowing(self.subscribe, topic)


def _allowing(patterns: Iterable[str], topic: str) -> str | None:
    if topic.startswith(SERVICE_TOPICS):
        patterns = [pattern for pattern in patterns if pattern.startswith(SERVICE_TOPICS)]
    return first_match(patterns, topic, "/")
