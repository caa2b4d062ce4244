"""Checks credentials."""

from __future__ import annotations

import hmac

from actors.settings import SecuritySettings

__all__ = ["BasicGate"]


class BasicGate:
    """A user name and a password; implements `actors.channels.channel.Gate`.

    Args:
        definition: The security definition to check against.
    """

    def __init__(self, definition: SecuritySettings) -> None:
        self._definition = definition

    async def admits(self, username: str | None, secret: str | None) -> bool:
        """Tell whether both are right; the work is the same whatever is wrong."""
        is_user = hmac.compare_digest(self._definition.username.encode(), (username or "").encode())
        is_password = self._definition.password.matches(secret or "")
        return is_user & is_password & (secret is not None)
