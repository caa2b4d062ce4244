"""`isthmus schema`."""

from __future__ import annotations

import json

from runtime.config.json_schema import json_schema

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema of clusters.toml, with which editors complete keys and underline mistakes.

    Example: isthmus schema > clusters.schema.json
    """
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))  # noqa: T201
