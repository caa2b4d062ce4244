"""Turns the objects of an export into the tables of one cluster.

What has no place in clusters.toml, or would be wrong there, is left out and said; nothing is left out silently but what
says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from runtime.config.enmasse.links import channel_table, outgoing_table
from runtime.config.enmasse.reasons import KEYS, reason_for_section
from runtime.config.enmasse.report import Item, Report
from runtime.config.enmasse.security import Definition, definition_of
from runtime.config.enmasse.topics import endpoint_table, subscription_table, topic_table

__all__ = ["Converted", "convert"]

Table = dict[str, Any]

_SECURITY = ("security", "def_sec")
_OUTGOING = ("outgoing_wsx", "zato_generic_connection")
_PARTS = ("security", "channels", "outgoing", "topics", "endpoints", "subscriptions")


@frozen
class Converted:
    """The tables of a cluster, by part and by name, and what is to be said of them."""

    tables: dict[str, dict[str, Table]]
    report: Report = field(factory=Report)


def convert(sections: dict[str, list[Table]], *, is_local: bool = False) -> Converted:
    """Return what an export is as a cluster.

    Args:
        sections: The objects of each section.
        is_local: Whether passwords are to be made at first use (`local:`), in place of environment variables.
    """
    found = Converted({part: {} for part in _PARTS})
    definitions: dict[str, Definition] = {}

    def items(*names: str) -> list[Item]:
        return [Item(name, data, found.report) for name in names for data in sections.get(name, [])]

    def keep(item: Item, part: str, table: Table | None) -> None:
        if table is None:
            return
        if not item.name:
            item.leave("", "it has no name")
        elif item.name in found.tables[part]:
            item.leave("", "another one of that name comes before it")
        else:
            found.tables[part][item.name] = table
            item.leave_rest(KEYS)

    def each(part: str, make: Callable[[Item], Table | None], *names: str) -> None:
        for item in items(*names):
            keep(item, part, make(item))

    for item in items(*_SECURITY):
        definition = definition_of(item, found.report, is_local=is_local)
        if definition is None:
            continue
        definitions.setdefault(item.name, definition)
        if not definition.is_active:
            item.leave("is_active", "definitions are always active; the channels that ask for this one are inactive")
        keep(item, "security", definition.table)
    each("channels", lambda item: channel_table(item, definitions), "web_socket")
    each("outgoing", lambda item: outgoing_table(item, definitions), *_OUTGOING)
    each("topics", topic_table, "pubsub_topic")
    each("endpoints", lambda item: endpoint_table(item, found.tables["channels"]), "pubsub_endpoint")
    endpoints = found.tables["endpoints"]
    each("subscriptions", lambda item: subscription_table(item, endpoints), "pubsub_subscription")
    known = {*_SECURITY, "web_socket", *_OUTGOING, "pubsub_topic", "pubsub_endpoint", "pubsub_subscription"}
    for item in items(*(name for name in sections if name not in known)):
        item.leave("", reason_for_section(item.section))
    return found
