"""`isthmus invoke`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.admin.client import AdminClient
from runtime.cli.failure import Failed
from runtime.cli.options import DEFAULT_CONFIG, Cluster, Connection, Json, Service
from runtime.cli.reach import with_cluster
from runtime.cli.tables import print_json

__all__ = ["invoke"]


def invoke(
    cluster: Cluster,
    service: Service,
    data: str | None = None,
    /,
    *,
    via: Connection | None = None,
    timeout: float = 30.0,
    json_: Json = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Invoke a service and print its result as JSON.

    Args:
        cluster: The cluster to ask.
        service: The service's name.
        data: Its input, as JSON.
        via: Invoke it in the remote cluster that this outgoing connection leads to.
        timeout: Seconds to wait for the answer.
        json_: Print JSON, as it does anyhow.
        config: The file that describes the clusters.
    """
    try:
        request = None if data is None else json.loads(data)
    except json.JSONDecodeError as error:
        raise Failed(f"the input is not JSON: {error}", status=2) from None

    async def action(admin: AdminClient) -> Any:
        if via is None:
            return await admin.invoke(service, request, timeout=timeout)
        call = {"connection": via, "data": {"service": service, "request": request}, "timeout": timeout}
        return await admin.invoke("isthmus.admin.invoke-via", call, timeout=timeout + 1.0)

    print_json(with_cluster(config, cluster, action))
