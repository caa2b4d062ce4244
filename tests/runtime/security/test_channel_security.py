"""Who gets a session at a channel, and what it may do there."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
import trio
from attrs import evolve

from actors import Service
from actors.channels.credentials import NOT_AUTHORIZED
from actors.secret import Secret
from actors.settings import SecurityKind, SecuritySettings
from runtime.config.schema import ClusterSettings
from runtime.security import gate as gates
from runtime.security.passwords import hash_of
from runtime.testing import MemoryNetwork
from runtime.testing.ports import EPOCH
from runtime.transport import Address
from tests.planted import PASSWORD, planted
from tests.runtime.transport.support import websocket
from tests.runtime.zato_peer import ZatoPeer
from tests.support import ADDRESS, emea_settings, start

JWT_KEY = planted("jwt-key") * 2
TOKEN, KEY, HASHED = planted("token"), planted("key"), planted("hashed")
OPERATOR, OLD, WRONG = planted("operator"), planted("old"), planted("wrong")
DEFINITIONS = {
    "apac": SecuritySettings("apac", (Secret.of(OLD), Secret.of(PASSWORD))),
    "hashed": SecuritySettings("hashed", Secret.of(hash_of(HASHED)), services_allowed=("test.who",)),
    "bearer": SecuritySettings(type=SecurityKind.BEARER, token=Secret.of(TOKEN), services_allowed=("demo.*",)),
    "partner": SecuritySettings("partner-name", type=SecurityKind.API_KEY, key=Secret.of(KEY), header="X-Partner"),
    "signed": SecuritySettings(type=SecurityKind.JWT, key=Secret.of(JWT_KEY)),
    "operator": SecuritySettings("operator", Secret.of(OPERATOR), admin=True),
}


class Who(Service):
    """Tells who calls."""

    name = "test.who"

    async def handle(self) -> dict[str, Any]:
        channel = self.channel
        return {"security": channel.security.name, "username": channel.security.username}


def settings(**channel: Any) -> ClusterSettings:
    found = emea_settings(**channel)
    gateway = evolve(found.channels["gateway"], security=tuple(DEFINITIONS), services_allowed=("test.*",))
    return evolve(found, security=DEFINITIONS, channels={"gateway": gateway})


@asynccontextmanager
async def client(network: MemoryNetwork, headers: dict[str, str] | None = None) -> AsyncIterator[ZatoPeer]:
    """Connect with headers of one's own."""
    where = Address.parse(ADDRESS)
    stream = await network.node("peer").connect(where)
    extra = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    async with websocket(stream, where, extra_headers=extra) as socket:
        yield ZatoPeer(socket)


async def log_in(peer: ZatoPeer, username: str | None = None, secret: str | None = None) -> dict[str, Any]:
    own = {key: value for key, value in {"username": username, "secret": secret}.items() if value is not None}
    await peer.send("create-session", {}, **own)
    answer = await peer.receive()
    peer.token = answer["data"].get("token") if isinstance(answer["data"], dict) else None
    return answer


def status_of(answer: dict[str, Any]) -> int:
    return int(answer["meta"]["status"])


def basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


def signed() -> str:
    ends = EPOCH.timestamp() + 1e6
    return jwt.encode({"sub": "of-the-token", "exp": ends}, JWT_KEY, algorithm="HS256")


@pytest.mark.parametrize(
    ("headers", "said", "security", "username"),
    [
        ({}, ("apac", PASSWORD), "apac", "apac"),
        ({}, ("apac", OLD), "apac", "apac"),
        (basic("apac", PASSWORD), (None, None), "apac", "apac"),
        ({}, ("hashed", HASHED), "hashed", "hashed"),
        ({"X-Partner": KEY}, (None, None), "partner", "partner-name"),
        ({}, (None, KEY), "partner", "partner-name"),
        ({"Authorization": f"Bearer {signed()}"}, (None, None), "signed", "of-the-token"),
        ({}, (None, signed()), "signed", "of-the-token"),
    ],
)
async def test_each_kind_of_credentials_lets_in(
    network: MemoryNetwork,
    nursery: trio.Nursery,
    headers: dict[str, str],
    said: tuple[str | None, str | None],
    security: str,
    username: str,
) -> None:
    """In the session request or in the upgrade; services see which definition it was and what the user is called."""
    emea = await start(nursery, network, "emea", settings(), [Who])
    await emea.until("listener", "gateway", "listening")
    async with client(network, headers) as peer:
        assert status_of(await log_in(peer, *said)) == 200
        answer = await peer.invoke("test.who")
        assert answer["data"]["response"]["zato_gateway_response"] == {"security": security, "username": username}


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, ("apac", WRONG)),
        ({}, ("nobody", PASSWORD)),
        ({}, ("apac", None)),
        ({}, (None, None)),
        ({}, (None, PASSWORD)),
        ({}, ("hashed", PASSWORD)),
        ({}, ("hashed", DEFINITIONS["hashed"].secrets[0].reveal())),
        ({}, ("", "")),
        (basic("apac", WRONG), (None, None)),
        ({"Authorization": "Basic nonsense"}, (None, None)),
        ({"Authorization": f"Bearer {WRONG}"}, (None, None)),
        ({"Authorization": f"Bearer {KEY}"}, (None, None)),
        ({"X-Api-Key": KEY}, (None, None)),
        ({"X-Partner": ""}, (None, None)),
        ({}, ("apac", TOKEN)),
    ],
)
async def test_whoever_is_wrong_gets_the_same_answer(
    network: MemoryNetwork, nursery: trio.Nursery, headers: dict[str, str], said: tuple[str | None, str | None]
) -> None:
    """An unknown user, a wrong password and no credentials at all are told the same."""
    emea = await start(nursery, network, "emea", settings(), [Who])
    await emea.until("listener", "gateway", "listening")
    async with client(network, headers) as peer:
        answer = await log_in(peer, *said)
        assert status_of(answer) == 403
        assert NOT_AUTHORIZED in str(answer)
        assert (await peer.end())[1] == 1008


