"""The hooks of one link: started, never waited for by the link, and in order among themselves.

on_connect comes first; on_message starts when it has ended, one delivery of a subscription at a time and
different ones side by side; the end of the link cancels what still runs, and on_close comes after all others.
Each session has one on_connect and one on_close: one whose link is lost before the service got to on_connect has
it run to its end all the same. The hooks of the next link wait for this one's `done`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import trio
from attrs import evolve, frozen

from actors.call import Call
from actors.envelope import Envelope, HandlerRun, ReplySlot, ask_by
from actors.errors import NotFound
from actors.handling import Handling, Verdict
from actors.hooks import Closed, Connected, IncomingRequest, MessageReceived
from actors.messages import Deliver, Extend, Message
from actors.ports import Entropy
from actors.publication import messages_of
from actors.ref import ActorRef
from actors.settings import OutgoingSettings
from actors.settlement import Settlement

__all__ = ["LinkHooks", "OnSettled"]

_NO_HOOK = "there is no on_message hook"

EXTENSIONS = 3
"""How often a delivery's sender is told within its `ack_timeout` that it is still being handled."""

OnSettled = Callable[[object, "Exception | None"], None]
"""Told what on_message returned, or the error that it ended with."""


@frozen
class _Request:
    """A request of the server for on_message."""

    event: MessageReceived
    settled: OnSettled


@frozen
class _Delivery:
    """Messages of a subscription for on_message."""

    delivery: Deliver
    messages: Any


