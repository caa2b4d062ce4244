"""Arguments that many commands have, and what completes them at the shell's prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from runtime.cli import names

__all__ = [
    "DEFAULT_CONFIG",
    "All",
    "Channel",
    "Client",
    "Cluster",
    "Connection",
    "Flag",
    "Json",
    "Service",
    "SubKey",
    "Topic",
    "Yes",
]

DEFAULT_CONFIG = Path("clusters.toml")

Flag: TypeAlias = Annotated[bool, Parameter(negative="", show_default=False)]
All: TypeAlias = Annotated[bool, Parameter(name="--all", negative="", show_default=False)]
Json: TypeAlias = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
Yes: TypeAlias = Annotated[bool, Parameter(name=("--yes", "-y"), negative="", show_default=False)]

Cluster: TypeAlias = Annotated[str, Parameter(completer=names.clusters)]
Channel: TypeAlias = Annotated[str, Parameter(completer=names.channels)]
Client: TypeAlias = Annotated[str, Parameter(completer=names.sessions)]
Connection: TypeAlias = Annotated[str, Parameter(completer=names.connections)]
Service: TypeAlias = Annotated[str, Parameter(completer=names.services)]
SubKey: TypeAlias = Annotated[str, Parameter(completer=names.sub_keys)]
Topic: TypeAlias = Annotated[str, Parameter(completer=names.topics)]
