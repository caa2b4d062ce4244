"""Passwords, in the open and hashed."""

from __future__ import annotations

import pytest

from runtime.security import passwords
from runtime.security.passwords import VERIFIED_FOR, PasswordChecker, hash_of, hash_problem, is_hash, same
from runtime.testing import InlineThreads, SeededEntropy

RIGHT, OTHER = hash_of("right"), hash_of("other")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that were verified."""
    found: list[str] = []
    real = passwords._verifies

    def verifies(kept: str, candidate: str) -> bool:
        found.append(kept)
        return real(kept, candidate)

    monkeypatch.setattr(passwords, "_verifies", verifies)
    return found


def checker() -> PasswordChecker:
    return PasswordChecker(InlineThreads(SeededEntropy(0)))


async def test_as_many_hashes_are_verified_whoever_is_named(verified: list[str], autojump_clock: object) -> None:
    """An unknown user, one without a hash and one with a wrong password cost the same work."""
    for kept in ([], ["plain"], [RIGHT], [RIGHT, OTHER]):
        verified.clear()
        assert not await checker().matches("wrong", kept, [RIGHT, OTHER])
        assert len(verified) == 2


async def test_a_decoy_lets_nobody_in(autojump_clock: object) -> None:
    """The right password of somebody else is wrong."""
    assert not await checker().matches("right", [], [RIGHT])
    assert not await checker().matches("right", [OTHER], [OTHER, RIGHT])


async def test_a_verified_password_is_known_for_a_minute(verified: list[str], mock_clock: object) -> None:
    """A storm of reconnects verifies once; after a minute, or with another hash, it is verified anew."""
    mock_clock.rate = 0  # type: ignore[attr-defined]
    mock_clock.autojump_threshold = 0  # type: ignore[attr-defined]
    one = checker()
    for _ in range(5):
        assert await one.matches("right", [RIGHT], [RIGHT])
    assert verified == [RIGHT]
    assert not await one.matches("right", [OTHER], [OTHER])
    mock_clock.jump(VERIFIED_FOR)  # type: ignore[attr-defined]
    assert await one.matches("right", [RIGHT], [RIGHT])
    assert verified == [RIGHT, OTHER, RIGHT]


async def test_either_of_two_passwords_is_right(autojump_clock: object) -> None:
    """While a password is changed the old one and the new one let in, hashed or not."""
    for candidate in ("right", "plain"):
        assert await checker().matches(candidate, ["plain", RIGHT], [RIGHT])
    assert not await checker().matches(RIGHT, ["plain", RIGHT], [RIGHT])


def test_comparison_takes_any_text() -> None:
    """Halves of characters, which JSON can say, are compared as other text is."""
    assert same("\ud800", "\ud800")
    assert not same("\ud800", "\udfff")


def test_what_is_no_hash_is_named() -> None:
    """Something that begins like a hash and is none is a mistake that can be seen."""
    assert is_hash(RIGHT)
    assert hash_problem(RIGHT) is None
    assert "hash-password" in (hash_problem("$argon2id$cut") or "")
