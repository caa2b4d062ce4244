"""What a server answers over HTTP: `/metrics` in the format asked for, `/healthz`, `/readyz`, and to whom."""

from __future__ import annotations

import base64
import functools
import socket
from collections.abc import Mapping

import pytest
import trio
from attrs import evolve
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from actors.secret import Secret
from actors.settings import SecurityKind, SecuritySettings
from runtime.cluster import Cluster
from runtime.config.schema import ClusterSettings
from runtime.config.signals import MonitoringSettings
from runtime.observe.definitions import METRICS
from runtime.observe.monitoring import monitor_spec
from tests.http_client import Answer, get
from tests.planted import PASSWORD
from tests.processes import free_port
from tests.support import CONNECTION, apac_settings, emea_settings, start_real

MONITOR = functools.partial(monitor_spec, log_events={"info": 1})


class Watched:
    """A cluster with its monitor on real sockets."""

    def __init__(self, settings: ClusterSettings, security: str | None = None) -> None:
        self.port = free_port()
        self.settings = evolve(settings, monitoring=MonitoringSettings(f"http://127.0.0.1:{self.port}", security))

    async def start(self, nursery: trio.Nursery, name: str) -> Cluster:
        self.cluster = await start_real(nursery, name, self.settings, monitor=MONITOR)
        return self.cluster

    async def until(self, kind: str, name: str, state: str) -> None:
        revision = 0
        with trio.fail_after(30):
            while (entry := self.cluster.registry.find(f"{kind}:{name}")) is None or entry.state != state:
                revision = (await self.cluster.registry.wait_changes(revision)).revision

    async def get(self, path: str, **headers: str) -> Answer:
        await self.until("monitor", "http", "listening")
        return await get(self.port, path, **headers)


def loopback(port: int) -> str:
    return f"ws://127.0.0.1:{port}/zato.wsx.gateway"


async def test_metrics_come_in_the_format_that_is_asked_for(nursery: trio.Nursery) -> None:
    """Prometheus' text, OpenMetrics, and either compressed; parsers of both find every metric, and the process'."""
    emea = Watched(emea_settings(address=loopback(free_port())))
    await emea.start(nursery, "emea")
    text = await emea.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {one.name for one in parse(text.text)}
    assert {name.removesuffix("_total") for name in METRICS} <= found
    assert "python_gc_collections" in found
    newer = await emea.get("/metrics", accept="application/openmetrics-text;version=1.0.0", accept_encoding="gzip")
    assert newer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert newer.headers["content-encoding"] == "gzip"
    assert {one.name for one in parse_openmetrics(newer.text)} >= {name.removesuffix("_total") for name in METRICS}
    assert (await emea.get("/no")).status == 404
    await emea.cluster.stop()


async def test_a_server_that_lives_says_so(nursery: trio.Nursery) -> None:
    """Whether it is ready or not."""
    emea = Watched(emea_settings(address=loopback(free_port())))
    await emea.start(nursery, "emea")
    answer = await emea.get("/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok", "cluster": "emea", "server": "server1"})
    await emea.cluster.stop()


async def test_a_server_is_ready_while_its_channels_listen_and_required_links_are_there(nursery: trio.Nursery) -> None:
    """What it waits for is said, each with its reason; links that are not required count for nothing."""
    port = free_port()
    other = apac_settings(hooks=False, address=loopback(free_port())).outgoing[CONNECTION]
    settings = apac_settings(hooks=False, address=loopback(port), required=True)
    apac = Watched(evolve(settings, outgoing={**settings.outgoing, "other": other}))
    await apac.start(nursery, "apac")
    await apac.until("outgoing", CONNECTION, "backoff")
    answer = await apac.get("/readyz")
    assert (answer.status, answer.json["status"]) == (503, "not ready")
    [reason] = reasons(answer)
    assert (reason["what"], reason["name"]) == ("outgoing", CONNECTION)
    assert "backoff: " in reason["reason"]
    emea = Watched(emea_settings(address=loopback(port)))
    await emea.start(nursery, "emea")
    await apac.until("outgoing", CONNECTION, "ready")
    answer = await apac.get("/readyz")
    assert (answer.status, answer.json["status"], reasons(answer)) == (200, "ready", [])
    await emea.until("listener", "gateway", "listening")
    assert (await emea.get("/readyz")).status == 200
    await emea.cluster.stop()
    await apac.until("outgoing", CONNECTION, "backoff")
    assert (await apac.get("/readyz")).status == 503
    await apac.cluster.stop()


