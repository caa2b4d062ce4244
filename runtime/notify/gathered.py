"""Gathered: what the launcher has heard of its servers, as the one state that it tells the service manager."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define

__all__ = ["Gathered"]


@define
class _Server:
    """What is known of one."""

    is_running: bool = False
    was_ready: bool = False
    lives_at: float | None = None
    status: str = "not started yet"


class Gathered:
    """All servers of a launcher.

    Args:
        names: Their names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._servers = {name: _Server() for name in names}

    def started(self, name: str) -> None:
        """Note that a server runs, which has not said anything yet."""
        server = self._servers[name]
        server.is_running, server.lives_at, server.status = True, None, "starting"

    def ended(self, name: str, status: str) -> None:
        """Note that it does not run, and why."""
        server = self._servers[name]
        server.is_running, server.status = False, status

    def heard(self, name: str, line: str, now: float) -> None:
        """Take up a line that it said, at a point in time."""
        server = self._servers[name]
        key, _, value = line.partition("=")
        match key:
            case "READY":
                server.was_ready = True
            case "WATCHDOG":
                server.lives_at = now
            case "STATUS":
                server.status = value

    @property
    def are_ready(self) -> bool:
        """Whether each of them has been ready: one that dies later is started again by the launcher."""
        return all(one.was_ready for one in self._servers.values())

    def are_alive(self, now: float, period: float) -> bool:
        """Tell whether each that runs, and has ever said that it lives, has said so within a period."""
        said = [one.lives_at for one in self._servers.values() if one.is_running and one.lives_at is not None]
        return all(now - at <= period for at in said)

    @property
    def status(self) -> str:
        """All of them in one line."""
        ready = sum(one.is_running and one.status == "ready" for one in self._servers.values())
        others = [f"{name} {one.status}" for name, one in self._servers.items() if one.status != "ready"]
        return "; ".join([f"{ready} of {len(self._servers)} clusters ready", *others])
