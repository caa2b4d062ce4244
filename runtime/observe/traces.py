"""Traces by way of OpenTelemetry: spans of calls and messages, sent to a collector in batches by a thread of its own.

Only servers whose configuration says where spans go import this; it needs the extra `traces`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from actors.meters import outcome_of
from actors.signals import Part
from runtime.config.signals import TraceSettings

__all__ = ["OpenTelemetryTracer", "provider_of", "tracing"]

EXPORT_TIMEOUT = 5.0
"""Seconds that a collector may take for a batch."""

FLUSH_TIMEOUT = 3.0
"""Seconds that the last spans have at the end of a server."""

_KINDS = {
    Part.CALL: SpanKind.CLIENT,
    Part.REQUEST: SpanKind.SERVER,
    Part.INVOCATION: SpanKind.INTERNAL,
    Part.PUBLISH: SpanKind.PRODUCER,
    Part.DELIVERY: SpanKind.CONSUMER,
}
_PARENT = "traceparent"

_log = structlog.get_logger(kind="traces")


class OpenTelemetryTracer:
    """Implements `actors.signals.Tracer`.

    Args:
        provider: Where spans go, and how many of them.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("isthmus", version("isthmus"))
        self._format = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, part: Part, name: str, parents: Sequence[str] = (), **facts: str | int) -> Iterator[str]:
        """Begin a span, and end it; see `Tracer.span`.

        What follows one thing is in its trace; what follows several is in a trace of its own that names them.
        """
        contexts = [found for parent in parents if (found := self._context_of(parent)) is not None]
        links = [Link(trace.get_current_span(one).get_span_context()) for one in contexts] if len(contexts) > 1 else []
        with self._tracer.start_as_current_span(
            name,
            contexts[0] if len(contexts) == 1 else None,
            _KINDS[part],
            {f"isthmus.{key}": value for key, value in facts.items()},
            links,
            record_exception=False,  # what an error says may be a secret
            set_status_on_exception=False,
        ) as span:
            try:
                yield self.current()
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR, outcome_of(error)))
                raise

    def current(self) -> str:
        """Return the traceparent of the span under way; see `Tracer.current`."""
        carrier: dict[str, str] = {}
        self._format.inject(carrier)
        return carrier.get(_PARENT, "")

    def _context_of(self, parent: str) -> Context | None:
        """Return what a traceparent says; None where it is none, whoever may have sent it."""
        found = self._format.extract({_PARENT: parent}, Context())
        return found if trace.get_current_span(found).get_span_context().is_valid else None


def provider_of(settings: TraceSettings, cluster: str, server: str) -> TracerProvider:
    """Return what makes the spans of a server, without anything that takes them."""
    resource = Resource.create(
        {
            "service.name": cluster,
            "service.namespace": "isthmus",
            "service.instance.id": server,
            "service.version": version("isthmus"),
        }
    )
    return TracerProvider(sampler=ParentBasedTraceIdRatio(settings.ratio), resource=resource, shutdown_on_exit=False)


@contextmanager
def tracing(settings: TraceSettings, cluster: str, server: str) -> Iterator[OpenTelemetryTracer]:
    """Send the spans of a server to where the settings say, until left; then what is left goes, within a bound."""
    provider = provider_of(settings, cluster, server)
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, headers=_headers(settings), timeout=EXPORT_TIMEOUT)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    told = _Told()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(told)
    logger.propagate = False
    try:
        yield OpenTelemetryTracer(provider)
    finally:
        provider.force_flush(round(FLUSH_TIMEOUT * 1000))
        exporter.shutdown()  # type: ignore[no-untyped-call]
        provider.shutdown()
        logger.removeHandler(told)


def _headers(settings: TraceSettings) -> Mapping[str, str]:
    return {name: value if isinstance(value, str) else value.reveal() for name, value in settings.headers.items()}


class _Told(logging.Handler):
    """Has the log of this server say what OpenTelemetry complains about, such as a collector that is not there."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one thing."""
        _log.warning("spans", reason=record.getMessage())
