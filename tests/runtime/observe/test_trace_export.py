"""Spans on their way to a collector: what it is sent, with which headers, and what is said where it is not there."""

from __future__ import annotations

import gzip
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs

from actors.secret import Secret
from actors.signals import Part
from runtime.config.signals import TraceSettings
from runtime.observe.traces import tracing
from tests.planted import PASSWORD
from tests.processes import free_port


class Collector:
    """Takes spans as a collector does."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], ExportTraceServiceRequest]] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                said = {name.lower(): value for name, value in self.headers.items()}
                collector.requests.append((said, ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1/traces"


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
        thread.join()


def test_a_collector_is_sent_what_is_left_at_the_end() -> None:
    """With the server's name, and with the headers that the settings give, secrets among them."""
    with collecting() as collector:
        settings = TraceSettings(collector.endpoint, {"x-plain": "text", "x-key": Secret.of(PASSWORD)})
        with (
            tracing(settings, "emea", "server1") as tracer,
            tracer.span(Part.REQUEST, "demo.echo", service="demo.echo", messages=3) as trace,
        ):
            pass
        [(headers, request)] = collector.requests
    assert (headers["x-plain"], headers["x-key"]) == ("text", PASSWORD)
    [of_server] = request.resource_spans
    resource = {one.key: one.value.string_value for one in of_server.resource.attributes}
    assert (resource["service.name"], resource["service.instance.id"]) == ("emea", "server1")
    [span] = of_server.scope_spans[0].spans
    assert span.name == "demo.echo"
    assert trace.startswith(f"00-{span.trace_id.hex()}-{span.span_id.hex()}-")
    facts = {one.key: one.value for one in span.attributes}
    assert facts["isthmus.service"].string_value == "demo.echo"
    assert facts["isthmus.messages"].int_value == 3


def test_a_collector_that_is_not_there_is_said_in_the_log() -> None:
    """By the server's own log, and the end of the server comes all the same."""
    structlog.reset_defaults()
    endpoint = f"http://127.0.0.1:{free_port()}/v1/traces"
    with (
        capture_logs() as lines,
        tracing(TraceSettings(endpoint), "emea", "server1") as tracer,
        tracer.span(Part.REQUEST, "demo.echo"),
    ):
        pass
    assert {(line["event"], line["log_level"]) for line in lines} == {("spans", "warning")}
    assert any("onnection" in line["reason"] for line in lines)
