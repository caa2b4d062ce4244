"""How data is shown where people read it: as JSON, cut to a size, without what its name says is a secret."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["redacted", "shown"]

_SECRETS = frozenset(
    (
        "api_key",
        "apikey",
        "auth_data",
        "auth_token",
        "authorization",
        "passwd",
        "password",
        "password1",
        "password2",
        "secret",
        "secret_key",
        "token",
    )
)
"""Names, in lower case and with underscores, of what is never shown."""

_HIDDEN = "***"


def redacted(data: Any) -> Any:
    """Return the data with `***` in place of each value whose name says that it is a secret.

    Raises:
        RecursionError: When it is nested too deep.
    """
    if isinstance(data, dict):
        return {key: _HIDDEN if _is_secret(key) else redacted(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [redacted(one) for one in data]
    return data


def _is_secret(key: object) -> bool:
    return isinstance(key, str) and key.lower().replace("-", "_") in _SECRETS


def shown(data: Any, max_bytes: int) -> tuple[str, int]:
    """Return the data as JSON of at most so many bytes, and how many bytes all of it has."""
    try:
        encoded = msgspec.json.encode(redacted(data))
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        encoded = f"cannot be shown: {error}".encode()
    return encoded[:max_bytes].decode(errors="ignore"), len(encoded)
