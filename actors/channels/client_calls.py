"""The requests of this cluster to the peer of a session: in order, so many at once, each with its one outcome.

What the peer has no credit for waits here, so that it holds up nothing else that is for the peer.
"""

from __future__ import annotations

from attrs import define, field

from actors.connections.pending import PendingCalls
from actors.credit import CreditAccount
from actors.envelope import Envelope
from actors.errors import LinkClosed, LinkLost, Overloaded
from actors.messages import Credit, Failure, Invoke, Reply
from actors.ports import Entropy, Link
from actors.services.call import RemoteCall

__all__ = ["ClientCalls"]


@define(eq=False)
class ClientCalls:
    """Envelopes with a `RemoteCall`; those without a slot for an answer are sent, and what comes back is ignored.

    Args:
        client: The client's name, for errors.
        limit: How many may be under way at once, those that wait to be sent included.
        entropy: Ids.
    """

    client: str
    limit: int
    _entropy: Entropy
    _pending: PendingCalls = field(init=False)
    _waiting: dict[Envelope, None] = field(init=False, factory=dict)
    _without_credit: list[tuple[Link, Envelope]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self._pending = PendingCalls(self.client, self._entropy)

    def __len__(self) -> int:
        return len(self._pending) + len(self._waiting)

    def agree(self, credit: CreditAccount) -> None:
        """Send no more from now on than the peer has said that it takes."""
        self._pending.credit = credit

    def grant(self, credit: Credit) -> bool:
        """Take note that the peer takes more requests; tell whether there was a limit to raise."""
        return self._pending.grant(credit)

    def accept(self, envelope: Envelope) -> bool:
        """Take a request in, to be sent in its turn; tell whether there was room, else it has been failed."""
        credit = self._pending.credit
        limit = 0 if credit is not None and not credit.max_count else self.limit
        has_room = len(self) < limit
        if has_room:
            self._waiting[envelope] = None
        elif envelope.reply is not None:
            envelope.reply.fail(Overloaded(f"more than {limit} requests to {self.client!r} are under way"))
        return has_room

    async def send(self, link: Link, envelope: Envelope) -> None:
        """Send what was accepted as soon as there is room on the link, unless nobody waits for it any more.

        Without credit it is put aside until there is. Cancelled meanwhile, the request is still to be failed, with all
        others.
        """
        credit = self._pending.credit
        if credit is not None and envelope.is_wanted and (self._without_credit or not credit.is_open):
            self._without_credit.append((link, envelope))
            credit.when_open(self._send_waiting)
            return
        if envelope.reply is None and credit is None:
            await self._announce(link, envelope.payload, envelope.cid)
        elif envelope.is_wanted:
            await self._pending.send(link, envelope)
        self._waiting.pop(envelope, None)

    def _send_waiting(self) -> None:
        """Send what waited for credit, as far as there is some."""
        waiting, credit = self._without_credit, self._pending.credit
        while credit is not None and credit.is_open and waiting:
            link, envelope = waiting.pop(0)
            self._waiting.pop(envelope, None)
            if envelope.is_wanted:
                self._pending.send_late(link, envelope)
        if credit is not None and waiting:
            credit.when_open(self._send_waiting)

    async def _announce(self, link: Link, call: RemoteCall, cid: str) -> None:
        call_id = self._entropy.hex_id()
        try:
            await link.send(Invoke(call_id, call.data, cid=cid or call_id))
        except LinkClosed:
            return

    def answer(self, message: Reply | Failure) -> bool:
        """Settle the request that the message answers; tell whether one waits for it."""
        return self._pending.answer(message)

    def fail_all(self, reason: str) -> None:
        """The link is gone: fail every request, and say of each whether it had been sent."""
        self._without_credit.clear()
        self._pending.fail_all(reason)
        for envelope in self._waiting:
            if envelope.reply is not None:
                text = f"{self.client!r}: link lost before the call was sent: {reason}"
                envelope.reply.fail(LinkLost(text, sent=False))
        self._waiting.clear()