async def test_a_channel_that_cannot_listen_makes_a_server_not_ready(nursery: trio.Nursery) -> None:
    """And the reason is that of the operating system."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        emea = Watched(emea_settings(address=loopback(taken.getsockname()[1])))
        await emea.start(nursery, "emea")
        await emea.until("listener", "gateway", "cannot listen")
        answer = await emea.get("/readyz")
    assert answer.status == 503
    [reason] = reasons(answer)
    assert (reason["what"], reason["name"]) == ("channel", "gateway")
    assert "in use" in reason["reason"]
    await emea.cluster.stop()


async def test_a_store_that_cannot_be_written_makes_a_server_not_ready(nursery: trio.Nursery) -> None:
    """Looking whether it can is a write, which changes nothing."""
    emea = Watched(emea_settings(address=loopback(free_port())))
    cluster = await emea.start(nursery, "emea")
    await emea.until("listener", "gateway", "listening")
    assert (await emea.get("/readyz")).status == 200
    seen = cluster.watched
    assert seen is not None
    store = seen.gauges._store
    await store.do(lambda: store.ledger.database.execute("PRAGMA query_only = 1"))
    with trio.fail_after(30):
        while (answer := await emea.get("/readyz")).status == 200:  # what was found holds for a second
            await trio.sleep(0.1)
    [reason] = reasons(answer)
    assert reason["what"] == "store"
    assert "readonly" in reason["reason"]
    assert (await emea.get("/metrics")).status == 200  # without the depths of queues
    store.ledger.database.execute("PRAGMA query_only = 0")
    with trio.fail_after(30):
        while (await emea.get("/readyz")).status != 200:
            await trio.sleep(0.1)
    await emea.cluster.stop()


def reasons(answer: Answer) -> list[dict[str, str]]:
    found = answer.json["reasons"]
    assert isinstance(found, list)
    return found


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


DEFINITIONS: Mapping[str, tuple[SecuritySettings, Mapping[str, str]]] = {
    "basic": (SecuritySettings("prometheus", Secret.of(PASSWORD)), {"authorization": basic("prometheus", PASSWORD)}),
    "bearer": (
        SecuritySettings(type=SecurityKind.BEARER, token=Secret.of(PASSWORD)),
        {"authorization": f"Bearer {PASSWORD}"},
    ),
    "apikey": (SecuritySettings(type=SecurityKind.API_KEY, key=Secret.of(PASSWORD)), {"x_api_key": PASSWORD}),
}


@pytest.mark.parametrize("kind", DEFINITIONS)
async def test_metrics_are_for_those_who_show_credentials(kind: str, nursery: trio.Nursery) -> None:
    """Where a security definition is named; probes need none, and learn no reasons."""
    definition, headers = DEFINITIONS[kind]
    settings = apac_settings(hooks=False, address=loopback(free_port()), required=True)
    apac = Watched(evolve(settings, security={"watchers": definition}), "watchers")
    await apac.start(nursery, "apac")
    refused = await apac.get("/metrics")
    assert refused.status == 401
    assert "isthmus_" not in refused.text
    assert "Basic" in refused.headers["www-authenticate"]
    wrong = {name: value.replace(PASSWORD, "wrong") for name, value in headers.items()}
    if kind == "basic":
        wrong = {"authorization": basic("prometheus", "wrong")}
    assert (await apac.get("/metrics", **wrong)).status == 401
    assert (await apac.get("/metrics", **headers)).status == 200
    assert (await apac.get("/healthz")).status == 200
    ready = await apac.get("/readyz")
    assert (ready.status, "reasons" in ready.json) == (503, False)
    assert len(reasons(await apac.get("/readyz", **headers))) == 1
    await apac.cluster.stop()


async def test_those_who_guess_are_refused_for_a_while(nursery: trio.Nursery) -> None:
    """As at a channel, with the right password, too."""
    definition, headers = DEFINITIONS["basic"]
    settings = evolve(emea_settings(address=loopback(free_port())), security={"watchers": definition}, channels={})
    emea = Watched(evolve(settings, endpoints={}), "watchers")
    await emea.start(nursery, "emea")
    for _ in range(20):
        assert (await emea.get("/metrics", authorization=basic("prometheus", "wrong"))).status == 401
    assert (await emea.get("/metrics", **headers)).status == 401
    await emea.cluster.stop()


async def test_an_address_that_is_taken_is_said_and_tried_again(nursery: trio.Nursery) -> None:
    """The cluster runs meanwhile, and answers as soon as the address is free."""
    emea = Watched(emea_settings(address=loopback(free_port())))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", emea.port))
        taken.listen()
        await emea.start(nursery, "emea")
        await emea.until("monitor", "http", "cannot listen")
        await emea.until("listener", "gateway", "listening")
        entry = emea.cluster.registry.find("monitor:http")
        assert entry is not None
        assert "in use" in entry.detail["reason"]
    assert (await emea.get("/healthz")).status == 200
    await emea.cluster.stop()


async def test_a_peer_that_says_nothing_holds_up_no_shutdown(nursery: trio.Nursery) -> None:
    """Nor one that has half said what it wants, or takes nothing of what it is sent."""
    emea = Watched(emea_settings(address=loopback(free_port())))
    await emea.start(nursery, "emea")
    await emea.until("monitor", "http", "listening")
    for said in (b"", b"GET /metrics HTT", b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" * 50):
        stream = await trio.open_tcp_stream("127.0.0.1", emea.port)
        nursery.start_soon(stream.send_all, said)
        nursery.start_soon(_hold, stream)
    assert (await emea.get("/healthz")).status == 200
    with trio.fail_after(30):
        await emea.cluster.stop()
    nursery.cancel_scope.cancel()


async def _hold(stream: trio.SocketStream) -> None:
    async with stream:
        await trio.sleep_forever()
