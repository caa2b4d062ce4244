"""Who may come in: credentials, passwords, tokens, and how often somebody may try."""

from __future__ import annotations

from runtime.security.gate import SecurityGate

__all__ = ["SecurityGate"]
