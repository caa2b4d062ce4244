"""What the tables of Zato's frames share: frames as Zato's clients and channels send them, and wires to take them."""

from __future__ import annotations

import json
from typing import Any

from actors.messages import Hello, Welcome
from actors.settings import Compat
from runtime.wire import ZatoClientWire, ZatoServerWire

NOW = "2018-09-03T10:49:00.540024"
TOKEN = "zwsxt.0123456789abcdef01234567"


def frame(data: Any = ..., **meta: Any) -> str:
    """Return a frame; without data it has no such key."""
    document = {"meta": {"id": "m1", "timestamp": NOW, **meta}}
    return json.dumps(document if data is ... else {**document, "data": data})


def new_server(compat: Compat = Compat.ZATO_3_2, clock: list[float] | None = None) -> ZatoServerWire:
    times = clock or [0.0]
    return ZatoServerWire(timestamp=lambda: NOW, now=lambda: times[0], token_ttl=3600.0, compat=compat)


def open_server(compat: Compat = Compat.ZATO_3_2, clock: list[float] | None = None) -> ZatoServerWire:
    """Return a channel's end whose client has a session."""
    server = new_server(compat, clock)
    [hello] = server.receive(frame({}, action="create-session", id="h1", username="u", secret="s"))
    assert isinstance(hello, Hello)
    server.send([Welcome("w1", "h1", token=TOKEN)])
    return server


def new_client() -> ZatoClientWire:
    return ZatoClientWire(timestamp=lambda: NOW)


def open_client() -> ZatoClientWire:
    """Return a connection's end that has a session."""
    client = new_client()
    client.send([Hello("h1", username="u", secret="s", client_id="wsx.out.0123", client_name="WSX outconn - x")])
    [welcome] = client.receive(frame({"token": TOKEN}, msg_type="zwsx.rspa", in_reply_to="h1", status=200))
    assert isinstance(welcome, Welcome)
    return client


def sent(wire: Any, *messages: Any) -> list[dict[str, Any]]:
    """Return what the frames say that a wire gives for messages."""
    return [json.loads(one) for one in wire.send(messages)]
