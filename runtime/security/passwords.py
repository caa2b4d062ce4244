"""Compares what peers show with what is kept, in constant time; a password may be kept as an argon2 hash (RFC 9106)."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence

import trio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from actors.ports import Threads

__all__ = ["PasswordChecker", "hash_of", "hash_problem", "is_hash", "same"]

VERIFIED_FOR = 60.0
"""Seconds for which a password that was right is known by its digest, so that a storm of reconnects costs little."""
MAX_VERIFIED = 10_000
_AT_ONCE = 2
"""Threads that verify; each takes 64 MiB by argon2's own defaults."""
_PREFIX = "$argon2"
_KEY = secrets.token_bytes(32)
_hasher = PasswordHasher()


def is_hash(kept: str) -> bool:
    """Tell whether a kept password is an argon2 hash."""
    return kept.startswith(_PREFIX)


def hash_of(password: str) -> str:
    """Return an argon2id hash with a salt of its own; it takes a while."""
    return _hasher.hash(password)


def hash_problem(kept: str) -> str | None:
    """Return what is wrong with something that begins as a hash does, or None."""
    try:
        _hasher.check_needs_rehash(kept)
    except (InvalidHashError, ValueError):
        return "it begins as an argon2 hash does, and is none; make one with isthmus hash-password"
    return None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # JSON can say halves of characters


def same(one: str, other: str) -> bool:
    """Compare in a time that depends on neither, their lengths included."""
    return hmac.compare_digest(_digest(_bytes(one)), _digest(_bytes(other)))


def _digest(data: bytes) -> bytes:
    return hmac.digest(_KEY, data, "sha256")


class PasswordChecker:
    """Checks passwords, those with hashes in threads of its own.

    Args:
        threads: Runs blocking code.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._limiter = trio.CapacityLimiter(_AT_ONCE)
        self._verified: OrderedDict[bytes, float] = OrderedDict()

    async def matches(self, candidate: str, kept: Sequence[str], decoys: Sequence[str]) -> bool:
        """Tell whether a password is one of those kept; unless it is known to be, that takes as long as can be.

        Args:
            candidate: What a peer says.
            kept: What is right, in the open or hashed.
            decoys: Hashes to verify whatever `kept` has fewer of, so that time does not tell what there is.
        """
        plain = [same(candidate, one) for one in kept if not is_hash(one)]
        hashes = [one for one in kept if is_hash(one)]
        found = any(plain)
        if hashes and self._is_verified(candidate, hashes):
            return True
        to_verify = [*hashes, *decoys[len(hashes) :]]
        if to_verify:
            async with self._limiter:
                results = await self._threads.run_sync(lambda: [_verifies(one, candidate) for one in to_verify])
            for one, is_right in zip(hashes, results, strict=False):
                if is_right:
                    self._remember(candidate, one)
                    found = True
        return found

    def _is_verified(self, candidate: str, hashes: Sequence[str]) -> bool:
        now = trio.current_time()
        return any(self._verified.get(_verified_key(candidate, one), 0.0) > now for one in hashes)

    def _remember(self, candidate: str, kept: str) -> None:
        key = _verified_key(candidate, kept)
        self._verified[key] = trio.current_time() + VERIFIED_FOR
        self._verified.move_to_end(key)
        if len(self._verified) > MAX_VERIFIED:
            self._verified.popitem(last=False)


def _verified_key(candidate: str, kept: str) -> bytes:
    return _digest(kept.encode() + b"\0" + _bytes(candidate))


def _verifies(kept: str, candidate: str) -> bool:
    try:
        return _hasher.verify(kept, _bytes(candidate))
    except (VerificationError, InvalidHashError):
        return False
