"""`isthmus completion`: what has a shell complete commands, options and names."""

from __future__ import annotations

from typing import Literal

from runtime.cli.app import make_app

__all__ = ["completion"]


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print the script by which a shell completes commands, options, and names of clusters, topics and services.

    Args:
        shell: The shell.
    """
    print(make_app().generate_completion(shell=shell))  # noqa: T201
