"""Monitor: the actor that answers those who watch a server over HTTP, and measures how late its event loop is."""

from __future__ import annotations

import trio
from starlette.applications import Starlette

from actors.actor import Actor
from actors.meters import Meters
from actors.retry import BackoffState
from actors.supervision import Backoff
from runtime.observe.serving import serve_http

__all__ = ["Monitor"]

LAG_INTERVAL = 0.25
"""Seconds between two looks at how late the event loop is."""


class Monitor(Actor):
    """Serves one address until asked to stop; one that cannot be bound is tried again.

    Args:
        app: What answers.
        host: Where it listens.
        port: At which port.
        meters: Where it is noted how late the event loop is.
    """

    kind = "monitor"
    autostart = False
    retry = Backoff(first=0.5, longest=30.0, reset_after=10.0)

    def __init__(self, app: Starlette, host: str, port: int, meters: Meters) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._meters = meters

    async def run(self) -> None:
        """Serve, and measure, until asked to stop."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._measure_lag)
            await self._serve()
            nursery.cancel_scope.cancel()

    async def _serve(self) -> None:
        address = f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"
        backoff = BackoffState(self.retry)

        def on_listening() -> None:
            backoff.attempt = 0
            self.progress.show("listening", address=address)
            self._log.info("listening", address=address)

        while not self.stopping.is_set():
            try:
                await serve_http(self._app, self._host, self._port, on_listening=on_listening, stop=self.stopping.wait)
            except OSError as error:
                delay = max(0.2, backoff.next_delay(lambda _low, high: high))
                self.progress.show("cannot listen", address=address, reason=str(error), retry_in=delay)
                self._log.error("cannot listen", address=address, reason=str(error), retry_in=delay)
                with trio.move_on_after(delay):
                    await self.stopping.wait()

    async def _measure_lag(self) -> None:
        while True:
            due = trio.current_time() + LAG_INTERVAL
            await trio.sleep_until(due)
            self._meters.lag.add(max(0.0, trio.current_time() - due))
