"""Who may read what a server tells over HTTP: whoever shows the credentials of a security definition, or anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from actors.channels.credentials import Grant, Presented
from actors.messages import Hello
from actors.ports import Clock, Threads
from actors.settings import ChannelSettings, SecuritySettings
from runtime.config.schema import ClusterSettings
from runtime.security import SecurityGate

__all__ = ["Guard"]

_ATTEMPTS = ChannelSettings(address="", service="", security="")
"""How many log-ins may fail: as many as at a channel that says nothing else."""

_log = structlog.get_logger(kind="monitor")


class Guard:
    """Checks credentials by the security definition as it is now, which may change while the server runs.

    Args:
        settings: Gives what the cluster is set to now.
        threads: Where passwords are verified.
        clock: The time that tokens are valid at.
    """

    def __init__(self, settings: Callable[[], ClusterSettings], *, threads: Threads, clock: Clock) -> None:
        self._settings = settings
        self._threads = threads
        self._clock = clock
        self._definition: SecuritySettings | None = None
        self._gate: SecurityGate | None = None

    async def lets_in(self, headers: Mapping[str, str], host: str) -> bool:
        """Tell whether a request may read everything; one that shows wrong credentials, or none, has failed to log in.

        Args:
            headers: Those of the request, named in lower case.
            host: Where it comes from.
        """
        gate = self._current()
        if gate is None:
            return True
        found = await gate.admit(Hello(""), Presented(headers), host)
        if not isinstance(found, Grant):
            _log.warning(f"request refused: {found.reason}", peer=host)
        return isinstance(found, Grant)

    def is_asked(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a request shows credentials, or needs none."""
        self._current()
        return self._definition is None or bool(
            {"authorization", self._definition.header.lower()}.intersection(headers)
        )

    def _current(self) -> SecurityGate | None:
        settings = self._settings()
        name = settings.monitoring.security
        definition = None if name is None or name == "none" else settings.security[name]
        if definition is not self._definition:
            self._definition = definition
            definitions = {} if name is None or definition is None else {name: definition}
            gate = SecurityGate(definitions, _ATTEMPTS, threads=self._threads, clock=self._clock)
            self._gate = gate if definitions else None
        return self._gate
