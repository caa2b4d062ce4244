"""The calls over a link that wait for their answers: an outgoing connection's, or a session's to its peer.

A call is in the table from when its link has it, and leaves it once, with its one outcome: an answer, the remote's
error, the loss of its link, or because nobody waits any more. An answer to what is not in the table is late, repeated
or unknown; it is counted and ignored.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from math import inf

import msgspec
import trio
from msgspec.structs import replace

from actors.connections.answer_times import AnswerTimes
from actors.connections.pending_streams import put_items, request_of
from actors.connections.remote_topics import RemoteTopicCall
from actors.credit import CreditAccount, encoded
from actors.envelope import Envelope, ReplySlot, ask_by
from actors.errors import (
    AskTimeout,
    CallError,
    InvokeTimeout,
    LinkClosed,
    LinkDown,
    LinkLost,
    NotSupported,
    RemoteError,
)
from actors.failures import error_of
from actors.messages import (
    CREDIT,
    PUBSUB,
    STREAMS,
    Cancel,
    Confirmed,
    Credit,
    Failure,
    Invoke,
    Reply,
    StreamEnd,
    StreamItems,
    Welcome,
)
from actors.ports import Entropy, Link
from actors.services.call import CallResponse, RemoteCall, RemoteStream

__all__ = ["PendingCalls"]


class _Pending(msgspec.Struct, frozen=True):
    """A call, the slot of its answer, the link that it was handed to, and the bytes of credit that it takes."""

    call: RemoteCall
    slot: ReplySlot | None
    link: Link
    size: int


class PendingCalls:
    """Calls by the ids of their messages.

    Args:
        connection: The name of the connection or the peer, for errors.
        entropy: Ids.
    """

    def __init__(self, connection: str, entropy: Entropy) -> None:
        self._connection = connection
        self._entropy = entropy
        self._prefix = entropy.hex_id()
        self._count = 0
        self._calls: dict[str, _Pending] = {}
        self._times = AnswerTimes()
        self._now = trio.lowlevel.current_clock().current_time
        self.features: Collection[str] = ()
        """What the peer of the link of the moment says that it can do."""
        self.credit: CreditAccount | None = None
        """How many calls that peer takes at once; None where it does not say."""

    def __len__(self) -> int:
        return len(self._calls)

    def agree(self, welcome: Welcome) -> None:
        """Take note of what the peer of a new link can do, and of how much it takes."""
        self.features = frozenset(welcome.features)
        self.credit = None
        self._times = AnswerTimes()
        if CREDIT in welcome.features and welcome.requests is not None:
            self.credit = CreditAccount(welcome.requests)

    def grant(self, credit: Credit) -> bool:
        """Take note that the peer takes more calls; tell whether there was a limit to raise."""
        if self.credit is not None:
            self.credit.raise_by(credit.count, credit.bytes)
        return self.credit is not None

    @property
    def has_credit(self) -> bool:
        """Tell whether the peer takes another call now."""
        credit = self.credit
        return credit is None or credit.is_open

    async def send(self, link: Link, envelope: Envelope) -> None:
        """Hand a call to a link, waiting for credit and for room there; its slot is settled when the outcome is known.

        A call that is cancelled or abandoned while it waits has not been sent and never is; nor is one that has waited
        so long that no answer can come in time.
        """
        if link.has_room and self.has_credit:
            self.send_late(link, envelope)
            return
        slot = envelope.reply
        try:
            with trio.CancelScope() as waiting:
                if slot is not None:
                    slot.on_abandoned(waiting.cancel)
                await self._wait_credit()
                if not self._is_too_late(envelope):
                    await self._send(link, envelope)
        except LinkClosed as closed:
            if slot is not None:
                slot.fail(self._lost(str(closed), sent=False))

    async def ask(self, link: Link, call: RemoteCall, *, timeout: float) -> CallResponse:
        """Make a call over a given link and wait for its answer, at most `timeout` seconds in all.

        Raises:
            InvokeTimeout: There was no answer in time.
            CallError: What it was answered with, or that it was not sent.
        """
        try:
            response: CallResponse = await ask_by(lambda envelope: self.send(link, envelope), call, timeout=timeout)
        except AskTimeout as error:
            raise InvokeTimeout(str(error)) from None
        return response

    async def _wait_credit(self) -> None:
        """Wait until the peer takes another call, or its link has ended."""
        credit = self.credit
        while credit is not None and credit is self.credit and not credit.is_open:
            woken = trio.Event()
            credit.when_open(woken.set)
            await woken.wait()

    async def _send(self, link: Link, envelope: Envelope) -> None:
        invoke, size = self._invoke_of(envelope, link)
        if invoke is None:
            return
        if self.credit is not None:
            self.credit.take(size)
        is_sent = False
        try:
            await link.send(invoke)
            is_sent = True
        finally:
            if not is_sent:
                self._give_credit_back(size)
        self._add(invoke.id, envelope, link, size)
        self._times.sent(invoke.id, self._now())

    def send_late(self, link: Link, envelope: Envelope) -> None:
        """Hand a call that has waited for its turn to a link that has room, to a peer that takes it.

        One that the peer cannot answer any more in the time that is left is failed instead.
        """
        if not self._is_too_late(envelope) and (call_id := self.send_nowait(link, envelope)):
            self._times.sent(call_id, self._now())

    def send_nowait(self, link: Link, envelope: Envelope) -> str:
        """Hand a call to a link that has room, to a peer that takes it; return its id, "" where it has been failed."""
        invoke, size = self._invoke_of(envelope, link)
        if invoke is None:
            return ""
        if self.credit is not None:
            self.credit.take(size)
        link.send_nowait(invoke, len(self._calls))
        self._add(invoke.id, envelope, link, size)
        return invoke.id

    def _is_too_late(self, envelope: Envelope) -> bool:
        """Fail a call that no answer can come to in time; tell whether that was so."""
        now = self._now()
        left, least = envelope.deadline - now, self._times.least(now)
        if left >= least:
            return False
        if envelope.reply is not None:
            why = f"an answer takes about {least:.3g} s, and {max(0.0, left):.3g} s were left when its turn came"
            envelope.reply.fail(LinkDown(f"{self._connection!r}: never sent: {why}"))
        return True

    def _give_credit_back(self, size: int) -> None:
        if self.credit is not None:
            self.credit.give_back(size)

    def _invoke_of(self, envelope: Envelope, link: Link) -> tuple[Invoke | None, int]:
        """Return a call as it is sent, and the bytes of credit that it takes.

        It is None where it has been failed, since the peer does not know such calls.
        """
        self._count += 1
        call_id = f"{self._prefix}{self._count:x}"
        call: RemoteCall = envelope.payload
        deadline = envelope.deadline
        timeout = None if deadline == inf else max(0.0, deadline - self._now())
        is_plain = type(call) is RemoteCall
        data, size = (call.data, 0) if self.credit is None or not is_plain else encoded(call.data)
        invoke = Invoke(call_id, data, "", timeout, envelope.cid or call_id, call.trace)
        if is_plain:
            return invoke, size
        try:
            if isinstance(call, RemoteTopicCall):
                invoke = call.message(invoke, is_known=PUBSUB in self.features)
            elif isinstance(call, RemoteStream):
                invoke = request_of(invoke, call, link, is_known=STREAMS in self.features)
        except NotSupported as error:
            if envelope.reply is not None:
                envelope.reply.fail(NotSupported(f"{self._connection!r}: {error}"))
            return None, 0
        if self.credit is None:
            return invoke, 0
        data, size = encoded(invoke.data)
        return replace(invoke, data=data), size

    def _add(self, call_id: str, envelope: Envelope, link: Link, size: int) -> None:
        """Have a call in the table; it is withdrawn or cancelled when nobody waits any more."""
        slot = envelope.reply
        self._calls[call_id] = _Pending(envelope.payload, slot, link, size)
        if slot is not None:
            slot.on_abandoned(partial(self._abandon, call_id))

    def answer(self, message: Reply | Failure) -> bool:
        """Settle the call that the message answers; tell whether there was one."""
        self._note_answer(message.in_reply_to)
        if isinstance(message, Failure):
            return self._settle(message.in_reply_to, error_of(message))
        response = CallResponse(message.id, message.timestamp, message.in_reply_to, message.data)
        return self._settle(message.in_reply_to, response)

    def confirm(self, confirmed: Confirmed, timestamp: str = "") -> bool:
        """Settle the call about topics that is confirmed; tell whether there was one."""
        call_id = confirmed.in_reply_to
        self._note_answer(call_id)
        pending = self._calls.get(call_id)
        if pending is None or not isinstance(pending.call, RemoteTopicCall):
            return False
        data = pending.call.result(confirmed.ids)
        if data is None:
            text = f"{self._connection!r}: the peer confirmed something else than it was asked for"
            return self._settle(call_id, RemoteError(text))
        return self._settle(call_id, CallResponse("", timestamp, call_id, data))

    def _note_answer(self, call_id: str) -> None:
        if self._times.is_awaiting:
            self._times.answered(call_id, self._now())

    def put_items(self, message: StreamItems) -> bool:
        """Give items to whoever iterates over the stream that they are of; tell whether there is one.

        A peer that sends more than it was granted ends the stream with an error.
        """
        self._note_answer(message.in_reply_to)
        pending = self._calls.get(message.in_reply_to)
        if pending is None or not isinstance(pending.call, RemoteStream):
            return False
        if not put_items(pending.call, message):
            pending.link.send_nowait(Cancel(message.in_reply_to))
            text = f"{self._connection!r}: the peer sent more of a stream than it was granted"
            self._settle(message.in_reply_to, RemoteError(text))
        return True

    def end_stream(self, message: StreamEnd) -> bool:
        """Settle the stream that has ended; tell whether there was one."""
        pending = self._calls.get(message.in_reply_to)
        is_stream = pending is not None and isinstance(pending.call, RemoteStream)
        return is_stream and self._settle(message.in_reply_to, None)

    def fail_all(self, reason: str) -> None:
        """The link is gone: fail every call, and say of each whether a frame had held it."""
        credit, self.credit = self.credit, None
        for call_id, pending in list(self._calls.items()):
            self._settle(call_id, self._lost(reason, sent=not pending.link.withdraw(call_id)))
        if credit is not None:
            credit.wake()

    def _settle(self, call_id: str, outcome: CallResponse | CallError | None) -> bool:
        pending = self._calls.pop(call_id, None)
        if pending is None:
            return False
        self._give_credit_back(pending.size)
        slot = pending.slot
        if slot is not None and isinstance(outcome, CallError):
            slot.fail(outcome)
        elif slot is not None:
            slot.answer(outcome)
        return True

    def _lost(self, reason: str, *, sent: bool) -> LinkLost:
        how = "after the call was sent" if sent else "before the call was sent"
        return LinkLost(f"{self._connection!r}: link lost {how}: {reason}", sent=sent)

    def _abandon(self, call_id: str) -> None:
        """Nobody waits any more: take the call back, or have the remote handler cancelled."""
        pending = self._calls.pop(call_id, None)
        if pending is None:
            return
        call = pending.call
        call.was_sent = not pending.link.withdraw(call_id)
        if call.was_sent:
            pending.link.send_nowait(Cancel(call_id))
        else:
            self._times.forget(call_id)
        self._give_credit_back(pending.size)