async def test_services_must_be_allowed_by_channel_and_definition(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Where both say something both must allow it; where the channel says nothing the definition decides."""
    own = settings()
    emea = await start(nursery, network, "emea", own, [Who])
    await emea.until("listener", "gateway", "listening")
    async with client(network, {"Authorization": f"Bearer {TOKEN}"}) as peer:
        await log_in(peer)
        assert status_of(await peer.invoke("test.who")) == 403
        assert status_of(await peer.invoke("demo.ping")) == 403
    async with client(network) as peer:
        await log_in(peer, "hashed", HASHED)
        assert status_of(await peer.invoke("test.who")) == 200
        assert status_of(await peer.invoke("test.other")) == 403
    await emea.stop()
    own.channels["gateway"] = evolve(own.channels["gateway"], services_allowed=())
    emea = await start(nursery, network, "emea", own, [Who])
    await emea.until("listener", "gateway", "listening")
    async with client(network) as peer:
        await log_in(peer, "hashed", HASHED)
        assert status_of(await peer.invoke("test.who")) == 200
    async with client(network) as peer:
        await log_in(peer, "apac", PASSWORD)
        assert status_of(await peer.invoke("test.who")) == 403


async def test_only_an_admin_definition_administrates(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Whatever `services_allowed` says, in either direction."""
    own = settings()
    own.channels["gateway"] = evolve(own.channels["gateway"], services_allowed=("**",))
    emea = await start(nursery, network, "emea", own, [Who])
    await emea.until("listener", "gateway", "listening")
    for user, password, status in (("apac", PASSWORD, 403), ("operator", OPERATOR, 200)):
        async with client(network) as peer:
            await log_in(peer, user, password)
            assert status_of(await peer.invoke("isthmus.admin.status")) == status


async def test_too_many_failures_are_told_and_end(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """After so many failures of an address not even the right password is looked at, until time has passed."""
    emea = await start(nursery, network, "emea", settings(max_failed_logins=3), [Who])
    await emea.until("listener", "gateway", "listening")
    for _ in range(3):
        async with client(network) as peer:
            assert NOT_AUTHORIZED in str(await log_in(peer, "apac", WRONG))
    async with client(network) as peer:
        assert gates.TOO_MANY in str(await log_in(peer, "apac", PASSWORD))
    await trio.sleep(61.0)
    async with client(network) as peer:
        assert status_of(await log_in(peer, "apac", PASSWORD)) == 200


async def test_a_session_is_renewed_by_its_own_definition_only(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Other credentials that are right do not renew a session that they did not open."""
    emea = await start(nursery, network, "emea", settings(), [Who])
    await emea.until("listener", "gateway", "listening")
    async with client(network) as peer:
        await log_in(peer, "apac", PASSWORD)
        assert status_of(await log_in(peer, "apac", OLD)) == 200
        assert status_of(await log_in(peer, "hashed", HASHED)) != 200
        assert (await peer.end())[1] == 1008


async def test_a_secret_that_cannot_be_read_lets_nobody_in(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A file that is gone or empty costs only those who need it, and is read again at the next log-in."""
    values = [""]

    def read() -> str:
        if not values:
            raise FileNotFoundError("gone")
        return values[0]

    own = settings()
    own = evolve(own, security={**DEFINITIONS, "apac": SecuritySettings("apac", Secret(read, "file:x"))})
    emea = await start(nursery, network, "emea", own, [Who])
    await emea.until("listener", "gateway", "listening")
    for change, status in ((None, 0), (values.clear, 0), (lambda: values.append("new"), 200)):
        if change is not None:
            change()
        async with client(network) as peer:
            answer = await log_in(peer, "apac", values[0] if values else "")
            assert (status_of(answer) == 200) == (status == 200)
