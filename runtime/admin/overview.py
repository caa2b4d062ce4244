"""An administrative service for those who look again and again: links, channels and topics with what they counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

from actors.builtin.gateway import ADMIN_PREFIX
from actors.ref import actor_name
from actors.services.service import Service
from actors.settings import ADMIN_CHANNEL
from runtime.registry import Entry, Registry

__all__ = ["overview_services"]

UNWELL = frozenset(("restarting", "failed", "cannot listen"))
MOST_UNWELL = 20


def overview_services(registry: Registry, cluster: str) -> tuple[type[Service], ...]:
    """Return the service of a cluster; what it tells grows with its links and topics, not with its sessions."""

    class Overview(Service):
        """Tells how links, channels and topics are, and what they have counted since the server's start."""

        name = f"{ADMIN_PREFIX}overview"

        async def handle(self) -> dict[str, Any]:
            """Return a dict for each, and the first actors that are not well."""
            return {
                "cluster": cluster,
                "pid": os.getpid(),
                "links": [_link(entry) for entry in registry.entries("outgoing")],
                "channels": list(_channels(registry)),
                "topics": list(_topics(registry)),
                "unwell": [_how(one) for one in registry.entries() if one.state in UNWELL][:MOST_UNWELL],
            }

    return (Overview,)


def _how(entry: Entry) -> dict[str, Any]:
    """Return an actor's state, why it is in that, and what comes next."""
    last = entry.transitions[-1].as_dict() if entry.transitions else {}
    known = {
        name: last.get(name, default) for name, default in (("reason", ""), ("attempt", 0), ("next_attempt_at", ""))
    }
    return {"kind": entry.kind, "name": entry.name, "state": entry.state, **known}


def _link(entry: Entry) -> dict[str, Any]:
    return {**_how(entry), "calls": entry.counts["handled"], "messages": entry.counts["messages"]}


def _channels(registry: Registry) -> Iterator[dict[str, Any]]:
    counted = registry.totals("session")
    open_now = [entry.parent for entry in registry.entries("session")]
    for entry in registry.entries("channel"):
        if entry.name == ADMIN_CHANNEL:  # which serves those who look
            continue
        listener = registry.find(actor_name("listener", entry.name))
        calls = counted.get(entry.key, Counter())["handled"]
        yield {**_how(listener or entry), "name": entry.name, "sessions": open_now.count(entry.key), "calls": calls}


def _topics(registry: Registry) -> Iterator[dict[str, Any]]:
    counted = registry.totals("subscription")
    for entry in registry.entries("topic"):
        delivered = counted.get(entry.key, Counter())["messages_delivered"]
        waiting = entry.detail.get("waiting") or 0
        yield {**_how(entry), "published": entry.counts["published"], "delivered": delivered, "waiting": waiting}
