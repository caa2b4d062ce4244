"""Lanes: the deliveries that a subscriber holds, those of one subscription one after the other, all side by side.

Each is handled (`actors.topics.handling`), then recorded and answered while the next one is handled. Senders are told
in time which of their deliveries are still held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
import trio
from attrs import define, field

from actors.envelope import HandlerRun
from actors.lazy import Lazy
from actors.messages import Deliver
from actors.pulse import Pulse
from actors.topics.handling import Handling, Verdict
from actors.topics.held import Held
from actors.topics.received import messages_of
from actors.topics.settlement import Settlement

__all__ = ["Lanes", "RunService"]

RunService = Callable[[Deliver, Any, Settlement, HandlerRun], Awaitable["Exception | None"]]
"""Runs the subscriber's service on messages of a delivery; returns the error that it ended with."""


@define(eq=False)
class Lanes:
    """The deliveries of one link, or of a service of the same cluster.

    Args:
        handling: What is known of the messages.
        run_service: Runs the service.
        answer: Tells the sender what became of a delivery.
        extend: Tells senders which deliveries are still held; None where they would not understand.
        on_handled: Called when the service is done with a delivery.
    """

    handling: Handling
    run_service: RunService
    answer: Callable[[Verdict], None]
    extend: Callable[[list[Deliver]], None] | None
    on_handled: Callable[[], None] = lambda: None
    _lanes: dict[str, trio.MemorySendChannel[Deliver]] = field(factory=dict)
    _to_start: list[trio.MemoryReceiveChannel[Deliver]] = field(factory=list)
    _changed: Pulse = field(factory=Pulse)
    _held: Held = field(factory=Held)
    _extends_at: float = float("inf")
    _is_due_sooner: Pulse = field(factory=Pulse)
    _running: Lazy = field(init=False)
    _extending: Lazy = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._running = Lazy(self._run)
        self._extending = Lazy(self._keep_extending)

    def may_run_in(self, nursery: trio.Nursery | None) -> None:
        """Say where deliveries are handled from now on; to cancel it cancels the service. None ends that."""
        self._running.may_run_in(nursery)

    def may_extend_in(self, nursery: trio.Nursery | None) -> None:
        """Say where a task may tell senders in time which deliveries are held; None ends that."""
        self._extending.may_run_in(nursery)

    def take(self, delivery: Deliver) -> None:
        """Take a delivery, also before it may be handled."""
        if self._held.add(delivery, trio.current_time()) < self._extends_at and self.extend is not None:
            self._is_due_sooner.notify()
            self._extending.need()
        if delivery.sub_key not in self._lanes:
            self._lanes[delivery.sub_key], receive = trio.open_memory_channel[Deliver](float("inf"))
            self._to_start.append(receive)
            self._changed.notify()
            self._running.need()
        self._lanes[delivery.sub_key].send_nowait(delivery)

    async def _run(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                while self._to_start:
                    nursery.start_soon(self._work, self._to_start.pop(), nursery)
                await self._changed.wait()

    async def _keep_extending(self) -> None:
        while self.extend is not None:
            self._extends_at = self._held.next_at
            with trio.move_on_at(self._extends_at):
                await self._is_due_sooner.wait()
            if due := self._held.take_due(trio.current_time()):
                self.extend(due)

    async def _work(self, deliveries: trio.MemoryReceiveChannel[Deliver], nursery: trio.Nursery) -> None:
        async for delivery in deliveries:
            try:
                verdict = await self._handle(delivery)
            finally:
                self.on_handled()
            nursery.start_soon(self._record_and_answer, verdict)

    async def _handle(self, delivery: Deliver) -> Verdict:
        try:
            messages = messages_of(delivery)
        except msgspec.MsgspecError as error:
            return Verdict(delivery, refused=f"a message cannot be read: {error}")
        return await self.handling.handle(delivery, messages, partial(self.run_service, delivery))

    async def _record_and_answer(self, verdict: Verdict) -> None:
        verdict = await self.handling.record(verdict)
        self._held.discard(verdict.delivery.id)
        self.answer(verdict)
