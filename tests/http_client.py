"""A client of HTTP for tests: one request, one answer, over a connection of its own."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

import h11
import msgspec
import trio
from attrs import frozen


@frozen
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return msgspec.json.decode(self.body, type=dict[str, object])

    @property
    def text(self) -> str:
        return (gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body).decode()


async def get(port: int, path: str, **headers: str) -> Answer:
    """Ask for a page of this machine; underscores in the names of headers stand for hyphens."""
    connection = h11.Connection(h11.CLIENT)
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    request = h11.Request(method="GET", target=path, headers=[("host", "here"), ("connection", "close"), *named])
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        body = b""
        response: h11.Response | None = None
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some()))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
    assert response is not None
    told = {name.decode(): value.decode() for name, value in response.headers}
    return Answer(response.status_code, told, body)
