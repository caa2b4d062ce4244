"""Units that settings are written in."""

from __future__ import annotations

__all__ = ["MIB"]

MIB = 1024 * 1024
"""Bytes."""
