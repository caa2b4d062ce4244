"""Checks of secrets: that there is one, wherever the file says that there is."""

from __future__ import annotations

from typing import Any

from actors.secret import Secret
from runtime.config.problems import KeyPath, Problems

__all__ = ["check_secret", "check_secrets_within"]


def check_secrets_within(value: Any, where: KeyPath, problems: Problems) -> None:
    """Check the secrets that are anywhere in a value."""
    if isinstance(value, Secret):
        check_secret(value, where, problems)
    elif isinstance(value, dict):
        for key, one in value.items():
            check_secrets_within(one, (*where, key), problems)
    elif isinstance(value, list | tuple):
        for one in value:
            check_secrets_within(one, where, problems)


def check_secret(secret: Secret | None, where: KeyPath, problems: Problems) -> None:
    """Check that there is a secret, and that it is not empty: an empty one would let anybody in."""
    if secret is None:
        return
    try:
        is_empty = not secret.reveal()
    except (OSError, LookupError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or (error.args[0] if error.args else error)
        problems.add(where, f"the secret {secret.source!r} cannot be read: {reason}")
    else:
        if is_empty:
            problems.add(where, f"the secret {secret.source!r} is empty")
