"""How a wrong value is shown in an error: never where it may be a secret, and never at length."""

from __future__ import annotations

import re
from typing import Any

from actors.secret import HIDDEN, Secret, masked_address

__all__ = ["may_be_secret", "shown"]

_MAX_TEXT = 60
_SECRET_SECTIONS = ("security", "config")
_SECRET_NAMES = re.compile(r"pass|secret|token|key|auth|headers|extra_properties", re.IGNORECASE)
_NEVER_SECRET = ("username", "token_ttl", "new_token_wait_time", "allowed_origins")
_WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "a table",
    list: "an array",
}


def shown(value: Any, where: tuple[str | int, ...]) -> str:
    """Return a value as an error may repeat it.

    Args:
        value: What stands in the file.
        where: Its path in the file, which tells whether it may be a secret that was written in the open.
    """
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, dict | list) or may_be_secret(where):
        return _WORDS.get(type(value), "a date or time")
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    text = masked_address(value) if "://" in value else value
    return repr(text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…")


def may_be_secret(where: tuple[str | int, ...]) -> bool:
    """Tell whether a path leads into a section of secrets, or is called like one."""
    names = [one for one in where[2:] if isinstance(one, str)]  # below clusters.NAME
    if not names or names[-1] in _NEVER_SECRET:
        return False
    return names[0] in _SECRET_SECTIONS or any(_SECRET_NAMES.search(one) for one in names)
