"""Every error that a user of Isthmus can catch.

IsthmusError
├── CallError            a call that ended without a result; `status` says how, HTTP-like
│   ├── BadInput         400  the input was wrong; the message names what; `BadRequest` is another name of it
│   ├── Unauthorized     401
│   ├── Forbidden        403
│   ├── NotFound         404
│   │   └── ServiceNotFound
│   ├── MethodNotAllowed 405
│   ├── Conflict         409
│   ├── TooManyRequests  429
│   ├── InternalServerError 500
│   ├── NotSupported     501  the peer's wire format or release cannot do it; nothing was sent
│   ├── ServiceUnavailable 503
│   │   └── Overloaded        too much waits already
│   ├── RemoteError      500  (or what the remote said) the handler failed
│   ├── CallErrorGroup   500  (or that of all its parts) the handler failed with several errors at once
│   ├── InvokeTimeout    504  sent, and no answer within the time-out
│   ├── LinkLost         502  the link broke while the call was under way; `sent` tells
│   ├── LinkDown         503  never sent: there was no link, or no room or credit on it, in time
│   └── StoreFailed      503  the store could not write; nothing of what was asked is stored
├── ActorError           an actor could not take or answer a message
│   ├── ActorNotFound, ActorCrashed, ActorStopped, MailboxFull, AskTimeout
├── LinkClosed           a link ended: code, reason and origin (local, remote, network)
├── DialFailed           no link came about; `part` tells which step failed
└── ConfigurationError   clusters.toml cannot be used
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

__all__ = [
    "NOT_ALLOWED",
    "ActorCrashed",
    "ActorError",
    "ActorNotFound",
    "ActorStopped",
    "AskTimeout",
    "BadInput",
    "BadRequest",
    "CallError",
    "CallErrorGroup",
    "ConfigurationError",
    "Conflict",
    "DialFailed",
    "Forbidden",
    "InternalServerError",
    "InvokeTimeout",
    "IsthmusError",
    "LinkClosed",
    "LinkDown",
    "LinkLost",
    "MailboxFull",
    "MethodNotAllowed",
    "NotFound",
    "NotSupported",
    "Overloaded",
    "RemoteError",
    "ServiceNotFound",
    "ServiceUnavailable",
    "StoreFailed",
    "TooManyRequests",
    "Unauthorized",
]


NOT_ALLOWED = "You are not allowed to access this resource"
"""What whoever may not do something is told, Zato's words; it says nothing of what there is."""


class IsthmusError(Exception):
    """The base of all errors of this package."""


class CallError(IsthmusError):
    """A call ended without a result; `status` is HTTP-like, the text is for the caller to read.

    Args:
        message: The text.
        text: The text, where `message` is a correlation id: services written for Zato raise
            `NotFound(self.cid, "No such customer")`. The caller's answer bears a correlation id anyway.
        status: Another status than that of the class.
        details: What else the caller may know, as data: whatever JSON can say. It travels between clusters of Isthmus.
    """

    status: int = 500
    details: Any = None
    remote_traceback: str = ""
    """Where in the remote handler it was raised; empty unless the remote is configured to tell."""

    def __init__(
        self, message: str, text: str | None = None, *, status: int | None = None, details: Any = None
    ) -> None:
        super().__init__(message if text is None else text)
        if status is not None:
            self.status = status
        if details is not None:
            self.details = details

    @property
    def kind(self) -> str:
        """The name of its class where it was raised first, however many hops away."""
        return type(self).__name__


