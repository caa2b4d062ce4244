"""`isthmus messages`: what topics keep, and dead letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cyclopts import App

from runtime.admin.client import AdminClient
from runtime.cli.examples import shown_below
from runtime.cli.failure import Failed
from runtime.cli.kept import kept_messages
from runtime.cli.options import DEFAULT_CONFIG, Cluster, Flag, Json, SubKey, Topic
from runtime.cli.reach import ask_admin, with_cluster
from runtime.cli.tables import show_fact, show_one, show_rows

__all__ = ["messages_app"]

messages_app = App(
    name="messages",
    help="List, show, edit, delete, clear and replay the messages of a topic.",
    help_epilogue=shown_below("messages"),
)


@messages_app.command(name="list", help_epilogue=shown_below("messages list"))
def list_(
    cluster: Cluster,
    topic: Topic,
    /,
    *,
    after: int = 0,
    limit: int = 100,
    json_: Json = False,
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

    async def action(admin: AdminClient) -> list[Any]:
        return [one async for one in kept_messages(admin, topic, after, limit)]

    show_rows(with_cluster(config, cluster, action), as_json=json_, whole=["place", "msg_id"])


@messages_app.command(help_epilogue=shown_below("messages show"))
def show(cluster: Cluster, topic: Topic, place: int, /, *, json_: Json = False, config: Path = DEFAULT_CONFIG) -> None:
    """Show all that is known of a message, and which subscriptions are not done with it.

    Args:
        cluster: The cluster to ask.
        topic: The topic's name.
        place: The place of the message, as `messages list` shows it.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    show_one(ask_admin(config, cluster, "show-message", topic=topic, place=place), as_json=json_)


@messages_app.command(help_epilogue=shown_below("messages edit"))
def edit(
    cluster: Cluster,
    topic: Topic,
    place: int,
    /,
    *,
    data: str | None = None,
    as_json: Flag = False,
    priority: int | None = None,
    expiration: int | None = None,
    correl_id: str | None = None,
    in_reply_to: str | None = None,
    mime_type: str | None = None,
    json_: Json = False,
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


@messages_app.command(help_epilogue=shown_below("messages delete"))
def delete(
    cluster: Cluster,
    topic: Topic,
    /,
    *places: int,
    all_: Flag = False,
    json_: Json = False,
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
    show_fact(found, f"{found['deleted']} deleted", as_json=json_)


@messages_app.command(help_epilogue=shown_below("messages clear"))
def clear(cluster: Cluster, sub_key: SubKey, /, *, json_: Json = False, config: Path = DEFAULT_CONFIG) -> None:
    """Have a subscription be done with all that waits for it; others still receive it.

    Args:
        cluster: The cluster to ask.
        sub_key: The subscription, as `isthmus subscriptions` shows it.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    found = ask_admin(config, cluster, "clear-subscription", sub_key=sub_key)
    show_fact(found, f"{found['cleared']} cleared", as_json=json_)


@messages_app.command(help_epilogue=shown_below("messages replay"))
def replay(
    cluster: Cluster,
    topic: Topic,
    /,
    *places: int,
    all_: Flag = False,
    json_: Json = False,
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
    show_fact(found, f"replayed to {', '.join(found['topics']) or 'no topic'}", as_json=json_)


def _chosen(places: tuple[int, ...], *, all_: bool) -> list[int] | None:
    if bool(places) == all_:
        raise Failed("name the places of messages, or say --all", status=2)
    return None if all_ else list(places)
