"""`isthmus sessions`: who is connected to a cluster's channels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cyclopts import App

from runtime.admin.client import AdminClient
from runtime.cli.examples import shown_below
from runtime.cli.failure import Failed
from runtime.cli.options import DEFAULT_CONFIG, Channel, Client, Cluster, Json
from runtime.cli.reach import ask_admin, with_cluster
from runtime.cli.tables import print_json, show_fact, show_rows

__all__ = ["sessions_app"]

sessions_app = App(
    name="sessions",
    help="List the clients of a cluster's channels; disconnect or call one.",
    help_epilogue=shown_below("sessions"),
)

_PATIENCE = 1.0
"""Seconds that the server has, beyond those that a client has to answer."""


@sessions_app.default
def sessions(
    cluster: Cluster, /, *, channel: Channel | None = None, json_: Json = False, config: Path = DEFAULT_CONFIG
) -> None:
    """List the clients that are connected, since when, and what they subscribe to.

    Args:
        cluster: The cluster to ask.
        channel: Only those of this channel.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    found = ask_admin(config, cluster, "sessions", channel=channel)
    show_rows(found if json_ else [_row(one) for one in found], as_json=json_, whole=["id", "channel"])


def _row(client: dict[str, Any]) -> dict[str, Any]:
    """Return what a line of the table shows of a client."""
    return {
        "id": client["pub_client_id"],
        "name": client["ext_client_name"] or client["ext_client_id"],
        "channel": client["channel_name"],
        "security": client["security"],
        "address": client["peer_address"],
        "connected": client["connection_time"].partition(".")[0],
        "wire": client["wire"],
        "attrs": " ".join(f"{key}={value}" for key, value in client["attrs"].items()),
        "subscriptions": len(client["subscriptions"]),
    }


@sessions_app.command(help_epilogue=shown_below("sessions close"))
def close(cluster: Cluster, client: Client, /, *, json_: Json = False, config: Path = DEFAULT_CONFIG) -> None:
    """Disconnect a client; one that reconnects by itself comes back as a new one.

    Args:
        cluster: The cluster to ask.
        client: The client's id, as `isthmus sessions` shows it.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    found = ask_admin(config, cluster, "close-session", client=client)
    show_fact(found, f"disconnected {client}", as_json=json_)


@sessions_app.command(help_epilogue=shown_below("sessions invoke"))
def invoke(
    cluster: Cluster,
    client: Client,
    data: str,
    /,
    *,
    timeout: float = 5.0,
    json_: Json = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Send a client a request and print its answer as JSON.

    Args:
        cluster: The cluster to ask.
        client: The client's id, as `isthmus sessions` shows it.
        data: What is sent, as JSON.
        timeout: Seconds to wait for the answer.
        json_: Print JSON, as it does anyhow.
        config: The file that describes the clusters.
    """
    try:
        request = {"client": client, "data": json.loads(data), "timeout": timeout}
    except json.JSONDecodeError as error:
        raise Failed(f"the input is not JSON: {error}", status=2) from None

    async def action(admin: AdminClient) -> Any:
        return await admin.invoke("isthmus.admin.invoke-session", request, timeout=timeout + _PATIENCE)

    print_json(with_cluster(config, cluster, action))
