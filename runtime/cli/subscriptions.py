"""`isthmus subscriptions`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cyclopts import App

from runtime.cli.examples import shown_below
from runtime.cli.failure import Failed
from runtime.cli.options import DEFAULT_CONFIG, Cluster, Json, SubKey
from runtime.cli.reach import ask_admin
from runtime.cli.tables import show_fact, show_rows

__all__ = ["subscriptions_app"]

subscriptions_app = App(
    name="subscriptions",
    help="List the subscriptions; set how they deliver; end them.",
    help_epilogue=shown_below("subscriptions"),
)


@subscriptions_app.default
def subscriptions(cluster: Cluster, /, *, json_: Json = False, config: Path = DEFAULT_CONFIG) -> None:
    """List the subscriptions, whose each is and how many messages wait for it.

    Args:
        cluster: The cluster to ask.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    show_rows(
        ask_admin(config, cluster, "subscriptions"),
        as_json=json_,
        whole=["sub_key", "topic", "waiting", "state", "failed"],
    )


@subscriptions_app.command(name="set", help_epilogue=shown_below("subscriptions set"))
def set_(
    cluster: Cluster, sub_key: SubKey, /, *options: str, json_: Json = False, config: Path = DEFAULT_CONFIG
) -> None:
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
    show_fact(found, _line(found), as_json=json_)


@subscriptions_app.command(help_epilogue=shown_below("subscriptions end"))
def end(cluster: Cluster, sub_key: SubKey, /, *, json_: Json = False, config: Path = DEFAULT_CONFIG) -> None:
    """End a subscription; guaranteed messages that wait for it become dead letters.

    Args:
        cluster: The cluster to ask.
        sub_key: The subscription, as `isthmus subscriptions` shows it.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    found = ask_admin(config, cluster, "end-subscription", sub_key=sub_key)
    show_fact(found, f"ended a subscription to {found['topic']}", as_json=json_)


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
