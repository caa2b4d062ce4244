"""Work that blocks or computes: what it holds up, and what it does not."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import trio
from attrs import evolve

from actors import ActorRef, Service
from actors.services.call import Call
from actors.settings import TopicSettings
from runtime.ports import MAX_USER_THREADS
from tests.faults.test_connections import QUICK
from tests.processes import Sample, free_port
from tests.runtime.test_two_clusters import Relay
from tests.support import apac_settings, emea_settings, start_real

HEAVY = """
import time

from actors import Service


def compute(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return seconds


class InWorker(Service):
    name = "heavy.in-worker"

    async def handle(self, seconds: float) -> float:
        return await self.run_cpu(compute, seconds)


class Inline(Service):
    name = "heavy.inline"

    async def handle(self, seconds: float) -> float:
        return compute(seconds)
"""


def test_computation_in_a_worker_leaves_the_link_ready_and_inline_it_is_named(tmp_path: Path) -> None:
    """Ten seconds in a worker process miss no heartbeat; in a handler the watchdog logs the service and its stack."""
    sample = Sample(tmp_path, {"heavy.py": HEAVY}, ping_interval=0.5, ping_timeout=1.0)
    try:
        sample.until_up()
        invoked = sample.run("invoke", "apac", "heavy.in-worker", "10.0")
        assert invoked.stdout == "10.0\n", invoked.stderr
        status = json.loads(sample.run("status", "--json").stdout)
        [connection] = [one for one in status["apac"]["actors"] if one["kind"] == "outgoing"]
        assert connection["state"] == "ready"
        states = [one["state"] for one in connection["transitions"]]
        assert states[states.index("ready") :] == ["ready"]
        invoked = sample.run("invoke", "apac", "heavy.inline", "1.6")
        assert invoked.stdout == "1.6\n", invoked.stderr
        held_up = sample.until(r"the event loop is held up").string
        for part in ("apac", "watchdog service:heavy.inline", "heavy.py", "in compute"):
            assert part in held_up
    finally:
        sample.stop()


async def test_blocked_threads_hold_up_neither_a_dial_nor_a_publish(nursery: trio.Nursery) -> None:
    """With every thread for users' code taken, names are looked up, links come about and messages are stored."""
    release, began = threading.Event(), threading.Semaphore(0)

    def block() -> None:
        began.release()
        release.wait()

    class Blocks(Service):
        name = "test.blocks"

        async def handle(self) -> None:
            await self.run_sync(block)

    class Publishes(Service):
        name = "test.publishes"

        async def handle(self) -> str:
            message_id: str = await self.pubsub.publish("/order/new", {"order": 1})
            return message_id

    address = f"ws://localhost:{free_port()}/zato.wsx.gateway"  # a name, for the look-up that needs a thread
    settings = evolve(
        apac_settings(hooks=False, address=address, backoff=QUICK),
        topics={"/order/new": TopicSettings(guaranteed=True)},
    )
    apac = await start_real(nursery, "apac", settings, [Blocks, Publishes, Relay])

    async def invoke(service: str, data: object = None) -> object:
        return await ActorRef(f"service:{service}", apac.registry).ask(Call(data))

    async with trio.open_nursery() as callers:
        try:
            with trio.fail_after(30):
                for _ in range(MAX_USER_THREADS + 1):
                    callers.start_soon(invoke, "test.blocks")
                for _ in range(MAX_USER_THREADS):
                    await trio.to_thread.run_sync(began.acquire)
                await start_real(nursery, "emea", emea_settings(address=address))
                request = {"message": {"service": "demo.echo", "request": "hello"}}
                assert await invoke("test.relay", request) == "hello"
                assert str(await invoke("test.publishes")).startswith("zpsm")
                assert not began.acquire(blocking=False)  # the one too many still waits for a thread
        finally:
            release.set()
    assert began.acquire(blocking=False)
    nursery.cancel_scope.cancel()
