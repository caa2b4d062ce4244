"""Traces over two clusters: a call, a stream and a message are one trace, from where they begin to where they end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import trio
from attrs import evolve
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from actors import BadInput, Service
from actors.settings import SubscriptionSettings, TopicSettings, WireFormat
from actors.signals import Part
from runtime.config.schema import ClusterSettings
from runtime.config.signals import TraceSettings
from runtime.observe.traces import OpenTelemetryTracer, provider_of
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.test_two_clusters import Fails, Relay
from tests.support import CONNECTION, apac_settings, emea_settings, start

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Traced:
    """A cluster's tracer, and the spans that it has made."""

    def __init__(self, name: str, ratio: float = 1.0) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = provider_of(TraceSettings(ratio=ratio), name, "server1")
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = OpenTelemetryTracer(self.provider)

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """The spans that have ended, by name."""
        return {one.name: one for one in self.exporter.get_finished_spans()}

    def clear(self) -> None:
        self.exporter.clear()


@pytest.fixture
def emea() -> Iterator[Traced]:
    traced = Traced("emea")
    yield traced
    traced.provider.shutdown()


@pytest.fixture
def apac() -> Iterator[Traced]:
    traced = Traced("apac")
    yield traced
    traced.provider.shutdown()


async def start_both(
    network: MemoryNetwork,
    nursery: trio.Nursery,
    emea: Traced,
    apac: Traced,
    classes: Sequence[type[Service]] = (),
    settings: ClusterSettings | None = None,
    **outgoing: Any,
) -> tuple[SimulatedCluster, SimulatedCluster]:
    one = await start(nursery, network, "emea", settings or emea_settings(), [Fails, Asks, Counts], tracer=emea.tracer)
    listed = apac_settings(hooks=False, **outgoing)
    other = await start(nursery, network, "apac", listed, [Relay, *classes], tracer=apac.tracer)
    await other.until("outgoing", CONNECTION, "ready")
    emea.clear()
    apac.clear()
    return one, other


class Asks(Service):
    """Invokes another service of its cluster."""

    name = "test.asks"

    async def handle(self, data: Any) -> Any:
        return await self.invoke("demo.echo", data)


class Counts(Service):
    name = "test.counts"

    async def handle(self) -> Any:
        for number in range(3):
            yield number


def is_child(child: ReadableSpan, parent: ReadableSpan) -> bool:
    assert child.parent is not None
    assert child.context.trace_id == parent.context.trace_id
    return child.parent.span_id == parent.context.span_id


async def test_a_call_is_one_trace_across_the_link(
    network: MemoryNetwork, nursery: trio.Nursery, emea: Traced, apac: Traced
) -> None:
    """From the service that calls, over the call, to the remote service and what that invokes; each in its cluster."""
    _, other = await start_both(network, nursery, emea, apac)
    assert await other.invoke("test.relay", {"message": {"service": "test.asks", "request": 7}}, cid="c1") == 7
    relay, call = apac.spans["test.relay"], apac.spans[f"call {CONNECTION}"]
    asks, echo = emea.spans["test.asks"], emea.spans["demo.echo"]
    assert relay.parent is None
    assert is_child(call, relay)
    assert is_child(asks, call)
    assert is_child(echo, asks)
    kinds = [one.kind for one in (relay, call, asks, echo)]
    assert kinds == [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.SERVER, SpanKind.INTERNAL]
    assert call.attributes is not None
    assert asks.attributes is not None
    assert call.attributes["isthmus.service"] == "test.asks"
    assert asks.attributes["isthmus.channel"] == "gateway"
    assert call.attributes["isthmus.cid"] == asks.attributes["isthmus.cid"] == "c1"
    assert asks.resource.attributes["service.name"] == "emea"
    assert call.resource.attributes["service.name"] == "apac"


async def test_zato_s_format_has_no_place_for_a_trace_but_for_the_cid(
    network: MemoryNetwork, nursery: trio.Nursery, emea: Traced, apac: Traced
) -> None:
    """So each cluster has a trace of its own, and both have the cid that finds the other."""
    cid = "0123456789abcdef01234567"
    _, other = await start_both(network, nursery, emea, apac, wire=WireFormat.ZATO)
    await other.invoke("test.relay", {"message": {"service": "test.asks", "request": 7}}, cid=cid)
    call, asks = apac.spans[f"call {CONNECTION}"], emea.spans["test.asks"]
    assert asks.parent is None
    assert asks.context.trace_id != call.context.trace_id
    assert is_child(emea.spans["demo.echo"], asks)
    assert call.attributes is not None
    assert asks.attributes is not None
    assert call.attributes["isthmus.cid"] == asks.attributes["isthmus.cid"] == cid


async def test_what_fails_is_an_error_that_tells_no_secret(
    network: MemoryNetwork, nursery: trio.Nursery, emea: Traced, apac: Traced
) -> None:
    """The span has the error's class, and not what it said."""
    _, other = await start_both(network, nursery, emea, apac)
    with pytest.raises(BadInput):
        await other.invoke("test.relay", {"message": {"service": "test.fails", "request": "bad"}})
    for span in (emea.spans["test.fails"], apac.spans[f"call {CONNECTION}"], apac.spans["test.relay"]):
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "bad_input"
        assert span.attributes is not None
        assert span.attributes["error.type"] == "BadInput"
        assert span.events == ()
        assert "something better" not in span.to_json()


class Streams(Service):
    name = "test.streams"

    async def handle(self) -> Any:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            return [item async for item in client.stream("test.counts")]


