"""`isthmus publish` and `isthmus subscribe`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.admin.client import AdminClient
from runtime.cli.reach import DEFAULT_CONFIG, with_cluster

__all__ = ["publish", "subscribe"]


def publish(cluster: str, topic: str, data: str, /, *, config: Path = DEFAULT_CONFIG) -> None:
    """Publish a message and print its id.

    Args:
        cluster: The cluster that has the topic.
        topic: The topic's name.
        data: The message, as text.
        config: The file that describes the clusters.
    """

    async def action(admin: AdminClient) -> Any:
        request = {"topic_name": topic, "data": data}
        return await admin.invoke("zato.pubsub.pubapi.publish-message", request)

    print(with_cluster(config, cluster, action)["msg_id"])  # noqa: T201


def subscribe(cluster: str, topic: str, /, *, config: Path = DEFAULT_CONFIG) -> None:
    """Follow a topic, a line each message, until Ctrl-C.

    It begins with what is published from now on; what waits for other subscribers stays there.

    Args:
        cluster: The cluster that has the topic.
        topic: The topic's name.
        config: The file that describes the clusters.
    """

    async def action(admin: AdminClient) -> None:
        request = {"topic_name": topic, "deliver_from": "now"}
        await admin.invoke("zato.pubsub.subscription.create-wsx-subscription", request)
        async for delivery in admin.deliveries():
            for message in delivery:
                body = message["data"]
                line = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
                print(line, flush=True)  # noqa: T201

    with_cluster(config, cluster, action)
