"""The requests of a session's peer that are under way: handed to the channel's service in their turn, and answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from actors.channels.peer_streams import PeerStreams
from actors.channels.peer_topics import PeerTopics
from actors.channels.turns import Turns
from actors.envelope import Envelope, ReplySlot
from actors.errors import ActorError, CallError, MailboxFull, Overloaded, ServiceNotFound
from actors.failures import failure_of
from actors.messages import Confirm, Confirmed, Invoke, Message, OpenStream, Reply, StreamEnd
from actors.meters import Work
from actors.ports import Entropy
from actors.ref import ActorRef
from actors.services.call import Call, Caller, TopicCall
from actors.settings import ChannelSettings

__all__ = ["PeerRequests"]


class _RequestSlot(ReplySlot):
    """The slot of a request, and since when it is under way."""

    __slots__ = ("began_at", "request")

    def __init__(self, on_settled: Callable[[ReplySlot], None], request: Invoke, began_at: float) -> None:
        super().__init__(on_settled)
        self.request = request
        self.began_at = began_at


class PeerRequests:
    """Requests by the ids of their messages; none of them has a task.

    Args:
        settings: The channel's settings.
        ref: Finds actors.
        send: Sends an answer to the peer.
        entropy: Ids of answers.
        streams: Those of them that are answered by streams.
        work: Where they are counted and timed; None where nobody looks.
    """

    def __init__(
        self,
        settings: ChannelSettings,
        *,
        ref: Callable[[str, str], ActorRef],
        send: Callable[[Message], None],
        entropy: Entropy,
        streams: PeerStreams,
        work: Work | None,
    ) -> None:
        self._ref = ref
        self.adopt(settings)
        self._send = send
        self._streams = streams
        self._work = work
        self._topics = PeerTopics(ref)
        self._turns = Turns(self._hand_over, is_sequential=settings.sequential, limit=settings.max_in_flight)
        self._under_way: dict[str, ReplySlot] = {}
        self._on_answered: Callable[[], None] | None = None
        self._now = trio.lowlevel.current_clock().current_time
        self._prefix = entropy.hex_id()
        self._count = 0
        self.is_stopping = False
        """Whether further requests are refused, for the server is shutting down."""

    def __len__(self) -> int:
        return len(self._under_way)

    def adopt(self, settings: ChannelSettings) -> None:
        """Go on with changed settings; what is under way is not concerned."""
        self._settings = settings
        self._service = self._ref("service", settings.service)

    def take(self, invoke: Invoke, caller: Caller) -> bool:
        """Hand a request to the channel's service, whose answer the peer gets; tell whether it was a new one."""
        if invoke.id in self._under_way:
            return False
        began_at = 0.0 if self._work is None else self._work.now()
        slot = _RequestSlot(self._answer, invoke, began_at)
        limit = self._settings.max_in_flight
        if self.is_stopping:
            slot.fail(Overloaded("the server is shutting down"))
        elif len(self._under_way) >= limit:
            slot.fail(Overloaded(f"more than {limit} requests of this session are under way"))
        else:
            now = self._now()
            deadline = float("inf") if invoke.timeout is None else now + invoke.timeout
            self._under_way[invoke.id] = slot
            is_plain = type(invoke) is Invoke
            call = Call(invoke.data, caller, trace=invoke.trace) if is_plain else self._call_of(invoke, caller)
            self._turns.add(Envelope(call, invoke.cid, deadline, slot, sent_at=now))
        return True

    def _call_of(self, request: Invoke, caller: Caller) -> Call:
        """Return the call that a request means which is no ordinary one."""
        if isinstance(request, OpenStream):
            return self._streams.call_of(request, caller)
        return TopicCall(request, caller, trace=request.trace)

    def _hand_over(self, envelope: Envelope) -> None:
        """Give a request to the channel's service or to a topic, or have it fail where that takes none."""
        slot = envelope.reply
        try:
            if type(envelope.payload) is TopicCall:
                self._topics.hand_over(envelope)
            else:
                self._service.send_nowait(envelope)
        except CallError as error:
            if slot is not None:
                slot.fail(error)
        except MailboxFull as error:
            if slot is not None:
                slot.fail(Overloaded(str(error)))
        except ActorError:
            if slot is not None:
                slot.fail(ServiceNotFound(f"No such service {self._settings.service!r}"))

    def _answer(self, slot: Any) -> None:
        """Send what a request's slot was settled with."""
        invoke: Invoke = slot.request
        self._forget(invoke.id)
        if self._work is not None:
            self._work.ended(slot.began_at, slot.error)
        self._count += 1
        answer_id = f"{self._prefix}{self._count:x}"
        if isinstance(invoke, OpenStream):
            self._streams.forget(invoke.id)
        if slot.error is not None:
            tells = self._settings.remote_tracebacks
            self._send(failure_of(slot.error, answer_id, invoke.id, tells_traceback=tells))
        elif type(invoke) is Invoke:
            self._send(Reply(answer_id, invoke.id, slot.value))
        elif isinstance(invoke, OpenStream):
            self._send(StreamEnd(answer_id, invoke.id))
        else:
            ids = slot.value if isinstance(slot.value, list) else [slot.value]
            self._send(Confirm([Confirmed(invoke.id, ids)]))
        self._turns.advance()

    def cancel(self, request_id: str) -> bool:
        """Have a request's handler cancelled, since the peer does not wait any more; tell whether it was under way."""
        slot = self._forget(request_id)
        if slot is not None:
            self._streams.forget(request_id)
            slot.abandon()
            self._turns.advance()
            if self._work is not None:
                self._work.cancelled()
        return slot is not None

    def cancel_all(self) -> None:
        """The peer is gone: nobody waits for anything."""
        for slot in list(self._under_way.values()):
            slot.abandon()
        if self._work is not None:
            self._work.cancelled(len(self._under_way))

    def when_answered(self, callback: Callable[[], None]) -> None:
        """Say what to call as soon as no request is under way, maybe at once."""
        if self._under_way:
            self._on_answered = callback
        else:
            callback()

    def _forget(self, request_id: str) -> ReplySlot | None:
        slot = self._under_way.pop(request_id, None)
        if self._on_answered is not None and not self._under_way:
            callback, self._on_answered = self._on_answered, None
            callback()
        return slot
