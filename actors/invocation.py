"""An invocation of a service: what it was given, what it gives back, and who asks until when."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from attrs import define, field

from actors.bunch import Bunch
from actors.call import Caller

__all__ = ["Invocation", "Request", "Response", "current"]


@define
class Request:
    """What an invocation was given: `input` as declared, `payload` as it came."""

    input: Any = None
    payload: Any = None


@define
class Response:
    """What an invocation gives back where `handle` returns nothing."""

    payload: Any = field(factory=Bunch)


@define
class Invocation:
    """One request on its way through a service."""

    request: Request
    response: Response
    cid: str
    deadline: float
    caller: Caller | None


current: ContextVar[Invocation] = ContextVar("isthmus_invocation")
"""The invocation that the code running now belongs to; in a worker thread, too."""
