"""Clusters over TLS, and by way of a proxy."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from actors import Service
from actors.secret import Secret
from actors.settings import OutgoingSettings, SecurityKind, SecuritySettings
from runtime.config.schema import ClusterSettings
from runtime.testing import MemoryNetwork, SimulatedCluster
from runtime.transport import Address
from runtime.transport.proxy import ProxyNetwork
from runtime.transport.tls import ServerTls
from tests.certificates import Authority, Certificate
from tests.support import CONNECTION, apac_settings, emea_settings, start

ADDRESS = "wss://127.0.0.1:47443/zato.wsx.gateway"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def emea(authority: Authority, **channel: Any) -> ClusterSettings:
    own = authority.issue()
    return emea_settings(address=ADDRESS, tls_certificate=own.certificate, tls_key=own.key, **channel)


def apac(**outgoing: Any) -> ClusterSettings:
    return apac_settings(hooks=False, address=ADDRESS, **outgoing)


def outgoing_of(cluster: SimulatedCluster) -> dict[str, Any]:
    return cluster.entry("outgoing", CONNECTION)


async def echoed(cluster: SimulatedCluster, data: Any) -> Any:
    """Call a service of the other cluster."""
    call = {"connection": CONNECTION, "data": {"service": "test.echo", "request": data}}
    return await cluster.invoke("isthmus.admin.invoke-via", call)


async def failure_of(cluster: SimulatedCluster) -> str:
    """Return why the connection has no link."""
    await cluster.until("outgoing", CONNECTION, "backoff")
    return str(outgoing_of(cluster))


async def test_clusters_talk_over_tls(
    network: MemoryNetwork, nursery: trio.Nursery, authority: Authority, wire: str
) -> None:
    """A channel with a certificate, and a connection that trusts its authority and pins it."""
    settings = emea(authority)
    certificate = authority.issue("other")  # any: what is pinned is the server's
    pin = pin_of(settings)
    await start(nursery, network, "emea", settings, [Echo])
    one = await start(
        nursery, network, "apac", apac(tls_ca=authority.path, tls_fingerprint=(certificate.fingerprint, pin))
    )
    await one.until("outgoing", CONNECTION, "ready")
    assert await echoed(one, {"a": 1}) == {"a": 1}


def pin_of(settings: ClusterSettings) -> str:
    """Return the fingerprint of a channel's certificate."""
    from_file = settings.channels["gateway"]
    assert from_file.tls_certificate is not None
    assert from_file.tls_key is not None

    return Certificate(from_file.tls_certificate, from_file.tls_key).fingerprint


class Echo(Service):
    name = "test.echo"

    async def handle(self, request: Any) -> Any:
        return request


@pytest.mark.parametrize(
    ("names", "trusts", "pin", "reason"),
    [
        (("other.example",), True, "", "mismatch"),
        ((), False, "", "certificate"),
        ((), True, "ab" * 32, "not the pinned one"),
    ],
    ids=["another host", "unknown authority", "another certificate"],
)
async def test_a_certificate_that_does_not_hold_ends_the_dial(
    network: MemoryNetwork,
    nursery: trio.Nursery,
    authority: Authority,
    names: tuple[str, ...],
    trusts: bool,
    pin: str,
    reason: str,
) -> None:
    """The connection says that it was TLS, and what is wrong with the certificate."""
    settings = emea(authority)
    authority.issue("server", *names)
    await start(nursery, network, "emea", settings)
    ca = authority.path if trusts else None
    one = await start(nursery, network, "apac", apac(tls_ca=ca, tls_fingerprint=pin))
    found = await failure_of(one)
    assert "TLS: 127.0.0.1: " in found
    assert reason in found


async def test_another_host_only_where_it_is_said_to_be_unsafe(
    network: MemoryNetwork, nursery: trio.Nursery, authority: Authority
) -> None:
    """With `unsafe_tls_any_host` the name is not looked at, the authority is."""
    settings = emea(authority)
    authority.issue("server", "other.example")
    await start(nursery, network, "emea", settings)
    one = await start(nursery, network, "apac", apac(tls_ca=authority.path, unsafe_tls_any_host=True))
    await one.until("outgoing", CONNECTION, "ready")


async def test_new_certificates_are_taken_up_without_dropping_links(
    network: MemoryNetwork, nursery: trio.Nursery, authority: Authority
) -> None:
    """A link goes on over a change of files; the next one gets the new certificate, or the old one if they are broken."""
    settings = emea(authority)
    before = pin_of(settings)
    await start(nursery, network, "emea", settings, [Echo])
    one = await start(nursery, network, "apac", apac(tls_ca=authority.path, tls_fingerprint=before))
    await one.until("outgoing", CONNECTION, "ready")
    after = authority.issue().fingerprint
    assert after != before
    two = await start(nursery, network, "two", apac(tls_ca=authority.path, tls_fingerprint=after))
    await two.until("outgoing", CONNECTION, "ready")
    certificate = settings.channels["gateway"].tls_certificate
    assert certificate is not None
    certificate.write_text("nonsense")
    three = await start(nursery, network, "three", apac(tls_ca=authority.path, tls_fingerprint=after))
    await three.until("outgoing", CONNECTION, "ready")
    assert await echoed(one, 1) == 1
    assert outgoing_of(one)["restarts"] == 0


