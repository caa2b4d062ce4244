"""`isthmus invoke`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.admin.client import AdminClient
from runtime.cli.failure import Failed
from runtime.cli.reach import DEFAULT_CONFIG, with_cluster

__all__ = ["invoke"]


def invoke(
    cluster: str,
    service: str,
    data: str | None = None,
    /,
    *,
    via: str | None = None,
    timeout: float = 30.0,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Invoke a service and print its result as JSON.

    Args:
        cluster: The cluster to ask.
        service: The service's name.
        data: Its input, as JSON.
        via: Invoke it in the remote cluster that this outgoing connection leads to.
        timeout: Seconds to wait for the answer.
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

    print(json.dumps(with_cluster(config, cluster, action), indent=2, ensure_ascii=False))  # noqa: T201
