"""Addresses that a file has servers listen on: which are of this machine alone, and which are taken already."""

from __future__ import annotations

import ipaddress

from runtime.config.problems import KeyPath, Problems, path_text

__all__ = ["BoundAddresses", "is_loopback"]

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, and reachable from nowhere else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class BoundAddresses:
    """The addresses that were met, by their ports."""

    def __init__(self) -> None:
        self._by_port: dict[int, list[tuple[str, KeyPath]]] = {}

    def add(self, host: str, port: int, where: KeyPath, problems: Problems) -> None:
        """Note an address, and what is wrong where another one takes its port."""
        known = self._by_port.setdefault(port, [])
        for other_host, other in known:
            if host == other_host or host in _EVERYWHERE or other_host in _EVERYWHERE:
                problems.add((*where, "address"), f"port {port} is used by {path_text(other)}, too")
        known.append((host, where))
