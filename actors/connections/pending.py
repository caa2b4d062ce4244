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

from actors.connections.pending_streams import put_items, request_of
from actors.connections.remote_topics import RemoteTopicCall
from actors.envelope import Envelope, ReplySlot
from actors.errors import CallError, LinkClosed, LinkLost, NotSupported, RemoteError
from actors.failures import error_of
from actors.messages import PUBSUB, STREAMS, Cancel, Confirmed, Failure, Invoke, Reply, StreamEnd, StreamItems
from actors.ports import Entropy, Link
from actors.services.call import CallResponse, RemoteCall, RemoteStream

__all__ = ["PendingCalls"]


class _Pending(msgspec.Struct, frozen=True):
    """A call, the slot of its answer, and the link that it was handed to."""

    call: RemoteCall
    slot: ReplySlot | None
    link: Link


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
        self.features: Collection[str] = ()
        """What the peer of the link of the moment says that it can do."""

    def __len__(self) -> int:
        return len(self._calls)

    async def send(self, link: Link, envelope: Envelope) -> None:
        """Hand a call to a link, waiting for room there; its slot is settled when the outcome is known.

        A call that is cancelled or abandoned while it waits for room has not been sent and never is.
        """
        if link.has_room:
            self.send_nowait(link, envelope)
            return
        slot = envelope.reply
        invoke = self._invoke_of(envelope, link)
        if invoke is None:
            return
        try:
            with trio.CancelScope() as waiting:
                if slot is not None:
                    slot.on_abandoned(waiting.cancel)
                await link.send(invoke)
        except LinkClosed as closed:
            if slot is not None:
                slot.fail(self._lost(str(closed), sent=False))
        else:
            if not waiting.cancelled_caught:
                self._add(invoke.id, envelope, link)

    def send_nowait(self, link: Link, envelope: Envelope) -> None:
        """Hand a call to a link that has room."""
        invoke = self._invoke_of(envelope, link)
        if invoke is not None:
            link.send_nowait(invoke)
            self._add(invoke.id, envelope, link)

    def _invoke_of(self, envelope: Envelope, link: Link) -> Invoke | None:
        """Return a call as it is sent, or None where it is failed since the peer does not know such calls."""
        self._count += 1
        call_id = f"{self._prefix}{self._count:x}"
        call: RemoteCall = envelope.payload
        deadline = envelope.deadline
        timeout = None if deadline == inf else max(0.0, deadline - trio.current_time())
        invoke = Invoke(call_id, call.data, "", timeout, envelope.cid or call_id)
        if type(call) is RemoteCall:
            return invoke
        try:
            if isinstance(call, RemoteTopicCall):
                return call.message(invoke, is_known=PUBSUB in self.features)
            if isinstance(call, RemoteStream):
                return request_of(invoke, call, link, is_known=STREAMS in self.features)
        except NotSupported as error:
            if envelope.reply is not None:
                envelope.reply.fail(NotSupported(f"{self._connection!r}: {error}"))
            return None
        return invoke

    def _add(self, call_id: str, envelope: Envelope, link: Link) -> None:
        """Have a call in the table; it is withdrawn or cancelled when nobody waits any more."""
        slot = envelope.reply
        self._calls[call_id] = _Pending(envelope.payload, slot, link)
        if slot is not None:
            slot.on_abandoned(partial(self._abandon, call_id))

    def answer(self, message: Reply | Failure) -> bool:
        """Settle the call that the message answers; tell whether there was one."""
        if isinstance(message, Failure):
            return self._settle(message.in_reply_to, error_of(message))
        response = CallResponse(message.id, message.timestamp, message.in_reply_to, message.data)
        return self._settle(message.in_reply_to, response)

    def confirm(self, confirmed: Confirmed, timestamp: str = "") -> bool:
        """Settle the call about topics that is confirmed; tell whether there was one."""
        call_id = confirmed.in_reply_to
        pending = self._calls.get(call_id)
        if pending is None or not isinstance(pending.call, RemoteTopicCall):
            return False
        data = pending.call.result(confirmed.ids)
        if data is None:
            text = f"{self._connection!r}: the peer confirmed something else than it was asked for"
            return self._settle(call_id, RemoteError(text))
        return self._settle(call_id, CallResponse("", timestamp, call_id, data))

    def put_items(self, message: StreamItems) -> bool:
        """Give items to whoever iterates over the stream that they are of; tell whether there is one.

        A peer that sends more than it was granted ends the stream with an error.
        """
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
        for call_id, pending in list(self._calls.items()):
            self._settle(call_id, self._lost(reason, sent=not pending.link.withdraw(call_id)))

    def _settle(self, call_id: str, outcome: CallResponse | CallError | None) -> bool:
        pending = self._calls.pop(call_id, None)
        if pending is None:
            return False
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
