"""JSON Web Tokens (RFC 7519): signed by somebody else, checked here. Pure: the time is an argument.

The library, which has all of `cryptography` with it, is loaded by the check of a configuration with such a definition:
it is a good part of what the start of a command costs, and most clusters have no use for it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from actors.settings import Algorithm, SecuritySettings

__all__ = ["claims_of", "key_problem"]

MIN_SECRET = 32
"""Bytes of a secret for HS256; see RFC 7518, section 3.2."""
MAX_TOKEN = 8192


def claims_of(
    token: str, keys: Sequence[str], definition: SecuritySettings, now: datetime.datetime
) -> Mapping[str, Any] | str:
    """Return what a token says, or why it is not to be believed.

    The algorithm is the definition's, whatever the token's header says, and a token must have an end.

    Args:
        token: What a peer shows.
        keys: Those that it may be signed with.
        definition: Algorithm, issuer, audience, leeway.
        now: The time, naive, in UTC.
    """
    import jwt

    if len(token) > MAX_TOKEN:
        return f"the token is longer than {MAX_TOKEN} characters"
    problem = "there is no key"
    for key in keys:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[definition.algorithm.value],
                issuer=definition.issuer,
                audience=definition.audience,
                options={
                    "require": ["exp"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "enforce_minimum_key_length": True,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            problem = f"the token is not right: {type(error).__name__}"
        else:
            return _in_time(claims, definition.leeway, now.replace(tzinfo=datetime.UTC).timestamp())
    return problem


def _in_time(claims: Mapping[str, Any], leeway: float, now: float) -> Mapping[str, Any] | str:
    ends, begins = claims.get("exp"), claims.get("nbf", now)
    if not isinstance(ends, int | float) or not isinstance(begins, int | float):
        return "the token's exp and nbf must be numbers"
    if now >= ends + leeway:
        return "the token has expired"
    if now < begins - leeway:
        return "the token is not valid yet"
    return claims


def key_problem(key: str, algorithm: Algorithm) -> str | None:
    """Return why a key does not serve an algorithm, or None."""
    import jwt

    if algorithm is Algorithm.HS256:
        size = len(key.encode())
        return None if size >= MIN_SECRET else f"HS256 needs a secret of {MIN_SECRET} bytes or more, this has {size}"
    try:
        jwt.get_algorithm_by_name(algorithm.value).prepare_key(key)
    except (jwt.PyJWTError, ValueError, TypeError):
        return "RS256 needs an RSA public key in PEM"
    return None