class CallErrorGroup(ExceptionGroup[CallError], CallError):
    """A handler failed with a group of errors; `except CallError` catches it whole, `except*` its parts.

    Args:
        message: The text of the group.
        errors: Its parts; groups among them are of this type.
        status: That of all parts, where nothing else is said; 500 where they differ.
        details: What else the caller may know, as data.
    """

    def __new__(
        cls, message: str, errors: Sequence[CallError], *, status: int | None = None, details: Any = None
    ) -> Self:
        """Make the group; what is its own follows in `__init__`."""
        return super().__new__(cls, message, errors)

    def __init__(
        self, message: str, errors: Sequence[CallError], *, status: int | None = None, details: Any = None
    ) -> None:
        own = {error.status for error in errors}
        self.status = status if status is not None else own.pop() if len(own) == 1 else 500
        self.details = details

    def derive(self, errors: Sequence[CallError]) -> CallErrorGroup:  # type: ignore[override]
        """Return a group of some of its parts, for `split` and `except*`."""
        return CallErrorGroup(self.message, errors, details=self.details)


class BadInput(CallError):
    """The input cannot be used; the message names the element and what was expected."""

    status = 400


BadRequest = BadInput


class Unauthorized(CallError):
    """The caller must show who it is, or did so in vain."""

    status = 401


class Forbidden(CallError):
    """The caller may not do this; the message gives no hint whether the object exists."""

    status = 403


class NotFound(CallError):
    """The object named does not exist."""

    status = 404


class ServiceNotFound(NotFound):
    """No service of that name runs in the cluster that was asked."""


class MethodNotAllowed(CallError):
    """The object named cannot be used this way."""

    status = 405


class Conflict(CallError):
    """The request contradicts what is already there."""

    status = 409


class TooManyRequests(CallError):
    """The caller asks too often; it may try again later."""

    status = 429


class InternalServerError(CallError):
    """The handler failed, and says in so many words what the caller may know of it."""


class NotSupported(CallError):
    """The peer's wire format, or its release, cannot do what was asked; nothing was sent."""

    status = 501


class ServiceUnavailable(CallError):
    """What the call needs is not there now; it may be tried again later."""

    status = 503


class Overloaded(ServiceUnavailable):
    """A limit is reached; the call was not begun and may be tried again later."""


class RemoteError(CallError):
    """The handler failed; `status` is what the remote said, `kind` the name of the error there."""

    def __init__(
        self,
        message: str,
        text: str | None = None,
        *,
        status: int | None = None,
        details: Any = None,
        kind: str = "",
    ) -> None:
        super().__init__(message, text, status=status, details=details)
        self._kind = kind

    @property
    def kind(self) -> str:
        """The name of its class where it was raised first; this cluster may not know that class."""
        return self._kind or super().kind


class InvokeTimeout(CallError):
    """The call was sent and no answer came within its time-out."""

    status = 504


class LinkLost(CallError):
    """The link broke while the call was under way; `sent` tells whether it had been taken into a frame."""

    status = 502

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class LinkDown(CallError):
    """The call was never sent: no link, or no room or credit on it, came in time, or none can come."""

    status = 503


class ActorError(IsthmusError):
    """An actor could not take or answer a message."""


class ActorNotFound(ActorError):
    """No actor has that name."""


class ActorCrashed(ActorError):
    """The actor crashed while the message was in its hands; it is not handled again."""


class ActorStopped(ActorError):
    """The actor was stopped before it answered."""


class MailboxFull(ActorError):
    """The actor's mailbox had no room in time."""


class AskTimeout(ActorError):
    """The actor did not answer in time."""


class LinkClosed(IsthmusError):
    """A link ended: `code` and `reason` of the close, and `origin`: local, remote or network."""

    def __init__(self, code: int, reason: str, origin: str) -> None:
        super().__init__(f"link closed by {origin}: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason
        self.origin = origin


class StoreFailed(CallError):
    """The store could not write; nothing of what was asked has been stored."""

    status = 503


class DialFailed(IsthmusError):
    """No link came about; `part` is the step that failed: look-up, TCP, proxy, TLS, upgrade or session.

    `is_denied` says that the remote does not let us in, so that there is no use in trying again soon.
    """

    def __init__(self, part: str, reason: str, *, is_denied: bool | None = None) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.reason = reason
        self.is_denied = part == "session" if is_denied is None else is_denied


class ConfigurationError(IsthmusError):
    """The configuration cannot be used; `problems` are sentences, one for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
