"""What is done to a store by heart, on the event loop, so that its thread has nothing but statements to execute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from attrs import frozen

__all__ = ["Prepared", "Statement"]

T = TypeVar("T")

Statement = tuple[str, Sequence[object]]
"""SQL, and its values."""


@frozen
class Prepared(Generic[T]):
    """An operation that has been done as far as it concerns what is known by heart.

    Args:
        statements: What the database is still to be told; without any, nothing is waited for.
        then: Called on the event loop once that is committed; gives the result.
        may_be_lost: Whether a power cut may undo it, as long as it undoes what was committed later, too.
    """

    statements: Sequence[Statement]
    then: Callable[[], T]
    may_be_lost: bool = False
