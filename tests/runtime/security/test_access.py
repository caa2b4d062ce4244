"""Who may connect to a channel over real sockets: address lists, proxies that are trusted, and how many of one address."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from actors import Service
from runtime.testing.ports import RecordedAudit
from runtime.transport import Address
from tests.processes import free_port
from tests.runtime.transport.support import websocket
from tests.runtime.transport.test_bad_peers import KEYS, until_listening, until_sessions
from tests.runtime.zato_peer import ZatoPeer
from tests.support import emea_settings, start_real

PROXY, OTHER = "127.0.0.2", "127.0.0.3"
"""Further addresses of this machine, which a client may come from."""


class Where(Service):
    name = "test.where"

    async def handle(self) -> Any:
        assert self.caller is not None
        return {"forwarded_for": self.caller.forwarded_for, "address": self.caller.address}


class Channel:
    """A channel of a cluster on a real socket, and the entries of its audit log."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.audit: list[dict[str, Any]] = []

    @asynccontextmanager
    async def client(
        self, source: str = "127.0.0.1", *forwarded: str, **headers: str
    ) -> AsyncGenerator[ZatoPeer, None]:
        """Connect from one of this machine's addresses, with headers."""
        extra = [(b"X-Forwarded-For", one.encode()) for one in forwarded]
        extra += [(name.encode(), value.encode()) for name, value in headers.items()]
        stream = await trio.open_tcp_stream(self.address.host, self.address.port, local_address=source)
        async with websocket(stream, self.address, extra_headers=extra) as socket:
            yield ZatoPeer(socket)

    async def status(self, source: str = "127.0.0.1", *forwarded: str, **headers: str) -> int:
        """Return the status of an upgrade; 101 where it was granted, 0 where the connection ended without a word."""
        head = f"GET {self.address.path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{KEYS}"
        head += "".join(f"X-Forwarded-For: {one}\r\n" for one in forwarded)
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        stream = await trio.open_tcp_stream(self.address.host, self.address.port, local_address=source)
        try:
            await stream.send_all(f"{head}\r\n".encode())
            answer = await stream.receive_some()
        except trio.BrokenResourceError:
            return 0
        finally:
            await stream.aclose()
        return int(answer.split()[1]) if answer else 0

    @property
    def refused(self) -> list[tuple[str, str]]:
        found = [one for one in self.audit if one["event"] == "connection"]
        return [(one["address"].partition(":")[0], one["reason"]) for one in found]


@asynccontextmanager
async def channel(nursery: trio.Nursery, **options: Any) -> AsyncGenerator[Channel, None]:
    address = Address("ws", "127.0.0.1", free_port(), "/gateway")
    found = Channel(address)
    cluster = await start_real(
        nursery, "emea", emea_settings(address=str(address), **options), [Where], audit=RecordedAudit(found.audit)
    )
    with trio.fail_after(30):
        await until_listening(cluster)
        yield found
        await until_sessions(cluster, 0)
        await cluster.stop()


async def test_only_those_allowed_may_connect(nursery: trio.Nursery) -> None:
    """Whoever is not on the list does not get a word, and not one of his bytes is read; the audit log has him."""
    async with channel(nursery, allowed_addresses=("127.0.0.1",)) as gateway:
        assert await gateway.status() == 101
        assert await gateway.status(OTHER) == 0
        assert gateway.refused == [(OTHER, "its address is not allowed")]


async def test_those_denied_may_not_connect(nursery: trio.Nursery) -> None:
    """Although they are allowed, too."""
    async with channel(nursery, allowed_addresses=("127.0.0.0/8",), denied_addresses=(f"{OTHER}/32",)) as gateway:
        assert await gateway.status(PROXY) == 101
        assert await gateway.status(OTHER) == 0


async def test_only_a_trusted_proxy_says_who_somebody_is(nursery: trio.Nursery) -> None:
    """To services and to the audit log; what anybody else says in the header is not looked at."""
    async with channel(nursery, trusted_proxies=(PROXY,)) as gateway:
        for source, forwarded, expected in (
            (PROXY, ("203.0.113.9",), "203.0.113.9"),
            (PROXY, ("198.51.100.1", "203.0.113.9"), "203.0.113.9"),
            (PROXY, (f"198.51.100.1, 203.0.113.9, {PROXY}",), "203.0.113.9"),
            (PROXY, (), ""),
            (OTHER, ("203.0.113.9",), ""),
        ):
            async with gateway.client(source, *forwarded) as peer:
                await peer.log_in()
                answer = (await peer.invoke("test.where"))["data"]["response"]["zato_gateway_response"]
                assert answer == {"forwarded_for": expected, "address": expected or source}
        granted = [(one["address"].partition(":")[0], one.get("proxy", "").partition(":")[0]) for one in gateway.audit]
        assert granted == [("203.0.113.9", PROXY)] * 3 + [(PROXY, ""), (OTHER, "")]


async def test_lists_are_about_the_clients_behind_a_proxy(nursery: trio.Nursery) -> None:
    """The proxy itself may be on no list; whoever says that he came through it without doing so is refused."""
    lists: dict[str, Any] = {"allowed_addresses": ("203.0.113.0/24",), "denied_addresses": ("203.0.113.66",)}
    async with channel(nursery, trusted_proxies=(PROXY,), **lists) as gateway:
        assert await gateway.status(PROXY, "203.0.113.9") == 101
        assert await gateway.status(PROXY, "203.0.113.66") == 403
        assert await gateway.status(PROXY, "203.0.113.9, 198.51.100.1") == 403
        assert await gateway.status(PROXY) == 403
        assert await gateway.status(OTHER, "203.0.113.9") == 0
        assert [address for address, _ in gateway.refused] == ["203.0.113.66", "198.51.100.1", PROXY, OTHER]


