"""`isthmus completion`: what has a shell complete commands, options and names."""

from __future__ import annotations

from typing import Literal

from runtime.cli.app import make_app

__all__ = ["completion"]

_ZSH_END = """
if [ "$funcstack[1]" = "_isthmus" ]; then
  _cyclopts_isthmus "$@"
else
  compdef _cyclopts_isthmus isthmus
fi
"""
"""What has the function be used, whether the file is found by its name, `_isthmus`, or is sourced."""


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print the script by which a shell completes commands, options, and names of clusters, topics and services.

    Args:
        shell: The shell.
    """
    script = make_app().generate_completion(shell=shell)
    print(script + _ZSH_END if shell == "zsh" else script)  # noqa: T201
