"""Groups 9 and 10: large messages, many fragments, small writes, many messages."""

from __future__ import annotations

from collections.abc import Iterator

from tests.interop.rfc6455.cases import AT_ONCE, Case, fragments
from tests.interop.rfc6455.client import BINARY, TEXT, Frame

KIB, MIB = 1024, 1024 * 1024
SIZES = (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB)
FRAGMENTS = (64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB)
CHOPS = (64, 128, 256, 512, KIB, 2 * KIB)
ROUND_TRIPS = (0, 16, 64, 256, KIB, 4 * KIB)


def limits(scale: int) -> Iterator[Case]:
    """Group 9; sizes and numbers are divided by `scale`."""
    kinds = ((TEXT, b"*"), (BINARY, b"\xfe"))
    for kind, (opcode, byte) in enumerate(kinds):
        for number, size in enumerate(SIZES, start=1):
            payload = byte * (size // scale)
            yield Case(f"9.{1 + kind}.{number}", (Frame(opcode, payload),), ((opcode, payload),))
        whole = byte * (4 * MIB // scale)
        for number, size in enumerate(FRAGMENTS, start=1):
            yield _in_fragments(f"9.{3 + kind}.{number}", opcode, whole, size)
        for number, chop in enumerate(CHOPS, start=1):
            payload = byte * (MIB // scale)
            yield Case(f"9.{5 + kind}.{number}", (Frame(opcode, payload),), ((opcode, payload),), chop=chop)
        for number, size in enumerate(ROUND_TRIPS, start=1):
            times = 1000 // scale
            steps, answers = (Frame(opcode, byte * size),) * times, ((opcode, byte * size),) * times
            yield Case(f"9.{7 + kind}.{number}", steps, answers, in_turn=True)


def automatic_fragments() -> Iterator[Case]:
    """Group 10."""
    yield _in_fragments("10.1.1", TEXT, b"*" * 65536, 1300)


def _in_fragments(number: str, opcode: int, whole: bytes, size: int) -> Case:
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    return Case(number, fragments(parts, opcode), ((opcode, whole),), chop=AT_ONCE)
