"""What may be typed at a channel: a line is a command and what it takes. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

__all__ = [
    "HELP",
    "WORDS",
    "Help",
    "InvokeService",
    "Order",
    "PublishTo",
    "Quit",
    "Send",
    "SubscribeTo",
    "UnsubscribeFrom",
    "Wait",
    "order_of",
]


@frozen
class InvokeService:
    """Invoke a service by way of the channel's gateway."""

    service: str
    request: Any = None


@frozen
class Send:
    """Send the input of the channel's own service, where that is no gateway."""

    data: Any


@frozen
class SubscribeTo:
    """Have a topic's messages delivered."""

    topic: str
    options: Mapping[str, Any] = field(factory=dict)


@frozen
class UnsubscribeFrom:
    """Have them delivered no more."""

    topic: str


@frozen
class PublishTo:
    """Publish a message to a topic."""

    topic: str
    data: Any


@frozen
class Wait:
    """Go on when so many messages have come that nobody waited for yet."""

    count: int = 1


@frozen
class Help:
    """Say what may be typed."""


@frozen
class Quit:
    """Leave."""


Order: TypeAlias = InvokeService | Send | SubscribeTo | UnsubscribeFrom | PublishTo | Wait | Help | Quit

HELP = (
    ("invoke SERVICE [JSON]", "invoke a service"),
    ("subscribe TOPIC [NAME=VALUE ...]", "show a topic's messages as they come"),
    ("unsubscribe TOPIC", "show them no more"),
    ("publish TOPIC DATA", "publish JSON, or else text"),
    ("send JSON", "what a channel whose service is no gateway takes"),
    ("wait [COUNT]", "go on when so many messages have come"),
    ("help", "show this"),
    ("quit", "leave, as Ctrl-D and Ctrl-C do"),
)
"""What each line does."""

WORDS = ("invoke", "subscribe", "unsubscribe", "publish", "send", "wait", "help", "quit", "exit")


def order_of(line: str) -> Order | None:
    """Read a line; None where there is nothing in it, or only a comment, which begins with `#`.

    Raises:
        ValueError: Naming what was expected.
    """
    word, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if not word or word.startswith("#"):
        return None
    first, _, more = rest.partition(" ")
    more = more.strip()
    match word:
        case "invoke":
            return InvokeService(_needed(first, word, "SERVICE"), _json(more, word) if more else None)
        case "send":
            return Send(_json(_needed(rest, word, "JSON"), word))
        case "subscribe":
            return SubscribeTo(_needed(first, word, "TOPIC"), dict(map(_option, more.split())))
        case "unsubscribe":
            return UnsubscribeFrom(_needed(rest, word, "TOPIC"))
        case "publish":
            return PublishTo(_needed(first, word, "TOPIC"), _json_or_text(_needed(more, word, "DATA")))
        case "wait":
            return Wait(_count(rest))
        case "help" | "?":
            return Help()
        case "quit" | "exit":
            return Quit()
    msg = f"there is no command {word!r}; there are {', '.join(WORDS)}"
    raise ValueError(msg)


def _needed(text: str, word: str, what: str) -> str:
    if not text:
        msg = f"{word}: {what} is missing"
        raise ValueError(msg)
    return text


def _json(text: str, word: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        msg = f"{word}: not JSON: {error}"
        raise ValueError(msg) from None


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        msg = f"subscribe: expected NAME=VALUE, got {text!r}"
        raise ValueError(msg)
    return name, _json_or_text(value)


def _count(text: str) -> int:
    if text and not (text.isdecimal() and 0 < int(text) < 1_000_000_000):
        msg = f"wait: expected a number from 1 on, got {text!r}"
        raise ValueError(msg)
    return int(text or 1)
