"""Errors of calls as they travel: to a `Failure` message, and back to the error that a caller catches.

What travels is data: status, kind, text, details, and the parts of a group; never code, and nothing is unpickled. How
deep, how many and how long is bounded at both ends.
"""

from __future__ import annotations

import traceback
from typing import Any

import msgspec

from actors import errors
from actors.errors import AskTimeout, CallError, CallErrorGroup, InvokeTimeout, RemoteError
from actors.messages import Failure, FailurePart

__all__ = ["error_of", "failure_of", "single"]

MAX_DEPTH = 5
"""Groups within groups."""

MAX_PARTS = 50
"""Errors of one failure, those of inner groups included."""

MAX_CHARACTERS = 64 * 1024
"""Of all texts of one failure together."""

MAX_TEXT = 8 * 1024
"""Characters of one text; of a traceback these are the last ones."""

MAX_DETAILS = 16 * 1024
"""Bytes of the details of one error."""

_GROUP = CallErrorGroup.__name__
_INTERNAL = "Internal server error"

_BY_KIND: dict[str, type[CallError]] = {
    cls.__name__: cls
    for cls in (
        errors.BadInput,
        errors.Conflict,
        errors.Forbidden,
        errors.InternalServerError,
        errors.MethodNotAllowed,
        errors.NotFound,
        errors.NotSupported,
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


class _Budget:
    """What a failure may still hold."""

    def __init__(self) -> None:
        self.parts = MAX_PARTS
        self._characters = MAX_CHARACTERS

    def text(self, text: str) -> str:
        """Return as much of a text as there is room for."""
        limit = min(MAX_TEXT, self._characters)
        self._characters -= min(len(text), limit)
        return text if len(text) <= limit else text[:limit] + "..."


# To a message


def failure_of(error: Exception, message_id: str, in_reply_to: str, *, tells_traceback: bool = False) -> Failure:
    """Return what the peer is told of an error: what those meant for callers say, else just that it failed.

    An error that is not a `CallError` may name internals, so a peer learns only its status; the same holds for those in
    a group. `tells_traceback` has the peer told all the same.
    """
    part = _part_of(error, _Budget(), MAX_DEPTH)
    told = "".join(traceback.format_exception(error))[-MAX_TEXT:] if tells_traceback else ""
    return Failure(
        message_id,
        in_reply_to,
        part.status,
        part.message,
        part.kind,
        details=part.details,
        parts=part.parts,
        traceback=told,
    )


def _part_of(error: Exception, budget: _Budget, depth: int) -> FailurePart:
    if isinstance(error, ExceptionGroup):
        return _group_of(error, budget, depth)
    if isinstance(error, CallError):
        return FailurePart(error.status, budget.text(str(error)), error.kind, _details_of(error.details))
    if isinstance(error, AskTimeout):
        return FailurePart(InvokeTimeout.status, budget.text(str(error)), InvokeTimeout.__name__)
    return FailurePart(500, _INTERNAL, RemoteError.__name__)


def _group_of(group: ExceptionGroup[Exception], budget: _Budget, depth: int) -> FailurePart:
    """Return a group with as many of its errors as there is room for, and how many are left out."""
    own = {error.status if isinstance(error, CallError) else 500 for error in group.exceptions}
    status = group.status if isinstance(group, CallErrorGroup) else own.pop() if len(own) == 1 else 500
    details = _details_of(group.details) if isinstance(group, CallErrorGroup) else None
    if not depth or not budget.parts:
        return FailurePart(status, budget.text(str(group)), _GROUP, details)
    kept = group.exceptions if len(group.exceptions) <= budget.parts else group.exceptions[: budget.parts - 1]
    budget.parts -= min(budget.parts, len(group.exceptions))
    text = budget.text(group.message)
    parts = [_part_of(error, budget, depth - 1) for error in kept]
    if len(kept) < len(group.exceptions):
        left_out = f"{len(group.exceptions) - len(kept)} more are left out"
        parts.append(FailurePart(500, left_out, RemoteError.__name__))
    return FailurePart(status, text, _GROUP, details, parts)


def _details_of(details: Any) -> Any:
    """Return the details as they travel, or why they do not."""
    if details is None:
        return None
    try:
        size = len(msgspec.msgpack.encode(details))
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as problem:
        return f"left out: they cannot be sent: {problem}"
    return details if size <= MAX_DETAILS else f"left out: {size} bytes, of which {MAX_DETAILS} may be sent"


# And back


def error_of(failure: Failure) -> CallError:
    """Return the error that a remote's failure means: by its kind, or by its status where the wire has no kinds.

    What a handler met on further calls of its own, such as a lost link, is a `RemoteError` of that status and kind.
    """
    part = FailurePart(failure.status, failure.message, failure.kind, failure.details, failure.parts)
    error = _error_of(part, _Budget(), MAX_DEPTH)
    if failure.traceback:
        error.remote_traceback = failure.traceback[-MAX_TEXT:]
        error.add_note(f"Remote traceback:\n{error.remote_traceback}")
    return error


def _error_of(part: FailurePart, budget: _Budget, depth: int) -> CallError:
    status, message, kind, details = part.status, part.message, part.kind, part.details
    if part.parts and depth and budget.parts:
        kept = part.parts[: budget.parts]
        budget.parts -= len(kept)
        return CallErrorGroup(
            message, [_error_of(one, budget, depth - 1) for one in kept], status=status, details=details
        )
    known = _BY_KIND.get(kind) if kind else _BY_STATUS.get(status)
    if known is None:
        return RemoteError(message, status=status, details=details, kind=kind)
    return known(message, status=status, details=details)


def single(error: Exception) -> Exception:
    """Take an exception out of the groups around it, where it is alone in them."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
