"""The session state machine that both wire formats share.

Each end of a link goes through the same states; what differs by role is who speaks first.

    NEW       the client may send `Hello`, and nothing else
    GREETED   the server may answer `Welcome` or `Denied` (or `Failure`, from an old peer)
    OPEN      both send calls, answers and deliveries; the client may send another `Hello`, which renews
    CLOSED    nothing more

The machine is told of each message that this end sends or receives, before it takes effect. A message that this
end may not send is a `LocalProtocolError`, a fault of ours; one that the peer may not send gives a reason, which
the format's wire turns into a `Violation`.
"""

from __future__ import annotations

from enum import Enum

from actors.messages import (
    Acknowledge,
    Cancel,
    Confirm,
    Credit,
    Deliver,
    Denied,
    Extend,
    Failure,
    Goodbye,
    Hello,
    Invoke,
    Message,
    OpenStream,
    PublishTo,
    Refuse,
    Reply,
    StreamEnd,
    StreamItems,
    SubscribeTo,
    UnsubscribeFrom,
    Welcome,
)
from runtime.wire.protocol import Role

__all__ = ["MAX_ID", "MAX_LABEL", "LocalProtocolError", "SessionState", "State"]


class LocalProtocolError(ValueError):
    """This end tried to send what it may not send at this point of the session."""


MAX_ID = 200
"""The longest id of a message, in characters: ids are kept until the message is answered."""

MAX_LABEL = 10_000
"""The longest text in which a client says who it is: that is looked at before anybody knows it, and then kept."""


class State(Enum):
    """How far the session has come."""

    NEW = "new"
    GREETED = "greeted"
    OPEN = "open"
    CLOSED = "closed"


_CLIENT, _SERVER = Role.CLIENT, Role.SERVER
_EITHER: tuple[type, ...] = (Invoke, Reply, Failure, Cancel, Credit, Goodbye)

_TRANSITIONS: dict[tuple[State, Role, type], State] = {
    (State.NEW, _CLIENT, Hello): State.GREETED,
    (State.NEW, _CLIENT, Goodbye): State.CLOSED,
    (State.NEW, _SERVER, Denied): State.CLOSED,
    (State.NEW, _SERVER, Failure): State.NEW,
    (State.NEW, _SERVER, Goodbye): State.CLOSED,
    (State.GREETED, _SERVER, Welcome): State.OPEN,
    (State.GREETED, _SERVER, Denied): State.CLOSED,
    (State.GREETED, _SERVER, Failure): State.GREETED,
    (State.GREETED, _SERVER, Goodbye): State.CLOSED,
    (State.GREETED, _CLIENT, Goodbye): State.CLOSED,
    (State.OPEN, _CLIENT, Hello): State.OPEN,
    (State.OPEN, _SERVER, Welcome): State.OPEN,
    (State.OPEN, _SERVER, Denied): State.CLOSED,
    (State.OPEN, _SERVER, Deliver): State.OPEN,
    (State.OPEN, _CLIENT, OpenStream): State.OPEN,
    (State.OPEN, _SERVER, StreamItems): State.OPEN,
    (State.OPEN, _SERVER, StreamEnd): State.OPEN,
    (State.OPEN, _CLIENT, PublishTo): State.OPEN,
    (State.OPEN, _CLIENT, SubscribeTo): State.OPEN,
    (State.OPEN, _CLIENT, UnsubscribeFrom): State.OPEN,
    (State.OPEN, _SERVER, Confirm): State.OPEN,
    (State.OPEN, _CLIENT, Acknowledge): State.OPEN,
    (State.OPEN, _CLIENT, Refuse): State.OPEN,
    (State.OPEN, _CLIENT, Extend): State.OPEN,
    **{(State.OPEN, role, kind): State.OPEN for role in Role for kind in _EITHER if kind is not Goodbye},
    (State.OPEN, _CLIENT, Goodbye): State.CLOSED,
    (State.OPEN, _SERVER, Goodbye): State.CLOSED,
}
"""(state, who sends, what) -> the state after it; what is not here is not allowed."""


def _ordinary(sender: Role) -> frozenset[type]:
    """Return what leaves an open session open."""
    return frozenset(
        kind for (state, role, kind), after in _TRANSITIONS.items() if (state, role, after) == (_OPEN, sender, _OPEN)
    )


_OPEN = State.OPEN
_ORDINARY = {role: _ordinary(role) - {Hello} for role in Role}
_TO_SEND = {role: kinds - {Welcome} for role, kinds in _ORDINARY.items()}


class SessionState:
    """The state of one end.

    Args:
        role: Which end this is.
    """

    def __init__(self, role: Role) -> None:
        self.role = role
        self.peer = Role.SERVER if role is Role.CLIENT else Role.CLIENT
        self.state = State.NEW
        self.ordinary = _TO_SEND[role]
        """The kinds that this end may send, and which change nothing, while the session is open."""
        self._ordinary_of_peer = _ORDINARY[self.peer]

    @property
    def is_open(self) -> bool:
        """Tell whether the session exists."""
        return self.state is State.OPEN

    @property
    def is_closed(self) -> bool:
        """Tell whether one end has ended the session."""
        return self.state is State.CLOSED

    def check_send(self, message: Message) -> State:
        """Return the state that sending the message leads to, without going there.

        Raises:
            LocalProtocolError: When it may not be sent now.
        """
        after = _TRANSITIONS.get((self.state, self.role, type(message)))
        if after is None:
            msg = f"a {self.role.value} may not send {type(message).__name__} while {self.state.value}"
            raise LocalProtocolError(msg)
        return after

    def received(self, message: Message) -> str | None:
        """Take note of a message of the peer; return what is wrong with it, or None."""
        if len(getattr(message, "id", "")) > MAX_ID:
            return f"an id has at most {MAX_ID} characters"
        if self.state is _OPEN and type(message) in self._ordinary_of_peer:
            return None
        if isinstance(message, Hello) and any(len(text) > MAX_LABEL for text in _labels_of(message)):
            return f"what a client says of itself has at most {MAX_LABEL} characters each"
        after = _TRANSITIONS.get((self.state, self.peer, type(message)))
        if after is None:
            return f"a {self.peer.value} may not send {type(message).__name__} while {self.state.value}"
        self.state = after
        return None

    def close(self) -> None:
        """Allow nothing more."""
        self.state = State.CLOSED


def _labels_of(hello: Hello) -> list[str]:
    texts = [hello.username or "", hello.secret or "", hello.client_id, hello.client_name]
    texts += [hello.cluster, hello.connection, hello.server, hello.incarnation]
    texts += hello.features
    return texts + [f"{key}={value}" for key, value in hello.attrs.items()]
