"""Makes the monitor of a server: its pages, and who may read them.

Only servers that are watched import this, and with it all that serves HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.supervision import ChildSpec
from runtime.config.signal_checks import host_and_port
from runtime.observe.guard import Guard
from runtime.observe.monitor import Monitor
from runtime.observe.readiness import Readiness
from runtime.observe.watched import Watched
from runtime.observe.web import make_app

__all__ = ["monitor_spec"]


def monitor_spec(watched: Watched, log_events: Mapping[str, int]) -> ChildSpec:
    """Return the actor that answers those who watch a server.

    Args:
        watched: The server, whose settings have an address for it.
        log_events: How many lines of the log there were, by level.
    """
    readiness = Readiness(watched.settings, watched.registry, watched.gauges, watched.phase)
    guard = Guard(watched.settings, threads=watched.threads, clock=watched.clock)
    app = make_app(watched, log_events, readiness, guard)
    host, port = host_and_port(watched.settings().monitoring.address or "")
    watched.gauges.measure_with(watched.meters)
    return ChildSpec.of(Monitor, name="http", make=lambda: Monitor(app, host, port, watched.meters))
