"""Links whose frames go compressed: which ones do, and that what is unread stays bounded on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.messages import Invoke
from actors.settings import Compression
from runtime.testing import MemoryNetwork
from runtime.transport import LinkOptions, Network
from runtime.transport import inbox as inbox_module
from runtime.transport.tcp import TcpNetwork
from runtime.transport.tls import ClientTls, ServerTls, TlsNetwork
from runtime.transport.unix import UnixNetwork
from runtime.transport.websocket import MakeWire, is_this_machine
from runtime.wire import NativeWire, Role
from tests.certificates import Authority
from tests.runtime.test_two_clusters import Relay
from tests.runtime.transport import support
from tests.runtime.transport.test_tcp import address_at, free_port, idle
from tests.support import CONNECTION, apac_settings, emea_settings, start

AUTO, ON, OFF = Compression.AUTO, Compression.ON, Compression.OFF
LARGE = "what is said again and again, " * 20_000
RATE = 64 * 1024
"""Bytes a second of a link that is slow, at which a large message takes 10 s uncompressed."""


@pytest.mark.parametrize(
    ("outgoing", "channel", "is_compressed"),
    [(AUTO, AUTO, True), (ON, AUTO, True), (ON, ON, True), (OFF, ON, False), (AUTO, OFF, False)],
)
async def test_large_messages_go_compressed_where_both_ends_want_it(
    network: MemoryNetwork, nursery: trio.Nursery, outgoing: Compression, channel: Compression, is_compressed: bool
) -> None:
    """Then a slow link carries them in a fraction of the time, there and back."""
    await start(nursery, network, "emea", emea_settings(compression=channel))
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, compression=outgoing), [Relay])
    await apac.until("outgoing", CONNECTION, "ready")
    for path in (("apac", "emea"), ("emea", "apac")):
        network.throttle(*path, RATE)
    began = trio.current_time()
    assert (
        await apac.invoke("test.relay", {"message": {"service": "demo.echo", "request": LARGE}, "timeout": 60.0})
        == LARGE
    )
    assert (trio.current_time() - began < len(LARGE) / RATE) == is_compressed


async def test_what_is_unread_counts_as_large_as_it_got(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few compressed bytes that become many fill the inbox as though they had come uncompressed."""

    def make_wire(role: Role, options: LinkOptions) -> MakeWire:
        return lambda _subprotocol, _is_local: NativeWire(
            role, timestamp=str, max_message_size=options.max_message_size, compresses=True
        )

    monkeypatch.setattr(support, "make_wire", make_wire)
    monkeypatch.setattr(inbox_module, "HIGH_INBOX_BYTES", len(LARGE))
    async with support.pair(network) as (client, server):
        await client.send(Invoke("one", LARGE[: len(LARGE) // 2]))
        while not server._inbox.waiting:
            await trio.sleep(0.1)
        assert not server.is_throttled
        await client.send(Invoke("two", LARGE))
        while len(server._inbox.waiting) < 2:
            await trio.sleep(0.1)
        assert server.is_throttled
        assert len(await server.receive()) == 2
        assert not server.is_throttled


def tcp(_folder: Path) -> Network:
    return TcpNetwork()


def tls(folder: Path) -> Network:
    authority = Authority(folder)
    ours = authority.issue()
    server, client = ServerTls(ours.certificate, ours.key), ClientTls(authority.path)
    return TlsNetwork(TcpNetwork(), server=server, client=client)


def unix(folder: Path) -> Network:
    return UnixNetwork(folder / "socket")


def memory(_folder: Path) -> Network:
    return MemoryNetwork().node("here")


@pytest.mark.parametrize(("make", "is_local"), [(tcp, True), (tls, True), (unix, True), (memory, False)])
async def test_a_link_knows_whether_its_peer_is_on_this_machine(
    make: Callable[[Path], Network], is_local: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At both ends, whatever carries it; the simulated network counts as far away."""
    told = []
    makers = support.make_wire

    def make_wire(*arguments: Any) -> Any:
        def note(subprotocol: str | None, is_local: bool) -> Any:
            told.append(is_local)
            return makers(*arguments)(subprotocol, is_local)

        return note

    monkeypatch.setattr(support, "make_wire", make_wire)
    network = make(tmp_path)
    address = address_at(free_port(), scheme="wss" if make is tls else "ws")
    async with support.serving(network, idle, address=address), support.dial(network, address=address):
        assert told == [is_local, is_local]


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        (("127.0.0.1", 80), True),
        (("127.9.9.9", 80), True),
        (("::1", 80, 0, 0), True),
        ("/run/socket", True),
        (("10.0.0.1", 80), False),
        (("192.0.2.7", 80), False),
        (("fe80::1%eth0", 80, 0, 2), False),
    ],
)
def test_the_addresses_of_this_machine(name: object, is_ours: bool) -> None:
    """Those of the loopback interface, and the names of Unix sockets."""
    assert is_this_machine(name) == is_ours
