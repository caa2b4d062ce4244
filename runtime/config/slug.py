"""Names made into others that have no other characters than letters and digits, and one between them."""

from __future__ import annotations

import re

__all__ = ["slug"]


def slug(text: str, between: str) -> str:
    """Return a name made of letters, digits and one more character."""
    return re.sub(r"[^A-Za-z0-9]+", between, text).strip(between) or "secret"
