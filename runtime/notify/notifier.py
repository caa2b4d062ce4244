"""Notifier: sends the lines of sd_notify(3) to who manages this process; to nobody where nobody does.

A service manager names a datagram socket in the environment. A launcher gives its servers a stream instead, so that it
need not be found, and nobody else can speak for them; the lines are the same.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, MutableMapping

import structlog

__all__ = ["Notifier"]

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

_log = structlog.get_logger(kind="server")


class Notifier:
    """Where a process says how it is.

    Args:
        send: Sends bytes, or raises `OSError`; None for nobody.
        watchdog: Seconds within which whoever listens wants to hear that the process is alive; None where it does not.
        close: Lets go of what `send` uses.
    """

    def __init__(
        self,
        send: Callable[[bytes], object] | None = None,
        *,
        watchdog: float | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._send = send
        self.watchdog = None if send is None else watchdog
        self.close = close
        self._failed = False

    @classmethod
    def of_service_manager(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Return that of the process that a service manager started.

        The variables are taken away, so that no process that this one starts takes them for its own.
        """
        place, period, pid = (environment.pop(one, "") for one in _VARIABLES)
        if not place.startswith(("/", "@")):  # sockets of virtual machines are for who is process 1
            return cls()
        address = f"\0{place[1:]}" if place.startswith("@") else place
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        connection.setblocking(False)
        is_mine = pid in ("", str(os.getpid()))
        return cls(
            lambda data: connection.sendto(data, address),
            watchdog=int(period) / 1_000_000 if is_mine and period.isdecimal() and int(period) else None,
            close=connection.close,
        )

    @classmethod
    def of_launcher(cls, descriptor: int, environment: MutableMapping[str, str]) -> Notifier:
        """Return that of a server that the launcher started, which holds the other end of a stream."""
        period = environment.pop("WATCHDOG_USEC", "")
        connection = socket.socket(fileno=os.dup(descriptor))
        connection.setblocking(False)
        return cls(
            lambda data: connection.sendall(data + b"\n"),
            watchdog=int(period) / 1_000_000 if period.isdecimal() else None,
            close=connection.close,
        )

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return self._send is not None

    def tell(self, *lines: str) -> bool:
        """Send lines such as `READY=1` at once, and tell whether that went; never waits, and never raises."""
        if self._send is None:
            return False
        try:
            self._send("\n".join(lines).encode())
        except OSError as error:  # also where whoever listens is behind
            if not self._failed:
                _log.warning("the service manager cannot be told how this is", error=error.strerror or str(error))
            self._failed = True
            return False
        self._failed = False
        return True
