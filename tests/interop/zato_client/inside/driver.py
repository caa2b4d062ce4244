"""Drives Zato's client, which is imported from its own environment, over JSON lines.

It is run by `python -m gevent.monkey`, since the client works as greenlets over blocking sockets.

A line on stdin is a command, `{"id": N, "do": NAME, ...}`; each is answered with `{"id": N, "result": ...}` or
`{"id": N, "error": TEXT}`, in whatever order they end. Lines without an id are events: a request of the server,
which is answered with what the last `answer_with` said, and the end of a connection.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gevent
from gevent.fileobject import FileObjectThread
from zato.common.wsx_client import Client, Config

LOG_IN_TIMEOUT = 10.0


class Driver:
    def __init__(self) -> None:
        self._client: Client | None = None
        self._answer: Any = None
        self._has_closed = False

    def _say(self, **line: Any) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    # Commands

    def connect(self, **options: Any) -> dict[str, bool]:
        """Make a client, and wait until it has logged in or was refused; `max_wait` bounds the wait for a socket."""
        max_wait = options.pop("max_wait", 10)
        config = Config(on_request_callback=self._on_request, **options)
        config.on_closed_callback = self._on_closed  # the client wants one, and its configuration cannot be given one
        self._has_closed = False
        self._client = Client(config)
        self._client.run(max_wait)
        with gevent.Timeout(LOG_IN_TIMEOUT, False):
            while not (self._client.is_authenticated or self._has_closed):
                gevent.sleep(0.01)  # the client tells nobody when it has logged in
        return self.state()

    def state(self) -> dict[str, bool]:
        client = self._client
        return {"is_connected": bool(client.is_connected), "is_authenticated": bool(client.is_authenticated)}

    def invoke(self, request: Any, timeout: float = 5.0) -> dict[str, Any] | None:
        response = self._client.invoke(request, timeout)
        if response is None:
            return None
        meta = response.msg_impl["meta"]
        return {"status": response.status, "is_ok": response.is_ok, "data": response.data, "meta": meta}

    def answer_with(self, answer: Any) -> None:
        self._answer = answer

    def stop(self) -> None:
        self._client.stop()

    # Events

    def _on_request(self, request: Any) -> Any:
        self._say(event="request", message_id=request.id, data=request.data)
        return self._answer

    def _on_closed(self, code: int, reason: Any = None) -> None:
        self._has_closed = True
        self._say(event="closed", code=code, reason=str(reason))

    # Reading commands

    def run(self) -> None:
        """Carry out what is read, each command beside the others, until the end of stdin."""
        for line in FileObjectThread(sys.stdin):
            gevent.spawn(self._carry_out, **json.loads(line))

    def _carry_out(self, id: int, do: str, **arguments: Any) -> None:  # noqa: A002 - the word of the protocol
        try:
            result = getattr(self, do)(**arguments)
        except Exception as error:  # what went wrong is for the test to say
            self._say(id=id, error=f"{type(error).__name__}: {error}")
        else:
            self._say(id=id, result=result)


if __name__ == "__main__":
    Driver().run()
