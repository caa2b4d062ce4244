"""How data is shown where people read it: as JSON, cut to a size, without what its name says is a secret."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

__all__ = ["HIDDEN", "is_secret", "redacted", "shown"]

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
        "tls_pem_passphrase",
        "token",
        "xapikey",
    )
)
"""Names, in lower case and with underscores, of what is never shown."""

HIDDEN = "***"
"""What stands in the place of a secret wherever it would be shown."""


def redacted(data: Any, also: Collection[str] = ()) -> Any:
    """Return the data with `***` in place of each value whose name says that it is a secret, or is among `also`.

    Raises:
        RecursionError: When it is nested too deep.
    """
    if isinstance(data, dict):
        return {key: HIDDEN if is_secret(key) or key in also else redacted(value, also) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [redacted(one, also) for one in data]
    return data


def is_secret(name: object) -> bool:
    """Tell whether a name says that what it names is a secret."""
    return isinstance(name, str) and name.lower().replace("-", "_") in _SECRETS


def shown(data: Any, max_bytes: int) -> tuple[str, int]:
    """Return the data as JSON of at most so many bytes, and how many bytes all of it has."""
    try:
        encoded = msgspec.json.encode(redacted(data))
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        encoded = f"cannot be shown: {error}".encode()
    return encoded[:max_bytes].decode(errors="ignore"), len(encoded)