async def test_a_channel_without_its_files_tries_again(
    network: MemoryNetwork, nursery: trio.Nursery, authority: Authority
) -> None:
    """A missing key is told, and the channel opens once it is there."""
    settings = emea(authority)
    key = settings.channels["gateway"].tls_key
    assert key is not None
    kept = key.read_bytes()
    key.unlink()
    cluster = await start(nursery, network, "emea", settings)
    await cluster.until("listener", "gateway", "cannot listen")
    key.write_bytes(kept)
    await cluster.until("listener", "gateway", "listening")


@pytest.mark.parametrize("shows", ["right", "other name", "none"])
async def test_a_client_certificate_proves_who_it_is(
    network: MemoryNetwork, nursery: trio.Nursery, authority: Authority, shows: str
) -> None:
    """The name in it decides; without one there is no link, and the dial says why that may be."""
    settings = emea(authority, tls_client_ca=authority.path)
    definition = SecuritySettings(type=SecurityKind.CERTIFICATE, certificate_name="apac.example")
    gateway = evolve(settings.channels["gateway"], security="certificate")
    settings = evolve(settings, security={"certificate": definition}, channels={"gateway": gateway})
    await start(nursery, network, "emea", settings)
    outgoing: dict[str, Any] = {}
    if shows != "none":
        own = authority.issue("client", "apac.example" if shows == "right" else "other.example")
        outgoing = {"tls_certificate": own.certificate, "tls_key": own.key}
    connection = OutgoingSettings(ADDRESS, tls_ca=authority.path, **outgoing)
    one = await start(nursery, network, "apac", ClusterSettings(outgoing={CONNECTION: connection}))
    if shows == "right":
        await one.until("outgoing", CONNECTION, "ready")
    elif shows == "other name":
        await one.until("outgoing", CONNECTION, "rejected")
    else:
        assert "asks for a certificate that it has not been shown" in await failure_of(one)


def test_old_tls_is_not_spoken(authority: Authority) -> None:
    """Nothing below TLS 1.2, whatever the system's defaults are."""
    own = authority.issue()
    assert ServerTls(own.certificate, own.key).context().minimum_version.name == "TLSv1_2"


# By way of a proxy

PROXY = Address("ws", "proxy.example", 3128, "/")


class Proxy:
    """An HTTP proxy that wants credentials; `asked` are the requests' heads."""

    def __init__(self, network: MemoryNetwork, answer: bytes | None = None) -> None:
        self._node = network.node("proxy")
        self._answer = answer
        self.asked: list[str] = []

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        [listener] = await self._node.listen(PROXY)
        async with trio.open_nursery() as nursery, listener:
            task_status.started()
            while True:
                nursery.start_soon(self._pass_on, await listener.accept())

    async def _pass_on(self, client: trio.abc.Stream) -> None:
        async with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await client.receive_some()
            self.asked.append(head.decode())
            token = base64.b64encode(b"me:planted-proxy-password").decode()
            if self._answer is not None:
                with suppress(trio.BrokenResourceError):  # not all of it is wanted
                    await client.send_all(self._answer)
                return
            if f"Basic {token}" not in self.asked[-1]:
                await client.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            host, port = self.asked[-1].split()[1].split(":")
            async with await self._node.connect(Address("ws", host, int(port), "/")) as server:
                await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._copy, client, server, nursery.cancel_scope)
                    nursery.start_soon(self._copy, server, client, nursery.cancel_scope)

    async def _copy(self, source: trio.abc.Stream, target: trio.abc.Stream, scope: trio.CancelScope) -> None:
        try:
            while data := await source.receive_some():
                await target.send_all(data)
        except trio.BrokenResourceError:
            pass
        scope.cancel()


THROUGH = {"proxy": "http://proxy.example:3128", "proxy_username": "me"}


async def test_a_link_goes_through_a_proxy(network: MemoryNetwork, nursery: trio.Nursery, authority: Authority) -> None:
    """The proxy is asked for the remote with its own credentials, and sees nothing but TLS then."""
    proxy = Proxy(network)
    await nursery.start(proxy.serve)
    await start(nursery, network, "emea", emea(authority), [Echo])
    password = Secret.of("planted-proxy-password")
    one = await start(nursery, network, "apac", apac(tls_ca=authority.path, **THROUGH, proxy_password=password))
    await one.until("outgoing", CONNECTION, "ready")
    assert proxy.asked[0].startswith("CONNECT 127.0.0.1:47443 HTTP/1.1")
    assert await echoed(one, 1) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "proxy: proxy.example:3128: HTTP 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "proxy: proxy.example:3128: HTTP 502 Bad Gateway"),
        (b"nonsense\r\n\r\n", "proxy: proxy.example:3128: it does not answer as a proxy does"),
        (b"", "proxy: proxy.example:3128: it "),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "it sent bytes that nobody asked for"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "it does not answer as a proxy does"),
    ],
)
async def test_a_proxy_that_refuses_is_named(
    network: MemoryNetwork, nursery: trio.Nursery, answer: bytes | None, reason: str
) -> None:
    """With its status, or what it did instead."""
    await nursery.start(Proxy(network, answer).serve)
    through = ProxyNetwork(network.node("apac"), PROXY, lambda: ("me", "wrong"))
    with pytest.raises(Exception, match=reason.replace("(", r"\(")) as caught:
        await through.connect(Address.parse(ADDRESS))
    assert "wrong" not in str(caught.value)


async def test_a_proxy_out_of_reach_is_named(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Not the remote, which nobody has tried."""
    with pytest.raises(Exception, match=r"proxy: proxy\.example:3128: .*connection refused"):
        await ProxyNetwork(network.node("apac"), PROXY).connect(Address.parse(ADDRESS))
