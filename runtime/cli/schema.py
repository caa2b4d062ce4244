"""`isthmus schema`."""

from __future__ import annotations

from runtime.cli.options import Json
from runtime.cli.tables import print_json
from runtime.config.json_schema import json_schema

__all__ = ["schema"]


def schema(*, json_: Json = False) -> None:
    """Print the JSON Schema of clusters.toml, with which editors complete keys and underline mistakes.

    Args:
        json_: Print JSON, as it does anyhow.
    """
    print_json(json_schema())
