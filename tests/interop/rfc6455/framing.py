"""Groups 1 to 5: framing, pings and pongs, reserved bits, opcodes, fragmentation."""

from __future__ import annotations

from collections.abc import Iterator

from tests.interop.rfc6455.cases import AT_ONCE, BY_FRAME, PAUSE, PROTOCOL_ERROR, Case, fragments
from tests.interop.rfc6455.client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame

HELLO = b"Hello, world!"
SIZES = (0, 125, 126, 127, 128, 65535, 65536, 65536)
CHOPS = (AT_ONCE, BY_FRAME, 1)


def framing() -> Iterator[Case]:
    """Text and binary messages around the sizes at which the length is written otherwise."""
    for group, (opcode, byte) in enumerate([(TEXT, b"*"), (BINARY, b"\xfe")], start=1):
        for number, size in enumerate(SIZES, start=1):
            payload = byte * size
            chop = 997 if number == len(SIZES) else AT_ONCE
            yield Case(f"1.{group}.{number}", (Frame(opcode, payload),), ((opcode, payload),), chop=chop)


def pings() -> Iterator[Case]:
    """Pings are answered with what they hold; pongs that nobody asked for are ignored."""
    for number, payload in enumerate([b"", HELLO, bytes.fromhex("00fffefdfcfb00ff"), b"\xfe" * 125], start=1):
        yield Case(f"2.{number}", (Frame(PING, payload),), ((PONG, payload),))
    yield Case("2.5", (Frame(PING, b"\xfe" * 126),), fails=PROTOCOL_ERROR)
    yield Case("2.6", (Frame(PING, b"\xfe" * 125),), ((PONG, b"\xfe" * 125),), chop=1)
    yield Case("2.7", (Frame(PONG),))
    yield Case("2.8", (Frame(PONG, b"unsolicited"),))
    yield Case("2.9", (Frame(PONG, b"unsolicited"), Frame(PING, HELLO)), ((PONG, HELLO),))
    payloads = [f"payload-{number}".encode() for number in range(10)]
    for number, chop in ((10, AT_ONCE), (11, 1)):
        steps = tuple(Frame(PING, one) for one in payloads)
        yield Case(f"2.{number}", steps, tuple((PONG, one) for one in payloads), chop=chop)


def reserved_bits() -> Iterator[Case]:
    """A bit that no extension has given a meaning fails the connection; what came before it is answered."""
    hello, answer = Frame(TEXT, HELLO), ((TEXT, HELLO),)
    yield Case("3.1", (Frame(TEXT, HELLO, rsv=1),), fails=PROTOCOL_ERROR)
    for number, (rsv, chop) in enumerate([(2, AT_ONCE), (3, BY_FRAME), (4, 1)], start=2):
        steps = (hello, Frame(TEXT, HELLO, rsv=rsv), Frame(PING))
        yield Case(f"3.{number}", steps, answer, fails=PROTOCOL_ERROR, chop=chop)
    for number, (opcode, rsv) in enumerate([(BINARY, 5), (PING, 6), (CLOSE, 7)], start=5):
        yield Case(f"3.{number}", (Frame(opcode, b"\x03\xe8", rsv=rsv),), fails=PROTOCOL_ERROR)


def opcodes() -> Iterator[Case]:
    """An opcode that is reserved fails the connection; what came before it is answered."""
    hello, answer = Frame(TEXT, HELLO), ((TEXT, HELLO),)
    for group, first in ((1, 3), (2, 11)):
        yield Case(f"4.{group}.1", (Frame(first),), fails=PROTOCOL_ERROR)
        yield Case(f"4.{group}.2", (Frame(first + 1, b"reserved"),), fails=PROTOCOL_ERROR)
        for number, (payload, chop) in enumerate([(b"", BY_FRAME), (HELLO, BY_FRAME), (HELLO, 1)], start=3):
            steps = (hello, Frame(first + number - 1, payload), Frame(PING))
            yield Case(f"4.{group}.{number}", steps, answer, fails=PROTOCOL_ERROR, chop=chop)


def fragmentation() -> Iterator[Case]:
    """Messages in fragments, with control frames between them, and fragments that belong to nothing."""
    halves, whole = fragments([b"fragment1", b"fragment2"]), (TEXT, b"fragment1fragment2")
    for number, opcode in ((1, PING), (2, PONG)):
        steps = (Frame(opcode, b"fragment1", fin=False), Frame(CONTINUATION, b"fragment2"))
        yield Case(f"5.{number}", steps, fails=PROTOCOL_ERROR)
    for number, chop in enumerate(CHOPS, start=3):
        yield Case(f"5.{number}", halves, (whole,), chop=chop)
    for number, chop in enumerate(CHOPS, start=6):
        steps = (halves[0], Frame(PING, b"between"), halves[1])
        yield Case(f"5.{number}", steps, ((PONG, b"between"), whole), chop=chop)
    stray = b"nothing to continue"
    for first, fin in ((9, True), (12, False)):
        for number, chop in enumerate(CHOPS, start=first):
            steps = (Frame(CONTINUATION, stray, fin=fin), Frame(TEXT, HELLO))
            yield Case(f"5.{number}", steps, fails=PROTOCOL_ERROR, chop=chop)
    steps = (*halves, Frame(CONTINUATION, stray, fin=False), Frame(TEXT, HELLO))
    yield Case("5.15", steps, (whole,), fails=PROTOCOL_ERROR)
    for number, fin in ((16, False), (17, True)):
        yield Case(f"5.{number}", (Frame(CONTINUATION, stray, fin=fin), *halves) * 2, fails=PROTOCOL_ERROR)
    steps = (Frame(TEXT, b"fragment1", fin=False), Frame(TEXT, b"fragment2"))
    yield Case("5.18", steps, fails=PROTOCOL_ERROR)
    parts = fragments([f"fragment{number}".encode() for number in range(1, 6)])
    first_ping, second_ping = Frame(PING, b"first"), Frame(PING, b"second")
    for number, chop in ((19, AT_ONCE), (20, BY_FRAME)):
        answers = ((PONG, b"first"), (PONG, b"second"), (TEXT, b"".join(one.payload for one in parts)))
        all_steps = (*parts[:2], first_ping, PAUSE, *parts[2:4], second_ping, parts[4])
        yield Case(f"5.{number}", all_steps, answers, chop=chop)
