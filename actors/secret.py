"""Values that must never be printed."""

from __future__ import annotations

import hmac
from collections.abc import Callable

__all__ = ["HIDDEN", "Secret", "masked_address"]

HIDDEN = "***"
"""What stands in the place of a secret wherever it would be shown."""


def masked_address(text: str) -> str:
    """Return an address as it may be printed: the values of its query string, and credentials before the host, hidden.

    Which parameters are secret cannot be known from their names, so all values are hidden.
    """
    place, mark, query = text.partition("?")
    scheme, slashes, rest = place.partition("://")
    host, slash, path = rest.partition("/")
    credentials, at, host = host.rpartition("@")
    hidden = HIDDEN if credentials else ""
    parameters = "&".join(_masked_parameter(one) for one in query.split("&")) if query else ""
    return f"{scheme}{slashes}{hidden}{at}{host}{slash}{path}{mark}{parameters}"


def _masked_parameter(text: str) -> str:
    key, equals, _value = text.partition("=")
    return f"{key}={HIDDEN}" if equals else HIDDEN


class Secret:
    """A secret that shows as `***` everywhere; `reveal` gives the value, `matches` compares in constant time.

    It is read anew at each use, so that a rotated file is taken up without a restart.

    Args:
        read: Gives the value; raises `OSError` or `LookupError` where there is none.
        source: Where it comes from, safe to print, such as `$EMEA_PASSWORD` or `local:emea-apac`.
    """

    __slots__ = ("_read", "source")

    def __init__(self, read: Callable[[], str], source: str) -> None:
        self._read = read
        self.source = source

    @classmethod
    def of(cls, value: str) -> Secret:
        """Wrap a value that is at hand."""
        return cls(lambda: value, "a value in memory")

    def reveal(self) -> str:
        """Return the value."""
        return self._read()

    def matches(self, candidate: str) -> bool:
        """Tell in constant time whether `candidate` is the value."""
        return hmac.compare_digest(self.reveal().encode(), candidate.encode())

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> str:
        msg = "a secret cannot be serialised"
        raise TypeError(msg)
