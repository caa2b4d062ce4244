"""The clusters of one simulated run: which there are, who dials whom, what their services do."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import trio
from attrs import define, evolve, field

from actors import Closed, Connected, MessageReceived, Service
from actors.secret import Secret
from actors.settings import (
    ChannelSettings,
    Compat,
    DeliverySettings,
    EndpointSettings,
    OutgoingSettings,
    SecuritySettings,
    TopicSettings,
)
from runtime.config import ClusterSettings
from tests.simulation.streams import Streamed
from tests.simulation.styles import Links

TOPIC, ORDERED = "/sim/news", "/sim/ordered"
REMOTE = "/sim/remote"
"""What other clusters publish to, by whichever link; so nobody knows an order."""
CHANNELS = {"gate": Compat.ZATO_3_2, "old": Compat.ZATO_3_0}

DELIVERY = DeliverySettings(
    delivery_batch_size=7, delivery_max_retry=3, ack_timeout=8.0, wait_non_sock_err=0.5, longest_pause=2.0
)
"""So small that batches, failures and giving up happen within a run."""


@define
class Handler:
    """One run of a handler that was called over a link."""

    began_at: float
    ended_at: float = float("inf")


@define
class World:
    """What happened, as the services saw it.

    Args:
        links: How the links talk.
    """

    links: Links
    hooks: dict[tuple[str, int, str], list[str]] = field(factory=dict)
    arrived: dict[tuple[str, str, str], dict[int, tuple[int, int]]] = field(factory=dict)
    handled: dict[tuple[str, str, str], dict[int, int]] = field(factory=dict)
    running: Counter[tuple[str, str, str]] = field(factory=Counter)
    failed_once: set[tuple[str, str, int]] = field(factory=set)
    deliveries: Counter[str] = field(factory=Counter)
    """How many of each kind there were; what only native links promise is counted on these."""
    handlers: dict[str, list[Handler]] = field(factory=dict)
    lives: Counter[str] = field(factory=Counter)
    streamed: Streamed = field(factory=Streamed)

    def begin(self, cid: str) -> Handler:
        """Note that a handler has begun, for the call of a cid."""
        handler = Handler(trio.current_time())
        self.handlers.setdefault(cid, []).append(handler)
        return handler

    async def take(self, cluster: str, life: int, via: str, messages: list[dict[str, Any]]) -> None:
        """Note what arrived, take some time, fail over what is to fail, note what was handled."""
        numbers = [message["data"]["number"] for message in messages]
        where = (cluster, via, messages[0]["topic_name"])
        arrived, handled = self.arrived.setdefault(where, {}), self.handled.setdefault(where, {})
        is_native = self.links.is_native(cluster, via)
        for number, message in zip(numbers, messages, strict=True):
            if number not in arrived:
                self.deliveries["first"] += 1
                arrived[number] = (message["priority"], message["delivery_count"])
            elif is_native and message["delivery_count"] < 2:
                self.deliveries["repeated without saying so"] += 1
            if is_native and handled.get(number) == life:  # a crash may come between the end of a hook and its record
                self.deliveries["handled again"] += 1
        self.running[where] += 1
        if is_native and self.running[where] > 1:
            self.deliveries["side by side"] += 1
        try:
            await trio.sleep(messages[0]["data"]["takes"])
        finally:
            self.running[where] -= 1
        for number, message in zip(numbers, messages, strict=True):
            fails = message["data"]["fails_at"].get(cluster)
            is_first = (cluster, via, number) not in self.failed_once
            self.failed_once.add((cluster, via, number))
            if fails == "always" or (fails == "once" and is_first):
                msg = f"{number} fails {fails}"
                raise RuntimeError(msg)
        handled.update(dict.fromkeys(numbers, life))

    def services(self, cluster: str) -> list[type[Service]]:
        """Return the services of one life of a cluster."""
        world = self
        self.lives[cluster] += 1
        life = self.lives[cluster]

        class Echo(Service):
            name = "sim.echo"

            async def handle(self, data: Any) -> Any:
                return data

        class Slow(Service):
            name = "sim.slow"

            async def handle(self, data: Any) -> Any:
                handler = world.begin(self.cid)
                try:
                    await trio.sleep(data)
                finally:
                    handler.ended_at = trio.current_time()
                return data

        class Blocking(Service):
            name = "sim.blocking"

            def handle(self, data: Any) -> Any:
                return self.invoke("sim.echo", data)

        class Fails(Service):
            name = "sim.fails"

            async def handle(self) -> None:
                msg = "on purpose"
                raise RuntimeError(msg)

        class Call(Service):
            """Calls on, over any number of hops."""

            name = "sim.call"

            async def handle(self, request: dict) -> Any:
                async with self.out.wsx.get(request["via"]).conn.client() as client:
                    message = {"service": request["service"], "request": request["data"]}
                    return (await client.invoke(message, timeout=request["timeout"])).data

        class Publishes(Service):
            """Publishes to another cluster."""

            name = "sim.publish"

            async def handle(self, request: dict) -> Any:
                async with self.out.wsx.get(request["via"]).conn.client() as client:
                    return (await client.publish(REMOTE, request["data"], **request["options"])).data

        class Hooks(Service):
            name = "sim.hooks"

            async def handle(self) -> Any:
                ctx = self.request.payload["ctx"]
                seen = world.hooks.setdefault((cluster, life, ctx.conn.name), [])
                if isinstance(ctx, Connected | Closed):
                    seen.append(ctx.type)
                if isinstance(ctx, MessageReceived):
                    await world.take(cluster, life, ctx.conn.name, ctx.data.data)

        return [Echo, Slow, Blocking, Fails, Call, Publishes, Hooks, *self.streamed.services(world.begin)]


def settings_of(names: list[str], random: Random, links: Links) -> dict[str, ClusterSettings]:
    """Return the settings of all clusters: each dials the next one, and some others."""
    result: dict[str, ClusterSettings] = {}
    for number, name in enumerate(names):
        targets = {names[(number + 1) % len(names)]: None}
        targets |= {other: None for other in names if other != name and random.random() < 0.4}
        result[name] = ClusterSettings(
            security={other: SecuritySettings(other, Secret.of("secret")) for other in ["all"]},
            channels={
                channel: ChannelSettings(
                    address=_address(name, channel),
                    service="helpers.web-sockets-gateway",
                    security="all",
                    services_allowed=("sim.*",),
                    compat=compat,
                )
                for channel, compat in CHANNELS.items()
            },
            endpoints={
                channel: EndpointSettings(channel=channel, publish=(REMOTE,), subscribe=("/sim/**",))
                for channel in CHANNELS
            },
            topics={
                TOPIC: TopicSettings(guaranteed=True, delivery=DELIVERY),
                ORDERED: TopicSettings(guaranteed=True, delivery=evolve(DELIVERY, ordered=True)),
                REMOTE: TopicSettings(guaranteed=True, delivery=DELIVERY),
            },
            outgoing={
                f"to {target}": OutgoingSettings(
                    address=_address(target, links.style(name, target).channel),
                    wire=links.style(name, target).wire,
                    compression=links.compression(name, target),
                    username="all",
                    password=Secret.of("secret"),
                    subscribe=(TOPIC, ORDERED, REMOTE),
                    on_connect="sim.hooks",
                    on_message="sim.hooks",
                    on_close="sim.hooks",
                )
                for target in targets
            },
        )
    return result


def _address(name: str, channel: str) -> str:
    return f"ws://{name}:{47000 + [*CHANNELS].index(channel)}/{channel}"
