"""Names of connections that stand for this machine, so that machines may share one clusters.toml."""

from __future__ import annotations

import socket

__all__ = ["connection_name"]

CURRENT_IP = ".Zato_Sys_Current_IP"
_ELSEWHERE = ("192.0.2.1", 9)  # an address that is nobody's; see RFC 5737


def connection_name(name: str) -> str:
    """Return a connection's name as services know it: at its end `.Zato_Sys_Current_IP` is this machine's address."""
    return f"{name.removesuffix(CURRENT_IP)}.{_current_ip()}" if name.endswith(CURRENT_IP) else name


def _current_ip() -> str:
    """Return the address from which this machine speaks to others, or that of itself where it speaks to none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(_ELSEWHERE)  # sends nothing
        except OSError:
            return "127.0.0.1"
        address: str = one.getsockname()[0]
        return address
