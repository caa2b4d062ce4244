"""Frames in parts: what is too large to hold up the messages behind it goes between them, piece by piece.

A frame that holds one large message is cut into parts, each in a frame of its own. The parts of several such frames
take turns, and whole frames go between them. The other end puts them together again, within bounds: at most
`MAX_IN_PARTS` frames at a time, each of at most the size that any frame may have. A frame whose parts have not all
been sent can be taken back: `Drop` tells the other end to forget what it has of it.

Both ends say with the feature `parts` that they take them, in `hello` and in `welcome`.

    part      number, position 0, data, size     begins a frame of `size` bytes
    part      number, position, data             goes on with it, at the position reached
    drop      number                             ends it; there will be no more of it

This module owns what both sides share; `splitting` cuts and `assembly` joins.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["MAX_IN_PARTS", "PARTS", "PART_SIZE", "PART_TIMEOUT", "SPLIT_ABOVE", "Drop", "Part"]

PARTS = "parts"
"""The feature of peers that put parts together."""

PART_SIZE = 32 * 1024
"""Bytes of a frame in each of its parts but the last: the most that a small message waits for beside what the stream
holds. Smaller ones cost more for each byte: 16 KiB twice as much as 64 KiB, 32 KiB a quarter more."""

SPLIT_ABOVE = 64 * 1024
"""A message of more bytes is sent in parts."""

MAX_IN_PARTS = 4
"""How many frames may be under way in parts at a time."""

PART_TIMEOUT = 60.0
"""Seconds in which the next part of a frame must come."""

Natural = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]


class Part(msgspec.Struct, frozen=True, array_like=True, tag="part"):
    """A piece of a frame: where it belongs, and with the first piece how many bytes the frame has."""

    number: Natural
    position: Natural
    data: bytes
    size: Natural = 0


class Drop(msgspec.Struct, frozen=True, array_like=True, tag="drop"):
    """The rest of a frame in parts will never come."""

    number: Natural
