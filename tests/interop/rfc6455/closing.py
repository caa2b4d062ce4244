"""Group 7: the closing handshake, its codes and its reasons."""

from __future__ import annotations

from collections.abc import Iterator

from tests.interop.rfc6455.cases import BY_FRAME, INVALID_DATA, PROTOCOL_ERROR, Case, fragments
from tests.interop.rfc6455.client import CLOSE, NO_CODE, PING, TEXT, Frame

HELLO = b"Hello, world!"
KIB = 1024
VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
INVALID_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)


def _close(code: int = 1000, reason: bytes = b"") -> Frame:
    return Frame(CLOSE, code.to_bytes(2, "big") + reason)


def closing() -> Iterator[Case]:
    """What crosses a close, what a close frame may hold, and which codes may be sent."""
    hello, answer = Frame(TEXT, HELLO), ((TEXT, HELLO),)
    yield Case("7.1.1", (hello, _close()), answer, chop=BY_FRAME)
    yield Case("7.1.2", (_close(), _close()))
    yield Case("7.1.3", (_close(), Frame(PING)))
    yield Case("7.1.4", (_close(), hello))
    first, second = fragments([b"fragment1", b"fragment2"])
    yield Case("7.1.5", (first, _close(), second))
    yield Case("7.1.6", (Frame(TEXT, b"*" * 256 * KIB), _close(), Frame(PING)), is_informational=True)
    yield Case("7.3.1", (Frame(CLOSE),), closes=(1000, NO_CODE))
    yield Case("7.3.2", (Frame(CLOSE, b"a"),), fails=PROTOCOL_ERROR)
    yield Case("7.3.3", (_close(),))
    yield Case("7.3.4", (_close(1000, HELLO),))
    yield Case("7.3.5", (_close(1000, b"*" * 123),))
    yield Case("7.3.6", (_close(1000, b"*" * 124),), fails=PROTOCOL_ERROR)
    yield Case("7.5.1", (_close(1000, b"invalid: \xed\xa0\x80"),), fails=INVALID_DATA)
    for number, code in enumerate(VALID_CODES, start=1):
        yield Case(f"7.7.{number}", (_close(code),), closes=(code,))
    for number, code in enumerate(INVALID_CODES, start=1):
        yield Case(f"7.9.{number}", (_close(code),), fails=PROTOCOL_ERROR)
    yield Case("7.13.1", (_close(5000),), fails=PROTOCOL_ERROR, is_informational=True)
    too_large = Frame(CLOSE, (65536).to_bytes(4, "big"))
    yield Case("7.13.2", (too_large,), fails=PROTOCOL_ERROR, is_informational=True)
