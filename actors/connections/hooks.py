"""The events of a link that hook services receive, as `ctx`.

A hook is a service; `self.request.input.ctx` holds one of these, and a handler whose parameter is annotated with
one of them is given it directly. One service may serve all three: `ctx.type` tells.
"""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import field, frozen

from actors.topics.settlement import Settlement

__all__ = ["Closed", "Connected", "IncomingRequest", "MessageReceived", "Subscribing"]


@frozen
class IncomingRequest:
    """What a server sent: its frame's id and timestamp, and the data.

    For messages of a subscription `data` is a list of message dicts, also for one; for a request of the server
    it is the request, and what the hook returns is the answer.
    """

    id: str
    timestamp: str
    data: Any


@frozen
class Connected:
    """The session with the remote channel exists, or a WebSocket server took the upgrade; subscriptions follow.

    `attempt` counts the dials since the last link; `conn` makes clients for calls over this connection. `resumed`
    says that subscriptions from before go on, and `missed` how many messages wait in them; a remote that speaks
    Zato's format cannot tell.
    """

    type: ClassVar[str] = "connect"

    config: Any
    conn: Any
    attempt: int = 1
    resumed: bool = False
    missed: int = 0


@frozen
class Subscribing:
    """Topics are about to be subscribed to; what on_subscribe returns is a list of names to add to those listed."""

    type: ClassVar[str] = "subscribe"

    config: Any
    conn: Any


@frozen
class MessageReceived:
    """The remote sent messages of a subscription, or a request; or a WebSocket server sent a frame.

    `data` is an `IncomingRequest`; of a WebSocket server it is the frame itself: text, bytes, or with `data_format`
    what its JSON says.

    When the hook ends without an error, all messages are acknowledged but for those that it refused; when it raises,
    all are refused but for those that it acknowledged.
    """

    type: ClassVar[str] = "message"

    config: Any
    conn: Any
    data: Any
    _settlement: Settlement = field(factory=Settlement, repr=False, eq=False)

    def acknowledge(self, msg_id: str) -> None:
        """Have one message acknowledged, whatever becomes of the others.

        Raises:
            ValueError: When this delivery has no such message.
        """
        self._settlement.acknowledge(msg_id)

    def refuse(self, msg_id: str, reason: str = "", *, redeliver_after: float | None = None) -> None:
        """Have one message refused, whatever becomes of the others.

        Args:
            msg_id: Which.
            reason: Why; shown by the publishing cluster.
            redeliver_after: In how many seconds it is wanted again; None for the pauses of the subscription.

        Raises:
            ValueError: When this delivery has no such message.
        """
        self._settlement.refuse(msg_id, reason, redeliver_after)


@frozen
class Closed:
    """The session is over; `origin` says who ended it: `local`, `remote` or `network`."""

    type: ClassVar[str] = "close"

    config: Any
    conn: Any
    code: int
    reason: str
    origin: str