async def test_attempts_are_counted_by_the_client_behind_a_proxy(nursery: trio.Nursery) -> None:
    """One of them that guesses passwords locks nobody else out who comes through the same proxy."""
    async with channel(nursery, trusted_proxies=(PROXY,), max_failed_logins=2) as gateway:
        reasons = []
        for client in ("203.0.113.9", "203.0.113.9", "203.0.113.9", "203.0.113.10"):
            async with gateway.client(PROXY, client) as peer:
                await peer.send("create-session", {}, username=f"user{len(reasons)}", secret="wrong")
                await peer.end()
            reasons.append(gateway.audit[-1]["reason"])
        assert [reason.startswith("too many") for reason in reasons] == [False, False, True, False]


async def test_only_so_many_sessions_come_from_one_address(nursery: trio.Nursery) -> None:
    """One more is told 429, others are not concerned, and who leaves makes room."""
    async with channel(nursery, max_sessions_per_address=2) as gateway:
        async with gateway.client() as one, gateway.client() as two:
            await one.log_in()
            await two.log_in()
            assert await gateway.status() == 429
            assert await gateway.status(OTHER) == 101
            assert gateway.refused == [("127.0.0.1", "too many connections of this address")]
        with trio.fail_after(10):
            while await gateway.status() != 101:
                await trio.sleep(0.01)


async def silent_ones(nursery: trio.Nursery, gateway: Channel, source: str, number: int) -> list[trio.SocketStream]:
    """Connect so often from one address, and say nothing."""
    address = gateway.address
    return [await trio.open_tcp_stream(address.host, address.port, local_address=source) for _ in range(number)]


async def test_one_address_cannot_keep_all_places_for_handshakes(nursery: trio.Nursery) -> None:
    """However many connect from it and say nothing, somebody else logs in at once; it does as they leave."""
    async with channel(nursery, max_handshakes=8, handshake_timeout=60.0) as gateway:
        silent = await silent_ones(nursery, gateway, OTHER, 50)
        with trio.fail_after(30):
            for _ in range(20):
                async with gateway.client() as one:
                    await one.log_in()
        with trio.move_on_after(0.5) as patience:
            await gateway.status(OTHER)
        assert patience.cancelled_caught
        for stream in silent:
            await stream.aclose()
        with trio.fail_after(30):
            assert await gateway.status(OTHER) == 101


async def test_a_proxy_may_have_all_places_for_handshakes(nursery: trio.Nursery) -> None:
    """There are many behind it."""
    async with channel(nursery, max_handshakes=2, trusted_proxies=(PROXY,)) as gateway:
        [silent] = await silent_ones(nursery, gateway, PROXY, 1)
        with trio.fail_after(30):
            async with gateway.client(PROXY, "192.0.2.7") as one:
                await one.log_in()
        await silent.aclose()


async def test_only_so_many_wait_for_a_place(nursery: trio.Nursery) -> None:
    """As many as may have sessions: others are turned away without a word, and without a place others come in."""
    async with channel(nursery, max_handshakes=2, max_sessions_per_address=3, handshake_timeout=60.0) as gateway:
        silent = await silent_ones(nursery, gateway, OTHER, 4)  # one has its place, three wait
        assert await gateway.status(OTHER) == 0
        assert gateway.refused == [(OTHER, "too many connections of this address")]
        assert await gateway.status() == 101
        for stream in silent:
            await stream.aclose()


async def test_clients_behind_a_proxy_are_counted_each(nursery: trio.Nursery) -> None:
    """Not the proxy, which all come from."""
    async with (
        channel(nursery, max_sessions_per_address=1, trusted_proxies=(PROXY,)) as gateway,
        gateway.client(PROXY, "203.0.113.9"),
    ):
        assert await gateway.status(PROXY, "203.0.113.10") == 101
        assert await gateway.status(PROXY, "203.0.113.9") == 429


async def test_only_so_many_sessions_are_there_in_all(nursery: trio.Nursery) -> None:
    """One more is told 503, and the audit log has it."""
    async with channel(nursery, max_sessions=2) as gateway, gateway.client(), gateway.client(OTHER):
        assert await gateway.status() == 503
        assert gateway.refused == [("127.0.0.1", "too many connections")]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://shop.example", 101),
        ("https://evil.example", 403),
        ("https://shop.example.evil.example", 403),
        ("http://shop.example", 403),
        ("null", 403),
        ("", 101),
    ],
)
async def test_browsers_come_from_allowed_origins_only(nursery: trio.Nursery, origin: str, status: int) -> None:
    """And from the address itself; whoever is no browser says no origin."""
    async with channel(nursery, allowed_origins=("https://shop.example",)) as gateway:
        headers = {"Origin": origin} if origin else {}
        assert await gateway.status(**headers) == status
        assert await gateway.status(Origin=f"ws://127.0.0.1:{gateway.address.port}") == 101


async def test_a_header_that_is_too_large_ends_its_connection(nursery: trio.Nursery) -> None:
    """Beyond 16 KiB without an end of the head, nothing more is read; others are served."""
    async with channel(nursery) as gateway:
        stream = await trio.open_tcp_stream(gateway.address.host, gateway.address.port)
        answer = b""
        with trio.fail_after(5):
            try:
                await stream.send_all(b"GET /gateway HTTP/1.1\r\nHost: x\r\n")
                for number in range(1000):
                    await stream.send_all(b"X-%d: %s\r\n" % (number, b"a" * 1000))
                answer = b"".join([part async for part in stream])
            except trio.BrokenResourceError:
                pass
        await stream.aclose()
        assert b"101" not in answer
        assert await gateway.status() == 101
