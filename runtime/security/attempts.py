"""How often log-ins may fail. Pure: the time is an argument.

Failures are counted by address, and by user over all addresses, so that neither many users tried from one place nor
one user tried from many gets far. Whoever has logged in before has a count of its own, by address and user: nobody can
lock a known client out by failing in its name.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

__all__ = ["Attempts"]

MAX_ENTRIES = 10_000
"""How many are remembered in each table; beyond that the ones not seen for longest are forgotten."""


class Attempts:
    """Failed log-ins of the last while.

    Args:
        limit: How many may fail within the period.
        period: Seconds in which all are forgotten, one after the other.
    """

    def __init__(self, limit: int, period: float) -> None:
        self._limit = limit
        self._rate = limit / period
        self._counts: OrderedDict[bytes, tuple[float, float]] = OrderedDict()
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        """Return how many counts there are."""
        return len(self._counts)

    def begin(self, host: str, user: str, now: float) -> bool:
        """Count an attempt as failed until it has succeeded; tell whether it may be made at all."""
        keys = self._keys(host, user)
        levels = [self._level(key, now) for key in keys]
        if any(level + 1.0 > self._limit for level in levels):
            return False
        for key, level in zip(keys, levels, strict=True):
            self._set(key, level + 1.0, now)
        return True

    def succeeded(self, host: str, user: str, now: float) -> None:
        """Take back what `begin` counted, and know this user at this address from now on."""
        for key in self._keys(host, user):
            self._set(key, max(0.0, self._level(key, now) - 1.0), now)
        self._known[_key("known", host, user)] = None
        self._known.move_to_end(_key("known", host, user))
        if len(self._known) > MAX_ENTRIES:
            self._known.popitem(last=False)

    def _keys(self, host: str, user: str) -> list[bytes]:
        known = _key("known", host, user)
        if known in self._known:
            return [known]
        by_user = [_key("user", user)] if user else []  # tokens name nobody: one sender would lock all out
        return [_key("host", host), *by_user]

    def _level(self, key: bytes, now: float) -> float:
        level, at = self._counts.get(key, (0.0, now))
        return max(0.0, level - (now - at) * self._rate)

    def _set(self, key: bytes, level: float, now: float) -> None:
        if not level:
            self._counts.pop(key, None)
            return
        self._counts[key] = (level, now)
        self._counts.move_to_end(key)
        if len(self._counts) > MAX_ENTRIES:
            self._counts.popitem(last=False)


def _key(*parts: str) -> bytes:
    """Return a key of one size, however long a name somebody makes up."""
    text = "\0".join(parts).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
