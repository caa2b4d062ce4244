"""`isthmus topics`, `isthmus subscriptions` and `isthmus messages`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cyclopts import App

from runtime.cli.failure import Failed
from runtime.cli.reach import DEFAULT_CONFIG, ask_admin
from runtime.cli.tables import show_one, show_rows

__all__ = ["messages_app", "subscriptions_app", "topics"]

messages_app = App(name="messages", help="List, show, edit, delete, clear and replay the messages of a topic.")
subscriptions_app = App(name="subscriptions", help="List the subscriptions; set how they deliver; end them.")


def topics(cluster: str, /, *, json_: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """List the topics that were ever used, and how many messages each keeps.

    Args:
        cluster: The cluster to ask.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    show_rows(ask_admin(config, cluster, "topics"), as_json=json_)


@subscriptions_app.default
def subscriptions(cluster: str, /, *, json_: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """List the subscriptions, whose each is and how many messages wait for it.

    Args:
        cluster: The cluster to ask.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    show_rows(ask_admin(config, cluster, "subscriptions"), as_json=json_)


@subscriptions_app.command(name="set")
def set_(cluster: str, sub_key: str, /, *options: str, json_: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """Set how a subscription's messages are delivered, whatever the subscriber says.

    Args:
        cluster: The cluster to ask.
        sub_key: The subscription, as `isthmus subscriptions` shows it.
        options: Such as active_status=disabled, delivery_batch_size=10 or ordered=true.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    given = dict(_option(one) for one in options)
    if not given:
        raise Failed("say what is to be set, such as active_status=disabled", status=2)
    found = ask_admin(config, cluster, "set-subscription", sub_key=sub_key, options=given)
    print(json.dumps(found) if json_ else _line(found))  # noqa: T201


@subscriptions_app.command
def end(cluster: str, sub_key: str, /, *, json_: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """End a subscription; guaranteed messages that wait for it become dead letters.

    Args:
        cluster: The cluster to ask.
        sub_key: The subscription, as `isthmus subscriptions` shows it.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    found = ask_admin(config, cluster, "end-subscription", sub_key=sub_key)
    print(json.dumps(found) if json_ else f"ended a subscription to {found['topic']}")  # noqa: T201


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Failed(f"expected NAME=VALUE, got {text!r}", status=2)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _line(found: dict[str, Any]) -> str:
    return " ".join(f"{name}={json.dumps(value)}" for name, value in found.items())


@messages_app.command(name="list")
def list_(
    cluster: str,
    topic: str,
    /,
    *,
    after: int = 0,
    limit: int = 100,
    json_: bool = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """List a topic's messages in order of their places.

    Args:
        cluster: The cluster to ask.
        topic: The topic's name, such as /dead-letter/emea/customer/new.
        after: Begin beyond this place.
        limit: At most so many.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    show_rows(ask_admin(config, cluster, "messages", topic=topic, after=after, limit=limit), as_json=json_)


@messages_app.command
def show(cluster: str, topic: str, place: int, /, *, json_: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """Show all that is known of a message, and which subscriptions are not done with it.

    Args:
        cluster: The cluster to ask.
        topic: The topic's name.
        place: The place of the message, as `messages list` shows it.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    show_one(ask_admin(config, cluster, "show-message", topic=topic, place=place), as_json=json_)


@messages_app.command
def edit(
    cluster: str,
    topic: str,
    place: int,
    /,
    *,
    data: str | None = None,
    as_json: bool = False,
    priority: int | None = None,
    expiration: int | None = None,
    correl_id: str | None = None,
    in_reply_to: str | None = None,
    mime_type: str | None = None,
    json_: bool = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Change a message that is not being delivered right now, and show it.

    Args:
        cluster: The cluster to ask.
        topic: The topic's name.
        place: The place of the message, as `messages list` shows it.
        data: Other data, as text.
        as_json: The data is JSON.
        priority: From 1 to 9, the most urgent.
        expiration: In how many seconds from now it expires.
        correl_id: The correlation id.
        in_reply_to: The message that it answers.
        mime_type: The type of its data.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    given = {
        "data": _data(data, as_json=as_json),
        "priority": priority,
        "expiration": expiration,
        "correl_id": correl_id,
        "in_reply_to": in_reply_to,
        "mime_type": mime_type,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise Failed("say what is to be changed, such as --priority 9", status=2)
    found = ask_admin(config, cluster, "edit-message", topic=topic, place=place, changes=changes)
    show_one(found, as_json=json_)


def _data(text: str | None, *, as_json: bool) -> Any:
    if text is None or not as_json:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failed(f"--data: not JSON: {error}", status=2) from None


@messages_app.command
def delete(
    cluster: str,
    topic: str,
    /,
    *places: int,
    all_: bool = False,
    json_: bool = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Delete messages at the places named; nobody receives them any more.

    Args:
        cluster: The cluster to ask.
        topic: The topic's name.
        places: The places of the messages, as `messages list` shows them.
        all_: All messages of the topic.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    found = ask_admin(config, cluster, "delete-messages", topic=topic, places=_chosen(places, all_=all_))
    print(json.dumps(found) if json_ else f"{found['deleted']} deleted")  # noqa: T201


@messages_app.command
def clear(cluster: str, sub_key: str, /, *, json_: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """Have a subscription be done with all that waits for it; others still receive it.

    Args:
        cluster: The cluster to ask.
        sub_key: The subscription, as `isthmus subscriptions` shows it.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    found = ask_admin(config, cluster, "clear-subscription", sub_key=sub_key)
    print(json.dumps(found) if json_ else f"{found['cleared']} cleared")  # noqa: T201


@messages_app.command
def replay(
    cluster: str,
    topic: str,
    /,
    *places: int,
    all_: bool = False,
    json_: bool = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Publish dead letters anew to the topics that they came from.

    Args:
        cluster: The cluster to ask.
        topic: The dead-letter topic.
        places: The places of the messages, as `messages list` shows them.
        all_: All messages of the topic.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    found = ask_admin(config, cluster, "replay-messages", topic=topic, places=_chosen(places, all_=all_))
    print(json.dumps(found) if json_ else f"replayed to {', '.join(found['topics']) or 'no topic'}")  # noqa: T201


def _chosen(places: tuple[int, ...], *, all_: bool) -> list[int] | None:
    if bool(places) == all_:
        raise Failed("name the places of messages, or say --all", status=2)
    return None if all_ else list(places)