class LinkHooks:
    """Runs the hook services of one link.

    Args:
        ref: Finds actors.
        settings: The connection's settings, which name the hooks.
        log: The connection's logger.
        after: The hooks of the link before this one.
        handling: What is known of messages that came over this link and those before it.
        conn: What makes clients for the hooks.
        answer: Sends an answer to a delivery, or an `Extend`.
        is_extending: Whether the sender of deliveries understands `Extend`.
        entropy: Correlation ids.
    """

    def __init__(
        self,
        ref: Callable[[str, str], ActorRef],
        settings: OutgoingSettings,
        log: Any,
        *,
        after: LinkHooks | None,
        handling: Handling,
        conn: Any,
        answer: Callable[[Message], None],
        is_extending: bool,
        entropy: Entropy,
    ) -> None:
        self._ref = ref
        self._settings = settings
        self._log = log
        self._after = after
        self._handling = handling
        self._conn = conn
        self._answer = answer
        self._is_extending = is_extending
        self._held: dict[str, float] = {}
        self._holds = trio.Event()
        self._entropy = entropy
        self._connected: Connected | None = None
        self._connect_slot: ReplySlot | None = None
        self._connect_ended = trio.Event()
        self._is_begun = False
        self._closed: Closed | None = None
        self._link_ended = trio.Event()
        self._send_job, self._jobs = trio.open_memory_channel[_Request | _Delivery](float("inf"))
        self._requests: dict[str, trio.CancelScope] = {}
        self._caught_up = trio.Event()
        self.waiting = 0
        """How many messages were handed over and are not settled yet."""
        self.done = trio.Event()

    # What the link tells

    def connected(self, event: Connected) -> None:
        """Say what on_connect is to be told; comes before `run`."""
        self._connected = event

    def request(self, event: MessageReceived, settled: OnSettled) -> None:
        """Hand a request of the server to on_message; any number run side by side."""
        if self._settings.on_message is None:
            settled(None, NotFound(_NO_HOOK))
            return
        self.waiting += 1
        self._requests[event.data.id] = trio.CancelScope()
        self._send_job.send_nowait(_Request(event, settled))

    def delivery(self, delivery: Deliver) -> None:
        """Hand messages to on_message; those of one subscription one after the other."""
        problem = _NO_HOOK if self._settings.on_message is None else ""
        messages: Any = None
        try:
            messages = messages_of(delivery)
        except msgspec.MsgspecError as error:
            problem = f"a message cannot be read: {error}"
        if problem:
            self._log.warning("delivery refused", reason=problem)
            self._answer(Verdict(delivery, refused=problem).answer(self._entropy.hex_id()))
            return
        self.waiting += 1
        if self._is_extending and delivery.ack_timeout > 0:
            self._held[delivery.id] = delivery.ack_timeout
            self._holds.set()
        self._send_job.send_nowait(_Delivery(delivery, messages))

    def cancel(self, request_id: str) -> bool:
        """The server does not wait for a request's answer any more; tell whether it waited or was under way."""
        scope = self._requests.get(request_id)
        if scope is not None:
            scope.cancel()
        return scope is not None

    def closed(self, event: Closed) -> None:
        """The link has ended: cancel running hooks, then run on_close."""
        self._closed = event
        self._link_ended.set()

    # How far the hooks are

    @property
    def is_behind(self) -> bool:
        """Tell whether so much waits that no more should be read."""
        return self.waiting >= self._settings.max_unhandled

    async def caught_up(self) -> None:
        """Wait until half of what may wait is handled."""
        while self.waiting > self._settings.max_unhandled // 2:
            await self._caught_up.wait()

    # Running them

    async def run(self) -> None:
        """Run the hooks of this link, from its beginning until on_close has ended."""
        if self._after is not None:
            await self._after.done.wait()
            self._after = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_in_order)
            nursery.start_soon(self._extend_for_ever)
            await self._link_ended.wait()
            if self._connect_slot is None or not self._connect_slot.is_begun:
                await self._connect_ended.wait()
            nursery.cancel_scope.cancel()
        await self._close()

    async def finish(self) -> None:
        """Where `run` was cut short: run on_close now, if these hooks had begun."""
        if not self.done.is_set() and self._is_begun:
            await self._close()
        self.done.set()

    async def _close(self) -> None:
        event, self._closed = self._closed, None
        if self._settings.on_close is not None and event is not None:
            await self._invoke(self._settings.on_close, event)
        self.done.set()

    async def _run_in_order(self) -> None:
        self._is_begun = True
        try:
            if self._settings.on_connect is not None and self._connected is not None:
                await self._invoke(self._settings.on_connect, self._connected)
        finally:
            self._connect_ended.set()
        lanes: dict[str, trio.MemorySendChannel[_Delivery]] = {}
        async with trio.open_nursery() as nursery:
            async for job in self._jobs:
                if isinstance(job, _Request):
                    nursery.start_soon(self._handle_request, job)
                    continue
                lane = job.delivery.sub_key
                if lane not in lanes:
                    lanes[lane], receive = trio.open_memory_channel[_Delivery](float("inf"))
                    nursery.start_soon(self._work_lane, receive, nursery)
                lanes[lane].send_nowait(job)

    async def _work_lane(self, jobs: trio.MemoryReceiveChannel[_Delivery], nursery: trio.Nursery) -> None:
        """Handle deliveries one after the other; each is recorded and answered while the next is handled."""
        async for job in jobs:
            request = IncomingRequest(job.delivery.id, job.delivery.timestamp, job.messages)
            run = partial(self._run_on_message, request)
            try:
                verdict = await self._handling.handle(job.delivery, job.messages, run)
            finally:
                self._one_less()
            nursery.start_soon(self._record_and_answer, verdict)

    async def _run_on_message(
        self, request: IncomingRequest, messages: Any, settlement: Settlement, run: HandlerRun
    ) -> Exception | None:
        event = MessageReceived(self._settings, self._conn, evolve(request, data=messages), settlement)
        _result, error = await self._invoke(str(self._settings.on_message), event, run)
        return error

    async def _record_and_answer(self, verdict: Verdict) -> None:
        verdict = await self._handling.record(verdict)
        self._held.pop(verdict.delivery.id, None)
        self._answer(verdict.answer(self._entropy.hex_id()))

    async def _extend_for_ever(self) -> None:
        """Tell senders in time which deliveries are still being handled."""
        while True:
            self._holds = trio.Event()
            if not self._held:
                await self._holds.wait()
            before = set(self._held)
            await trio.sleep(min(self._held.values()) / EXTENSIONS)
            if still := [delivery_id for delivery_id in self._held if delivery_id in before]:
                self._answer(Extend(still))

    def _one_less(self) -> None:
        self.waiting -= 1
        self._caught_up.set()
        self._caught_up = trio.Event()

    async def _handle_request(self, job: _Request) -> None:
        request_id = job.event.data.id
        result: object = None
        error: Exception | None = None
        try:
            with self._requests[request_id] as scope:
                await trio.lowlevel.checkpoint_if_cancelled()  # it may be taken back before its turn comes
                result, error = await self._invoke(str(self._settings.on_message), job.event)
        finally:
            self._one_less()
            del self._requests[request_id]
        if not scope.cancelled_caught:
            job.settled(result, error)

    async def _invoke(
        self, service: str, event: object, run: HandlerRun | None = None
    ) -> tuple[object, Exception | None]:
        """Run one hook; what it raises is logged and never breaks the link."""
        cid = self._entropy.hex_id()

        async def send(envelope: Envelope) -> None:
            if isinstance(event, Connected):
                self._connect_slot = envelope.reply
            envelope.run = run
            self._ref("service", service).send_nowait(envelope)

        try:
            return await ask_by(send, Call({"ctx": event}), timeout=self._settings.hook_timeout, cid=cid), None
        except Exception as error:  # whatever a user's hook raises
            self._log.error("hook failed", hook=service, cid=cid, error=f"{type(error).__name__}: {error}")
            return None, error
