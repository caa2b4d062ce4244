"""Writes the tables of a cluster as the text of a clusters.toml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tomlkit

from runtime.config.enmasse.conversion import Converted
from runtime.config.problems import key_text, path_text

__all__ = ["text_of"]


def text_of(converted: Converted, cluster: str, source: str) -> str:
    """Return a clusters.toml.

    Args:
        converted: What was read.
        cluster: The name of the cluster.
        source: Where it comes from, for the comment at its head.
    """
    parts = [f"# From {source}, an enmasse export of Zato.\n", f"[{path_text(('clusters', cluster))}]"]
    parts.append("services = []  # the files of your services\n")
    for part, tables in converted.tables.items():
        for name, table in tables.items():
            parts.append(f"[{path_text(('clusters', cluster, part, name))}]")
            parts += _assignments(table)
            parts[-1] += "\n"
    return "\n".join(parts)


def _assignments(table: dict[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        item = tomlkit.inline_table() if isinstance(value, dict) else tomlkit.item(value)
        if isinstance(value, dict):
            item.update(value)
        yield f"{key_text(key)} = {item.as_string()}"
