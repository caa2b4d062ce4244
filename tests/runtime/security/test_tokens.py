"""JSON Web Tokens."""

from __future__ import annotations

import datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from actors.settings import Algorithm, SecurityKind, SecuritySettings
from runtime.security.tokens import claims_of, key_problem

NOW = datetime.datetime(2026, 1, 1)
AT = NOW.replace(tzinfo=datetime.UTC).timestamp()
SECRET = "s" * 64
PRIVATE = rsa.generate_private_key(65537, 2048)
PUBLIC_PEM = (
    PRIVATE.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


def definition(**options: Any) -> SecuritySettings:
    return SecuritySettings(type=SecurityKind.JWT, **options)


def token(*, key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"sub": "apac", "exp": AT + 60, **claims}, key, algorithm=algorithm)


def test_a_token_that_is_right_says_who_it_is() -> None:
    """HS256 and RS256, with the second of two keys, too."""
    assert claims_of(token(), ["x" * 64, SECRET], definition(), NOW)["sub"] == "apac"  # type: ignore[index]
    signed = token(key=PRIVATE, algorithm="RS256")
    assert claims_of(signed, [PUBLIC_PEM], definition(algorithm=Algorithm.RS256), NOW)["sub"] == "apac"  # type: ignore[index]


@pytest.mark.parametrize(
    ("shown", "options", "problem"),
    [
        (token(key="x" * 64), {}, "InvalidSignatureError"),
        (token(exp=AT - 11), {}, "has expired"),
        (token(nbf=AT + 11), {}, "not valid yet"),
        (jwt.encode({"sub": "apac"}, SECRET, algorithm="HS256"), {}, "MissingRequiredClaimError"),
        (token(iss="them"), {"issuer": "us"}, "InvalidIssuerError"),
        (token(aud="them"), {}, "InvalidAudienceError"),
        (token(aud="them"), {"audience": "us"}, "InvalidAudienceError"),
        (token(exp="soon"), {}, "must be numbers"),
        (token(algorithm="HS512"), {}, "InvalidAlgorithmError"),
        (jwt.encode({"sub": "apac", "exp": AT + 60}, None, algorithm="none"), {}, "InvalidAlgorithmError"),
        (token(key=PRIVATE, algorithm="RS256"), {}, "InvalidAlgorithmError"),
        ("not.a.token", {}, "DecodeError"),
        ("x" * 9000, {}, "longer than"),
    ],
)
def test_a_token_that_is_not_right_is_refused(shown: str, options: dict[str, Any], problem: str) -> None:
    """Whatever is wrong with a token, and whatever it says of how it is signed."""
    found = claims_of(shown, [SECRET], definition(**options), NOW)
    assert isinstance(found, str)
    assert problem in found


def test_a_public_key_is_no_secret() -> None:
    """A token signed with the public key as though it were a secret is refused."""
    forged = token(key=SECRET)
    found = claims_of(forged, [PUBLIC_PEM], definition(algorithm=Algorithm.RS256), NOW)
    assert "InvalidAlgorithmError" in found


def test_clocks_may_differ_a_little() -> None:
    """Within the leeway a token that has just ended is right."""
    assert not isinstance(claims_of(token(exp=AT - 9), [SECRET], definition(), NOW), str)


def test_keys_that_cannot_serve_are_named() -> None:
    """Too short a secret, and what is no public key."""
    assert "32 bytes" in (key_problem("short", Algorithm.HS256) or "")
    assert "PEM" in (key_problem("nonsense", Algorithm.RS256) or "")
    assert key_problem(PUBLIC_PEM, Algorithm.RS256) is None
