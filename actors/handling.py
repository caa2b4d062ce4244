"""How a subscriber handles deliveries: each message once, one run of its service at a time, recorded, then answered.

A subscriber is an outgoing connection's on_message hook or a service of the same cluster. What is known here outlives
links and crashes: a redelivery over a new link waits for a run that goes on although its link is gone, and messages
that were handled are acknowledged without another run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from attrs import define, field, frozen

from actors.envelope import HandlerRun
from actors.errors import CallError
from actors.handled import HandledWindow
from actors.messages import Acknowledge, Deliver, Refusal, Refuse
from actors.ports import HandledStore
from actors.settlement import Settlement

__all__ = ["Handling", "Verdict"]


@frozen
class Verdict:
    """What became of the messages of a delivery: the handled ones, those that were not, why all of them were not."""

    delivery: Deliver
    handled: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    refused: str | None = None

    def answer(self, answer_id: str) -> Acknowledge | Refuse:
        """Return what the sender is told."""
        if self.refused is None and not self.refusals:
            return Acknowledge(answer_id, self.delivery.id)
        return Refuse(answer_id, self.delivery.id, self.refused or "", messages=list(self.refusals))


@define(eq=False)
class _Subscription:
    """What is known of one subscription: what was handled, and the run of the service that began last."""

    window: HandledWindow
    run: HandlerRun = field(factory=HandlerRun)
    _messages: list[Any] = field(factory=list)
    _settlement: Settlement = field(factory=Settlement)

    def begin_run(self, messages: list[Any]) -> tuple[Settlement, HandlerRun]:
        """Note that the service is about to run on messages."""
        self.run, self._messages = HandlerRun(), messages
        self._settlement = Settlement(frozenset(_id_of(one) for one in messages))
        return self._settlement, self.run

    async def wait_run_ended(self) -> None:
        """Wait for a run that goes on although its link is gone; what it handled is known then."""
        await self.run.wait_ended()
        if self.run.has_succeeded:
            self.note_handled(self._messages)
        self._messages = []

    def note_handled(self, messages: Iterable[Any]) -> None:
        """Have messages in the window that were not refused; those that may be guaranteed are to be recorded."""
        refused, window = self._settlement.refused, self.window
        for one in messages:
            msg_id = _id_of(one)
            if msg_id and msg_id not in window and msg_id not in refused:
                window.add(msg_id, to_be_recorded=one.get("has_gd") is not False)


Run = Callable[[Any, Settlement, HandlerRun], Awaitable[Exception | None]]
"""Runs the subscriber's service on messages; returns the error that it ended with."""


class Handling:
    """The deliveries of one subscriber, over all of its links.

    Args:
        store: Where it is kept which messages were handled.
    """

    def __init__(self, store: HandledStore) -> None:
        self._store = store
        self._subscriptions: dict[str, _Subscription] = {}

    async def handle(self, delivery: Deliver, messages: Any, run: Run) -> Verdict:
        """Run the subscriber's service on what it has not handled yet, and return what became of the messages.

        Whoever calls this does so for one delivery of a subscription at a time. Cancellation cancels the run.

        Args:
            delivery: The delivery.
            messages: What the service gets of it: a list of message dicts, or a single one.
            run: Runs the service.
        """
        listed = messages if isinstance(messages, list) else [messages]
        try:
            subscription = await self._find(delivery.sub_key)
        except CallError as unreadable:
            return Verdict(delivery, refused=str(unreadable))
        await subscription.wait_run_ended()
        fresh = [one for one in listed if _id_of(one) not in subscription.window]
        error: Exception | None = None
        settlement = Settlement()
        if fresh:
            settlement, handler = subscription.begin_run(fresh)
            error = await run(fresh if isinstance(messages, list) else fresh[0], settlement, handler)
        failed = [] if error is None else [one for one in fresh if not settlement.is_settled(_id_of(one))]
        subscription.note_handled(one for one in fresh if error is None or _id_of(one) in settlement.acknowledged)
        reason = str(error) or type(error).__name__
        if len(failed) > 1 or (failed and len(listed) == 1):
            return Verdict(delivery, refused=reason)  # who of them is to blame shows when they come one by one
        refusals = [*settlement.refused.values(), *(Refusal(_id_of(one), reason) for one in failed)]
        refused = {refusal.msg_id for refusal in refusals}
        return Verdict(delivery, tuple(_id_of(one) for one in listed if _id_of(one) not in refused), tuple(refusals))

    async def record(self, verdict: Verdict) -> Verdict:
        """Keep on disk which messages were handled; return what is to be answered then."""
        if verdict.refused is not None:
            return verdict
        sub_key = verdict.delivery.sub_key
        window = self._subscriptions[sub_key].window
        ids = window.unrecorded(verdict.handled)
        if ids:
            try:
                await self._store.record(sub_key, ids)
            except CallError as error:
                return Verdict(verdict.delivery, refused=str(error))
            window.note_recorded(ids)
        return verdict

    async def _find(self, sub_key: str) -> _Subscription:
        known = self._subscriptions.get(sub_key)
        if known is None:
            window = HandledWindow(await self._store.handled(sub_key))
            known = self._subscriptions.setdefault(sub_key, _Subscription(window))
        return known


def _id_of(message: Any) -> str:
    msg_id = message.get("msg_id", "") if isinstance(message, dict) else ""
    return msg_id if isinstance(msg_id, str) else str(msg_id)
