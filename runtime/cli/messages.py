"""`isthmus topics`, `isthmus subscriptions` and `isthmus messages`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cyclopts import App
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runtime.cli.failure import Failed
from runtime.cli.reach import DEFAULT_CONFIG, with_cluster

__all__ = ["messages_app", "subscriptions", "topics"]

_NEVER_WRAPS = 100_000

messages_app = App(name="messages", help="List, delete and replay the messages of a topic.")


def topics(cluster: str, /, *, json_: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """List the topics that were ever used, and how many messages each keeps.

    Args:
        cluster: The cluster to ask.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    _show(_ask(config, cluster, "topics"), as_json=json_)


def subscriptions(cluster: str, /, *, json_: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """List the subscriptions, whose each is and how many messages wait for it.

    Args:
        cluster: The cluster to ask.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    _show(_ask(config, cluster, "subscriptions"), as_json=json_)


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
    _show(_ask(config, cluster, "messages", topic=topic, after=after, limit=limit), as_json=json_)


@messages_app.command
def delete(cluster: str, topic: str, /, *places: int, all_: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """Delete messages at the places named; nobody receives them any more.

    Args:
        cluster: The cluster to ask.
        topic: The topic's name.
        places: The places of the messages, as `messages list` shows them.
        all_: All messages of the topic.
        config: The file that describes the clusters.
    """
    found = _ask(config, cluster, "delete-messages", topic=topic, places=_chosen(places, all_=all_))
    print(f"{found['deleted']} deleted")  # noqa: T201


@messages_app.command
def replay(cluster: str, topic: str, /, *places: int, all_: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """Publish dead letters anew to the topics that they came from.

    Args:
        cluster: The cluster to ask.
        topic: The dead-letter topic.
        places: The places of the messages, as `messages list` shows them.
        all_: All messages of the topic.
        config: The file that describes the clusters.
    """
    found = _ask(config, cluster, "replay-messages", topic=topic, places=_chosen(places, all_=all_))
    print(f"replayed to {', '.join(found['topics']) or 'no topic'}")  # noqa: T201


def _chosen(places: tuple[int, ...], *, all_: bool) -> list[int] | None:
    if bool(places) == all_:
        raise Failed("name the places of messages, or say --all", status=2)
    return None if all_ else list(places)


def _ask(config: Path, cluster: str, service: str, **request: Any) -> Any:
    return with_cluster(config, cluster, lambda admin: admin.invoke(f"isthmus.admin.{service}", request))


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))  # noqa: T201
        return
    if not rows:
        print("none")  # noqa: T201
        return
    console = Console()
    if not console.is_terminal:
        console.width = _NEVER_WRAPS
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*(column.replace("_", " ") for column in columns), box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console.print(table)


def _cell(value: object) -> Text:
    if value is None:
        return Text("")
    return Text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
