"""How a subscriber handles deliveries: each message once, one run of its service at a time, recorded, then answered.

A subscriber is an outgoing connection's on_message hook or a service of the same cluster. What is known here outlives
links and crashes: a redelivery over a new link waits for a run that goes on although its link is gone, and messages
that were handled are acknowledged without another run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
import trio
from attrs import define, field, frozen

from actors.envelope import HandlerRun
from actors.errors import CallError
from actors.messages import Acknowledge, Deliver, Refusal, Refuse
from actors.ports import HandledStore
from actors.topics.handled import HandledWindow
from actors.topics.settlement import Settlement

__all__ = ["Handling", "Verdict"]

_log = structlog.get_logger()

FORGET_AFTER = 24 * 60 * 60.0
"""For how many seconds what was handled is known by heart after its last use; it is read again then."""


@frozen
class Verdict:
    """What became of the messages of a delivery: the handled ones, those that were not, why all of them were not.

    `result` is what the service returned.
    """

    delivery: Deliver
    handled: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    refused: str | None = None
    result: Any = None

    def answer(self, answer_id: str) -> Acknowledge | Refuse:
        """Return what the sender is told."""
        if self.refused is None and not self.refusals:
            return Acknowledge(answer_id, self.delivery.id, data=self.result)
        return Refuse(answer_id, self.delivery.id, self.refused or "", messages=list(self.refusals))


@define(eq=False)
class _Subscription:
    """What is known of one subscription: what was handled, and the run of the service that began last."""

    window: HandledWindow
    used_at: float = 0.0
    is_busy: bool = False
    run: HandlerRun = field(factory=HandlerRun)
    _given: dict[str, Any] = field(factory=dict)
    _settlement: Settlement = field(factory=Settlement)

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing goes on."""
        return not (self.is_busy or self.run.is_running)

    def fresh(self, messages: list[Any], ids: list[str]) -> tuple[list[Any], list[str]]:
        """Return the messages that were not handled, each once, and their ids."""
        self._given = dict(zip(ids, messages, strict=True))
        if len(self._given) == len(ids) and "" not in self._given and not self.window.knows_any(ids):
            return messages, ids
        found: dict[object, tuple[str, Any]] = {}
        for number, (msg_id, one) in enumerate(zip(ids, messages, strict=True)):
            if msg_id not in self.window:
                found.setdefault(msg_id or number, (msg_id, one))
        self._given = dict(found.values())
        return [one for _msg_id, one in found.values()], [msg_id for msg_id, _one in found.values()]

    def begin_run(self) -> tuple[Settlement, HandlerRun]:
        """Note that the service is about to run on what is fresh."""
        self.run, self._settlement = HandlerRun(), Settlement(self._given.keys())
        return self._settlement, self.run

    async def wait_run_ended(self) -> None:
        """Wait for a run that goes on although its link is gone; what it handled is known then."""
        await self.run.wait_ended()
        if self._given:
            self.note_handled(has_succeeded=self.run.has_succeeded)
            self._given = {}

    def note_handled(self, *, has_succeeded: bool) -> None:
        """Have in the window what the run handled; what may be guaranteed is to be recorded."""
        settlement, window, given = self._settlement, self.window, self._given
        if has_succeeded:
            refused, self._given = settlement.refused, {}
            if refused or "" in given:
                given = {msg_id: one for msg_id, one in given.items() if msg_id and msg_id not in refused}
        else:
            given = {msg_id: one for msg_id, one in given.items() if msg_id and msg_id in settlement.acknowledged}
        to_be_recorded = [msg_id for msg_id, one in given.items() if one.get("has_gd") is not False]
        window.add_all(given.keys(), to_be_recorded=to_be_recorded)


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
        ids = _ids_of(listed)
        try:
            subscription = await self._find(delivery.sub_key)
        except CallError as unreadable:
            _log.error("what was handled cannot be read", sub_key=delivery.sub_key, error=str(unreadable))
            return Verdict(delivery, refused=str(unreadable))
        error: Exception | None = None
        settlement = Settlement()
        subscription.is_busy = True
        try:
            await subscription.wait_run_ended()
            given, fresh = subscription.fresh(listed, ids)
            if given:
                settlement, handler = subscription.begin_run()
                error = await run(given if isinstance(messages, list) else given[0], settlement, handler)
                subscription.note_handled(has_succeeded=error is None)
        finally:
            subscription.is_busy = False
        if error is None and not settlement.refused:
            return Verdict(delivery, tuple(ids), result=settlement.result)
        failed = [] if error is None else [msg_id for msg_id in fresh if not settlement.is_settled(msg_id)]
        reason = str(error) or type(error).__name__
        if len(failed) > 1 or (failed and len(listed) == 1):
            return Verdict(delivery, refused=reason)  # who of them is to blame shows when they come one by one
        refusals = [*settlement.refused.values(), *(Refusal(msg_id, reason) for msg_id in failed)]
        refused = {refusal.msg_id for refusal in refusals}
        handled = tuple(msg_id for msg_id in ids if msg_id not in refused)
        return Verdict(delivery, handled, tuple(refusals), result=settlement.result)

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
                _log.error("not recorded as handled", sub_key=sub_key, messages=len(ids), error=str(error))
                return Verdict(verdict.delivery, refused=str(error))
            window.note_recorded(ids)
        return verdict

    async def _find(self, sub_key: str) -> _Subscription:
        known = self._subscriptions.get(sub_key)
        now = trio.current_time()
        if known is None:
            self._forget_unused(now)
            window = HandledWindow(await self._store.handled(sub_key))
            known = self._subscriptions[sub_key] = _Subscription(window)
        known.used_at = now
        return known

    def _forget_unused(self, now: float) -> None:
        """Forget what was not used for long: some senders make a new sub_key for each link."""
        unused = [
            sub_key for sub_key, one in self._subscriptions.items() if one.is_idle and now - one.used_at > FORGET_AFTER
        ]
        for sub_key in unused:
            del self._subscriptions[sub_key]


def _ids_of(messages: list[Any]) -> list[str]:
    """Return the messages' ids; of one without, which some senders may send, it is empty."""
    try:
        ids = [one["msg_id"] for one in messages]
    except (LookupError, TypeError):
        return [_id_of(one) for one in messages]
    return ids if set(map(type, ids)) <= {str} else [_id_of(one) for one in messages]


def _id_of(message: Any) -> str:
    msg_id = message.get("msg_id") if isinstance(message, dict) else None
    return "" if msg_id is None else str(msg_id)
