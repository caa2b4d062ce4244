"""What a service knows of who invoked it: over a channel on both wires, and by all else that invokes services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio

from actors import Service
from actors.errors import IsthmusError
from actors.settings import DeliveryOptions, SubscriptionSettings
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.forms import FORMS, given, service_of
from tests.runtime.peers import peer_of
from tests.runtime.test_two_clusters import until
from tests.support import emea_settings, start

pytestmark = pytest.mark.parametrize("form", FORMS)


async def see(self: Service) -> Any:
    """Return what a service sees."""
    channel = self.channel
    assert self.chan == channel
    assert channel.sec is channel.security
    environ = self.environ
    return {
        "type": channel.type,
        "name": [channel.id, channel.name],
        "format": [channel.data_format, self.data_format, self.transport],
        "security": [channel.sec.id, channel.sec.name, channel.sec.type, channel.sec.username],
        "is_internal": channel.is_internal,
        "environ": {key: str(value) for key, value in environ.items()},
        "same": self.wsgi_environ.get("zato.wsx") is environ,
        "original": getattr(self.wsgi_environ.get("zato.orig_channel"), "type", None),
    }


async def count(self: Service) -> Any:
    """Count the requests of a session in its user_data."""
    self.user_data["count"] = self.user_data.get("count", 0) + 1
    assert self.environ["user_data"] is self.user_data
    assert self.wsgi_environ["zato.wsx"].user_data is self.user_data
    assert self.wsgi_environ["zato.request_ctx.async_msg"]["environ"].user_data is self.user_data
    return self.user_data["count"]


async def cluster(
    network: MemoryNetwork, nursery: trio.Nursery, classes: Sequence[type[Service]], **channel: Any
) -> SimulatedCluster:
    emea = await start(nursery, network, "emea", emea_settings(**channel), classes)
    await emea.until("listener", "gateway", "listening")
    return emea


async def test_a_peer_s_call_comes_by_a_web_socket(
    form: str, wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """The channel, its security definition, and the peer under Zato's names, also behind a gateway."""
    await cluster(network, nursery, [service_of(form, "test.see", see)])
    async with peer_of(network, wire, "one", client_id="c1", client_name="one") as peer:
        seen = await peer.invoke("test.see")
    environ = seen.pop("environ")
    assert seen == {
        "type": "web-socket",
        "name": ["gateway", "gateway"],
        "format": ["json", "json", ""],
        "security": ["apac", "apac", "basic-auth", "apac"],
        "is_internal": False,
        "same": True,
        "original": "web-socket",
    }
    assert (environ["ext_client_id"], environ["ext_client_name"]) == ("c1", "one")
    assert environ["pub_client_id"].startswith("ws.")
    assert environ["connection_time"].startswith("2026-01-01 ")
    assert environ["peer_address"].startswith(environ["peer_host"])
    assert environ["peer_conn_info_pretty"].startswith("one (ws.")
    assert {"connection_time", "forwarded_for", "peer_fqdn", "client_attrs", "ws_channel_config"} < set(environ)


async def test_user_data_lives_as_long_as_its_session(
    form: str, wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Each session has its own, whichever service looks at it; where no peer invoked there is none."""

    async def have_it_counted(self: Service) -> Any:
        with pytest.raises(IsthmusError, match="no peer invoked this service"):
            _ = self.user_data
        return "none"

    emea = await cluster(
        network,
        nursery,
        [
            service_of(form, "test.count", count),
            service_of(form, "test.other", count),
            service_of(form, "test.none", have_it_counted),
        ],
    )
    async with peer_of(network, wire, "one") as one, peer_of(network, wire, "two") as two:
        assert [await one.invoke("test.count"), await one.invoke("test.other")] == [1, 2]
        assert await two.invoke("test.count") == 1
        assert await one.invoke("test.count") == 3
    async with peer_of(network, wire, "one") as again:
        assert await again.invoke("test.count") == 1
    assert await emea.invoke("test.none") == "none"


async def test_a_channel_without_security_names_none(
    form: str, wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Whatever username a peer gives there is nobody's."""
    settings = emea_settings()
    channel = settings.channels["gateway"]
    object.__setattr__(channel, "security", "none")
    emea = await start(nursery, network, "emea", settings, [service_of(form, "test.see", see)])
    await emea.until("listener", "gateway", "listening")
    async with peer_of(network, wire, "one", username="root") as peer:
        seen = await peer.invoke("test.see")
    assert seen["security"] == ["", "", "", ""]


async def test_what_a_service_asks_another_is_not_the_peer_s_call(
    form: str, wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """The permission of a peer does not go on by itself: the other service sees a call within the cluster."""

    async def relay(self: Service) -> Any:
        return await given(self.invoke("test.see"))

    classes = [service_of(form, "test.see", see), service_of(form, "test.relay", relay)]
    await cluster(network, nursery, classes)
    async with peer_of(network, wire, "one") as peer:
        seen = await peer.invoke("test.relay")
    assert (seen["type"], seen["environ"], seen["security"], seen["same"]) == ("invoke", {}, ["", "", "", ""], False)


async def test_the_scheduler_and_publishing_show_as_such(
    form: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """`every`, a message for a subscribed service, and one published to a service by its name."""
    types: list[str] = []

    async def note(self: Service) -> None:
        types.append(f"{self.name} {self.channel.type}")

    settings = emea_settings()
    subscription = SubscriptionSettings("test.subscribed", ("/customer/new",), DeliveryOptions())
    settings.subscriptions["own"] = subscription
    ticking = service_of(form, "test.ticking", note, every=60.0)
    classes = [service_of(form, "test.subscribed", note), service_of(form, "test.published", note), ticking]

    async def publish(self: Service) -> None:
        await given(self.pubsub.publish("test.published", "x"))

    emea = await start(nursery, network, "emea", settings, [*classes, service_of(form, "test.publish", publish)])
    await emea.publish("/customer/new", "x")
    await emea.invoke("test.publish")
    await until(lambda: len(types) == 3)
    assert sorted(types) == ["test.published publish", "test.subscribed publish", "test.ticking scheduler"]
