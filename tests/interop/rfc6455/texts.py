"""Group 6: what is UTF-8 and what is not, after Markus Kuhn's stress test of decoders."""

from __future__ import annotations

from collections.abc import Iterator

from tests.interop.rfc6455.cases import BY_FRAME, INVALID_DATA, Case, Pause, fragments
from tests.interop.rfc6455.client import TEXT, Frame

GREETING = "Hello-µ@ßöäüàá-UTF-8!!".encode()
KOSME = bytes.fromhex("cebae1bdb9cf83cebcceb5")
EDITED = b"edited"

_PLANES = [plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF)]
_SURROGATES = ("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf")
_CUT_OFF = ("c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf")

VALID: dict[int, list[bytes]] = {
    5: [b"hello$world", "hello¢world".encode(), "hello€world".encode(), "hello𤭢world".encode(), KOSME],
    7: [chr(one).encode() for one in (0x0, 0x80, 0x800, 0x10000)],
    9: [chr(one).encode() for one in (0x7F, 0x7FF, 0xFFFF, 0x10FFFF)],
    22: [chr(one).encode() for one in _PLANES],
    23: [chr(one).encode() for one in range(0xFFF9, 0x10000)],
}
"""Subgroups in which each text is valid: of each length, first and last of each length, and no characters that are."""

INVALID: dict[int, list[bytes]] = {
    8: [bytes.fromhex(one) for one in ("f888808080", "fc8480808080")],
    10: [bytes.fromhex(one) for one in ("f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf")],
    12: [b"\x80", b"\xbf", *((b"\x80\xbf" * 4)[:size] for size in range(2, 7)), bytes(range(0x80, 0xC0))],
    13: [
        b"".join(bytes([byte, 0x20]) for byte in range(first, last))
        for first, last in ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))
    ],
    14: [bytes.fromhex(one) for one in _CUT_OFF],
    15: [bytes.fromhex("".join(_CUT_OFF))],
    16: [bytes.fromhex(one) for one in ("fe", "ff", "fefeffff")],
    17: [bytes.fromhex(one) for one in ("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af")],
    18: [bytes.fromhex(one) for one in ("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf")],
    19: [bytes.fromhex(one) for one in ("c080", "e08080", "f0808080", "f880808080", "fc8080808080")],
    20: [bytes.fromhex(one) for one in _SURROGATES],
    21: [bytes.fromhex(high + low) for high in _SURROGATES[:4] for low in ("edb080", "edbfbf")],
}
"""Subgroups in which none is: too long, cut off, overlong, alone, surrogates."""


def texts() -> Iterator[Case]:
    """All of the group, in its order."""
    yield from _whole_and_in_fragments()
    yield from _failing_fast()
    ends = {2, 5, 7, 9, 11}  # after so many bytes of it a character is complete
    for size in range(1, len(KOSME) + 1):
        yield _case(f"6.6.{size}", KOSME[:size], is_valid=size in ends)
    boundary = [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"]
    for number, payload in enumerate(boundary, start=1):
        yield _case(f"6.11.{number}", payload, is_valid=number < len(boundary))
    for groups, is_valid in ((VALID, True), (INVALID, False)):
        for group, payloads in groups.items():
            for number, payload in enumerate(payloads, start=1):
                yield _case(f"6.{group}.{number}", payload, is_valid=is_valid)


def _case(number: str, payload: bytes, *, is_valid: bool) -> Case:
    if is_valid:
        return Case(number, (Frame(TEXT, payload),), ((TEXT, payload),))
    return Case(number, (Frame(TEXT, payload),), fails=INVALID_DATA)


def _octets(payload: bytes) -> tuple[Frame, ...]:
    return fragments([payload[at : at + 1] for at in range(len(payload))])


def _whole_and_in_fragments() -> Iterator[Case]:
    yield Case("6.1.1", (Frame(TEXT),), ((TEXT, b""),))
    yield Case("6.1.2", fragments([b"", b"", b""]), ((TEXT, b""),))
    yield Case("6.1.3", fragments([b"", b"middle frame payload", b""]), ((TEXT, b"middle frame payload"),))
    yield Case("6.2.1", (Frame(TEXT, GREETING),), ((TEXT, GREETING),))
    yield Case("6.2.2", fragments([GREETING[:12], GREETING[12:]]), ((TEXT, GREETING),))
    yield Case("6.2.3", _octets(GREETING), ((TEXT, GREETING),))
    yield Case("6.2.4", _octets(KOSME), ((TEXT, KOSME),))
    surrogate = KOSME + bytes.fromhex("eda080") + EDITED
    yield Case("6.3.1", (Frame(TEXT, surrogate),), fails=INVALID_DATA)
    yield Case("6.3.2", _octets(surrogate), fails=INVALID_DATA)


def _failing_fast() -> Iterator[Case]:
    """The connection should fail at the octet that makes the text invalid, not at the end of the message."""
    cuts = [
        (KOSME, bytes.fromhex("f4908080"), EDITED),
        (KOSME + b"\xf4", b"\x90", bytes.fromhex("8080") + EDITED),
    ]
    early = Pause(ends=True)
    for number, parts in enumerate(cuts, start=1):
        first, second, third = fragments(parts)
        yield Case(f"6.4.{number}", (first, Pause(), second, early, third), fails=INVALID_DATA, chop=BY_FRAME)
    for number, parts in enumerate(cuts, start=3):
        frame = Frame(TEXT, b"".join(parts)).encoded()
        last = len(frame) - len(parts[2])
        middle = last - len(parts[1])
        steps = (frame[:middle], Pause(), frame[middle:last], early, frame[last:])
        yield Case(f"6.4.{number}", steps, fails=INVALID_DATA)
