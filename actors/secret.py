"""Values that must never be printed."""

from __future__ import annotations

import hmac
from collections.abc import Callable

__all__ = ["Secret"]


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
        return "***"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> str:
        msg = "a secret cannot be serialised"
        raise TypeError(msg)
