"""The wire formats, without I/O: bytes in, messages out, and the reverse."""

from runtime.wire.native import NATIVE_SUBPROTOCOL, NativeWire
from runtime.wire.plain import PlainWire
from runtime.wire.protocol import Frame, Role, Violation, Wire
from runtime.wire.session import LocalProtocolError
from runtime.wire.zato import ZatoClientWire, ZatoServerWire

__all__ = [
    "NATIVE_SUBPROTOCOL",
    "Frame",
    "LocalProtocolError",
    "NativeWire",
    "PlainWire",
    "Role",
    "Violation",
    "Wire",
    "ZatoClientWire",
    "ZatoServerWire",
]