async def test_a_stream_belongs_to_the_trace_of_whoever_iterates(
    network: MemoryNetwork, nursery: trio.Nursery, emea: Traced, apac: Traced
) -> None:
    """The remote generator follows the service that iterates over it."""
    _, other = await start_both(network, nursery, emea, apac, [Streams])
    assert await other.invoke("test.streams") == [0, 1, 2]
    assert is_child(emea.spans["test.counts"], apac.spans["test.streams"])


class Publishes(Service):
    name = "test.publishes"

    async def handle(self, data: Any) -> Any:
        return await self.pubsub.publish("/customer/new", data_list=[{"data": one} for one in data])


class Hook(Service):
    """Handles messages by way of another service."""

    name = "hooks.all"

    async def handle(self, data: Any) -> None:
        await self.invoke("demo.echo", 1)


async def test_a_message_is_one_trace_from_its_publishing_to_its_hook(
    network: MemoryNetwork, nursery: trio.Nursery, emea: Traced, apac: Traced
) -> None:
    """Across the link, and on into what the hook invokes."""
    listed: dict[str, Any] = {"subscribe": ("/customer/new",), "on_message": "hooks.all"}
    one = await start(nursery, network, "emea", emea_settings(), [Publishes], tracer=emea.tracer)
    other = await start(nursery, network, "apac", apac_settings(hooks=False, **listed), [Hook], tracer=apac.tracer)
    await other.until("outgoing", CONNECTION, "ready")
    await one.invoke("test.publishes", ["a"])
    await until_there(apac, "deliver")
    publishes, publish = emea.spans["test.publishes"], emea.spans["publish"]
    deliver, hook, echo = apac.spans["deliver"], apac.spans["hooks.all"], apac.spans["demo.echo"]
    assert is_child(publish, publishes)
    assert is_child(deliver, publish)
    assert is_child(hook, deliver)
    assert is_child(echo, hook)
    assert (publish.kind, deliver.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert publish.attributes is not None
    assert publish.attributes["isthmus.topic"] == "/customer/new"


async def test_a_delivery_of_several_traces_names_all_of_them(
    network: MemoryNetwork, nursery: trio.Nursery, emea: Traced
) -> None:
    """It is in none of them: a service of the cluster itself that subscribes."""
    settings = ClusterSettings(
        topics={"/customer/new": TopicSettings(guaranteed=True)},
        subscriptions={"all": SubscriptionSettings("hooks.all", ("/customer/new",))},
    )
    late = ClusterSettings(topics=settings.topics)
    one = await start(nursery, network, "emea", late, [Publishes], tracer=emea.tracer)
    await one.invoke("test.publishes", ["a"])
    await one.invoke("test.publishes", ["b", "c"])
    traces = {span.context.trace_id for span in emea.exporter.get_finished_spans() if span.name == "publish"}
    assert len(traces) == 2
    await one.stop()
    one.settings, one._classes = settings, lambda: [Publishes, Hook]
    await one.start()
    await until_there(emea, "deliver")
    deliver = emea.spans["deliver"]
    assert {link.context.trace_id for link in deliver.links} == traces
    assert deliver.context.trace_id not in traces
    assert is_child(emea.spans["hooks.all"], deliver)


async def until_there(traced: Traced, name: str) -> None:
    with trio.fail_after(600):
        while name not in traced.spans:
            await trio.sleep(0.1)


async def test_whoever_begins_a_trace_decides_whether_it_is_kept(
    network: MemoryNetwork, nursery: trio.Nursery, emea: Traced
) -> None:
    """A cluster that keeps none of its own traces has others' follow its decision."""
    none = Traced("apac", ratio=0.0)
    _, other = await start_both(network, nursery, emea, none)
    await other.invoke("test.relay", {"message": {"service": "test.asks", "request": 7}})
    assert none.spans == {}
    assert emea.spans == {}
    none.provider.shutdown()


@pytest.mark.parametrize(
    "sent",
    ["", "x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", TRACEPARENT.upper() + "x", TRACEPARENT[:-3], "\x00" * 55],
)
def test_what_is_no_traceparent_begins_a_trace(sent: str, emea: Traced) -> None:
    """Whatever a peer sends."""
    with emea.tracer.span(Part.REQUEST, "request", [sent]) as trace:
        assert trace.startswith("00-")
    assert emea.spans["request"].parent is None


def test_a_traceparent_is_followed(emea: Traced) -> None:
    """As W3C Trace Context has it."""
    with emea.tracer.span(Part.REQUEST, "request", [TRACEPARENT]) as trace:
        assert trace.split("-")[1] == TRACEPARENT.split("-")[1]
        assert emea.tracer.current() == trace
    assert emea.tracer.current() == ""


class PublishesThere(Service):
    name = "test.publishes-there"

    async def handle(self) -> Any:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            await client.publish("/order/new", 1)


async def test_what_is_published_across_a_link_belongs_to_the_trace_of_its_publisher(
    network: MemoryNetwork, nursery: trio.Nursery, emea: Traced, apac: Traced
) -> None:
    """The remote subscriber follows the call that published."""
    settings = evolve(
        emea_settings(topics=("/order/new",)),
        subscriptions={"orders": SubscriptionSettings("hooks.all", ("/order/new",))},
    )
    await start(nursery, network, "emea", settings, [Hook], tracer=emea.tracer)
    other = await start(nursery, network, "apac", apac_settings(hooks=False), [PublishesThere], tracer=apac.tracer)
    await other.until("outgoing", CONNECTION, "ready")
    await other.invoke("test.publishes-there")
    await until_there(emea, "deliver")
    call = apac.spans[f"call {CONNECTION}"]
    assert is_child(call, apac.spans["test.publishes-there"])
    assert is_child(emea.spans["deliver"], call)
    assert call.attributes is not None
    assert call.attributes["isthmus.topic"] == "/order/new"
