"""What a server answers over HTTP: `/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import structlog
import trio
from attrs import frozen
from prometheus_client import CollectorRegistry, GCCollector, Metric, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from actors.channels.credentials import NOT_AUTHORIZED
from actors.errors import StoreFailed
from runtime.observe.collector import collect
from runtime.observe.families import Families
from runtime.observe.guard import Guard
from runtime.observe.readiness import Readiness
from runtime.observe.watched import Watched
from runtime.store.gauges import QueueDepth

__all__ = ["make_app"]

STORE_TIMEOUT = 5.0
"""Seconds that metrics wait for the store; without it they go without the depths of queues."""

_NOT_KEPT = {"cache-control": "no-store"}
_CHALLENGES = {"www-authenticate": 'Basic realm="isthmus", Bearer'}

_log = structlog.get_logger(kind="monitor")


@frozen
class _Answer:
    """All that one answer tells: of the server, and of its process."""

    families: Families
    process: CollectorRegistry

    def collect(self) -> Iterable[Metric]:
        """Give the metrics; prometheus_client calls it."""
        return chain(self.families.collect(), self.process.collect())


class _Pages:
    """The pages; see `make_app`."""

    def __init__(self, watched: Watched, log_events: Mapping[str, int], readiness: Readiness, guard: Guard) -> None:
        self._watched = watched
        self._log_events = log_events
        self._readiness = readiness
        self._guard = guard
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)

    @property
    def _names(self) -> dict[str, object]:
        return {"cluster": self._watched.cluster, "server": self._watched.server}

    async def metrics(self, request: Request) -> Response:
        """Tell all metrics, in the format that is asked for."""
        if not await self._may_look(request):
            return PlainTextResponse(f"{NOT_AUTHORIZED}\n", 401, _CHALLENGES)
        families = collect(self._watched, self._log_events, await self._depths())
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        body = encode(_Answer(families, self._process))
        return Response(body, headers={**_NOT_KEPT, "content-type": content_type})

    async def healthz(self, _request: Request) -> Response:
        """Tell that the process lives and its event loop turns, which the answer itself shows."""
        return JSONResponse({"status": "ok", **self._names}, headers=_NOT_KEPT)

    async def readyz(self, request: Request) -> Response:
        """Tell whether the server is ready; what it waits for is told to those who may read its metrics."""
        missing = await self._readiness.missing()
        body = {"status": "not ready" if missing else "ready", **self._names}
        if self._guard.is_asked(request.headers) and await self._may_look(request):
            body["reasons"] = [one.as_dict() for one in missing]
        return JSONResponse(body, 503 if missing else 200, headers=_NOT_KEPT)

    async def _depths(self) -> Sequence[QueueDepth]:
        try:
            with trio.fail_after(STORE_TIMEOUT):
                return await self._watched.gauges.depths()
        except (StoreFailed, trio.TooSlowError) as error:
            _log.warning("metrics go without the depths of queues", error=str(error) or "the store is busy")
            return ()

    async def _may_look(self, request: Request) -> bool:
        host = "" if request.client is None else request.client.host
        return await self._guard.lets_in(dict(request.headers), host)


def make_app(watched: Watched, log_events: Mapping[str, int], readiness: Readiness, guard: Guard) -> Starlette:
    """Return the application.

    Args:
        watched: The server.
        log_events: How many lines of the log there were, by level.
        readiness: Whether the server is ready.
        guard: Who may read everything.
    """
    pages = _Pages(watched, log_events, readiness, guard)
    routes = [
        Route("/metrics", pages.metrics),
        Route("/healthz", pages.healthz),
        Route("/readyz", pages.readyz),
    ]
    return Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=1024)])
