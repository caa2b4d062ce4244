"""The clusters of one simulated run: which there are, who dials whom, what their services do."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import trio
from attrs import define, field

from actors import Closed, Connected, MessageReceived, Service
from actors.secret import Secret
from actors.settings import ChannelSettings, EndpointSettings, OutgoingSettings, SecuritySettings, TopicSettings
from runtime.config import ClusterSettings

TOPIC = "/sim/news"


@define
class Handler:
    """One run of a handler that was called over a link."""

    began_at: float
    ended_at: float = float("inf")


@define
class World:
    """What happened, as the services saw it."""

    hooks: dict[tuple[str, int, str], list[str]] = field(factory=dict)
    received: dict[tuple[str, str], list[int]] = field(factory=dict)
    deliveries: Counter[str] = field(factory=Counter)
    handlers: dict[str, list[Handler]] = field(factory=dict)
    lives: Counter[str] = field(factory=Counter)

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
                handler = Handler(trio.current_time())
                world.handlers.setdefault(self.cid, []).append(handler)
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

        class Hooks(Service):
            name = "sim.hooks"

            async def handle(self) -> Any:
                ctx = self.request.payload["ctx"]
                seen = world.hooks.setdefault((cluster, life, ctx.conn.name), [])
                if isinstance(ctx, Connected | Closed):
                    seen.append(ctx.type)
                if isinstance(ctx, MessageReceived):
                    for message in ctx.data.data:
                        numbers = world.received.setdefault((cluster, ctx.conn.name), [])
                        number = message["data"]["number"]
                        world.deliveries["first" if number not in numbers else "repeated"] += 1
                        if number in numbers and message["delivery_count"] < 2:
                            world.deliveries["repeated without saying so"] += 1
                        if number not in numbers:
                            numbers.append(number)

        return [Echo, Slow, Blocking, Fails, Call, Hooks]


def settings_of(names: list[str], random: Random) -> dict[str, ClusterSettings]:
    """Return the settings of all clusters: each dials the next one, and some others."""
    result: dict[str, ClusterSettings] = {}
    for number, name in enumerate(names):
        targets = {names[(number + 1) % len(names)]: None}
        targets |= {other: None for other in names if other != name and random.random() < 0.4}
        result[name] = ClusterSettings(
            security={other: SecuritySettings(other, Secret.of("secret")) for other in ["all"]},
            channels={
                "gate": ChannelSettings(
                    address=_address(name),
                    service="helpers.web-sockets-gateway",
                    security="all",
                    services_allowed=("sim.*",),
                )
            },
            endpoints={"all": EndpointSettings(channel="gate", subscribe=("/sim/**",))},
            topics={TOPIC: TopicSettings(guaranteed=True)},
            outgoing={
                f"to {target}": OutgoingSettings(
                    address=_address(target),
                    username="all",
                    password=Secret.of("secret"),
                    subscribe=(TOPIC,),
                    on_connect="sim.hooks",
                    on_message="sim.hooks",
                    on_close="sim.hooks",
                )
                for target in targets
            },
        )
    return result


def _address(name: str) -> str:
    return f"ws://{name}:47000/sim"
