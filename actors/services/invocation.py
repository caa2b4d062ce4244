"""An invocation of a service: what it was given, what it gives back, and who asks until when.

Whatever a handler may never look at is made when it is looked at first.
"""

from __future__ import annotations

import copy
from contextvars import ContextVar
from typing import Any

import msgspec

from actors.bunch import Bunch, bunchify
from actors.services.call import Call
from actors.services.channel_info import environ_of
from actors.services.io import unstructure
from actors.services.payload import Input, Payload, given_by

__all__ = ["Invocation", "Request", "Response", "current"]

_UNREAD = object()


class Request:
    """What an invocation was given.

    Args:
        payload: The data as it came.
        given: The input as declared; nothing where nothing is declared.
    """

    __slots__ = ("_input", "payload")

    def __init__(self, payload: Any = None, given: Any = _UNREAD) -> None:
        self.payload = payload
        self._input = given

    @property
    def input(self) -> Any:
        """The elements declared, or the model; where nothing is declared, the data, whose dicts read as attributes."""
        if self._input is _UNREAD:
            self._input = Input.of(self.payload)
        return self._input

    @input.setter  # noqa: A003 - Zato's name
    def input(self, value: Any) -> None:
        self._input = value

    @property
    def raw_request(self) -> Any:
        """The data as it came."""
        return self.payload

    @property
    def text(self) -> str:
        """The data as text: itself where it is text, else as JSON."""
        data = self.payload
        return data if isinstance(data, str) else msgspec.json.encode(unstructure(data)).decode()

    @property
    def channel_params(self) -> dict[str, Any]:
        """Parameters in the path of a URL, of which a WebSocket channel has none."""
        return {}

    def to_bunch(self) -> Any:
        """Return the data with every dict in it as a `Bunch`; text is read as JSON.

        Raises:
            ValueError: When it is text and no JSON.
        """
        return bunchify(msgspec.json.decode(self.payload) if isinstance(self.payload, str) else self.payload)

    def deepcopy(self) -> Request:
        """Return a copy that shares nothing with this one."""
        return Request(copy.deepcopy(self.payload), copy.deepcopy(self.input))


class Response:
    """What an invocation gives back where `handle` returns nothing.

    `payload` is text, a dict, a list or a model; unless it is set, it takes elements as attributes, or the items of a
    list by `append` and `[:]`. `status_code`, `headers` and `content_type` are the service's own: a WebSocket's answer
    has none, and its status is that of the error raised, or 200.
    """

    __slots__ = ("_headers", "_payload", "content_type", "status_code")

    def __init__(self) -> None:
        self._payload: Any = _UNREAD
        self._headers: dict[str, Any] | None = None
        self.status_code = 200
        self.content_type = "application/json"

    @property
    def payload(self) -> Any:
        """The answer."""
        if self._payload is _UNREAD:
            self._payload = Payload()
        return self._payload

    @payload.setter
    def payload(self, value: Any) -> None:
        self._payload = value

    @property
    def is_set(self) -> bool:
        """Tell whether the payload was looked at or set."""
        return self._payload is not _UNREAD

    @property
    def headers(self) -> dict[str, Any]:
        """What the service notes as headers."""
        if self._headers is None:
            self._headers = {}
        return self._headers


class Invocation:
    """One request on its way through a service.

    Args:
        call: What was asked, and by whom.
        cid: Its correlation id.
        deadline: When nobody waits any more, in Trio's time.
        began_at: When it began, in Trio's time.
    """

    __slots__ = ("_environ", "_request", "_response", "began_at", "call", "cid", "deadline")

    def __init__(self, call: Call, cid: str, deadline: float, began_at: float) -> None:
        self.call = call
        self.cid = cid
        self.deadline = deadline
        self.began_at = began_at
        self._request: Request | None = None
        self._response: Response | None = None
        self._environ: Bunch | None = None

    @property
    def request(self) -> Request:
        """What it was given."""
        if self._request is None:
            self._request = Request(self.call.data)
        return self._request

    @property
    def response(self) -> Response:
        """What it gives back."""
        if self._response is None:
            self._response = Response()
        return self._response

    @property
    def environ(self) -> Bunch:
        """What is known of who asks; what the service puts there is there for the rest of the invocation."""
        if self._environ is None:
            self._environ = environ_of(self.call)
        return self._environ

    @property
    def answer(self) -> Any:
        """What the service set as its answer; None where it set nothing."""
        response = self._response
        if response is None or not response.is_set:
            return None
        return given_by(response.payload)


current: ContextVar[Invocation] = ContextVar("isthmus_invocation")
"""The invocation that the code running now belongs to; in a worker thread, too."""
