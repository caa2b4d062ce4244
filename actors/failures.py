"""Errors of calls as they travel: to a `Failure` message, and back to the error that a caller catches."""

from __future__ import annotations

from actors import errors
from actors.errors import AskTimeout, CallError, InvokeTimeout, RemoteError
from actors.messages import Failure

__all__ = ["error_of", "failure_of", "single"]

_BY_KIND: dict[str, type[CallError]] = {
    cls.__name__: cls
    for cls in (
        errors.BadInput,
        errors.Conflict,
        errors.Forbidden,
        errors.InternalServerError,
        errors.MethodNotAllowed,
        errors.NotFound,
        errors.Overloaded,
        errors.ServiceNotFound,
        errors.ServiceUnavailable,
        errors.TooManyRequests,
        errors.Unauthorized,
    )
}
_BY_STATUS: dict[int, type[CallError]] = {
    400: errors.BadInput,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.ServiceNotFound,
    405: errors.MethodNotAllowed,
    409: errors.Conflict,
    429: errors.TooManyRequests,
    503: errors.Overloaded,
}


def error_of(failure: Failure) -> CallError:
    """Return the error that a remote's failure means: by its kind, or by its status where the wire has no kinds.

    What a handler met on further calls of its own, such as a lost link, is a `RemoteError` with its status.
    """
    known = _BY_KIND.get(failure.kind) if failure.kind else _BY_STATUS.get(failure.status)
    return (known or RemoteError)(failure.message, status=failure.status)


def failure_of(error: Exception, message_id: str, in_reply_to: str) -> Failure:
    """Return what the peer is told of an error: the text of those meant for callers, else just that it failed.

    An error that is not a `CallError` may name internals, so a peer learns only its status.
    """
    if isinstance(error, CallError):
        return Failure(message_id, in_reply_to, error.status, str(error), type(error).__name__)
    if isinstance(error, AskTimeout):
        return Failure(message_id, in_reply_to, InvokeTimeout.status, str(error), InvokeTimeout.__name__)
    return Failure(message_id, in_reply_to, 500, "Internal server error", "RemoteError")


def single(error: Exception) -> Exception:
    """Take an exception out of the groups around it, where it is alone in them."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
