"""What a service is given and gives: `self.request` and `self.response`, in both forms of a service."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import structlog
import trio

from actors import AsIs, BadInput, Bunch, Secret, Service
from runtime.config.signals import LogFormat, LogSettings
from runtime.observe.logs import configure
from tests.forms import FORMS, service_of
from tests.supervised import Supervised

pytestmark = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def running(nursery: trio.Nursery) -> Supervised:
    return Supervised(nursery, {})


async def test_the_request_shows_its_data_in_every_shape(form: str, running: Supervised) -> None:
    """As it came, as text, as elements that read as attributes; a deep copy shares nothing with it."""
    found: list[Any] = []

    async def handle(self: Service) -> None:
        request = self.request
        copy = request.deepcopy()
        found.append(
            (request.payload, request.raw_request, request.text, request.to_bunch().a.b, request.channel_params)
        )
        assert request.input.a.b == 1
        copy.input.a.b = copy.payload["a"]["b"] = 2
        assert (request.input.a.b, request.payload["a"]["b"]) == (1, 1)

    running.start(service_of(form, "test.shapes", handle))
    data = {"a": {"b": 1}}
    await running.ask("test.shapes", data)
    await running.ask("test.shapes", data)
    assert found == [(data, data, '{"a":{"b":1}}', 1, {})] * 2


async def test_text_is_read_as_json_where_that_is_asked_for(form: str, running: Supervised) -> None:
    """`to_bunch` reads it, everything else leaves it as text."""

    async def handle(self: Service) -> Any:
        return [self.request.input, self.request.text, self.request.to_bunch().a]

    running.start(service_of(form, "test.text", handle))
    assert await running.ask("test.text", '{"a": 1}') == ['{"a": 1}', '{"a": 1}', 1]
    with pytest.raises(ValueError, match="JSON is malformed"):
        await running.ask("test.text", "a")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda response: None, None),
        (lambda response: setattr(response, "payload", "text"), "text"),
        (lambda response: setattr(response, "payload", {"a": 1}), {"a": 1}),
        (lambda response: setattr(response, "payload", {}), {}),
        (lambda response: setattr(response, "payload", 0), 0),
        (lambda response: setattr(response, "payload", ("a", Bunch(b=1))), ["a", {"b": 1}]),
        (lambda response: setattr(response.payload, "result", {"x": 1}), {"result": {"x": 1}}),
        (lambda response: response.payload.__setitem__("a", 1), {"a": 1}),
        (lambda response: response.payload.update(a=1), {"a": 1}),
        (lambda response: response.payload.append(1), [1]),
        (lambda response: response.payload.__setitem__(slice(None), [1, 2]), [1, 2]),
        (lambda response: response.payload.__setitem__(slice(None), []), []),
        (lambda response: response.payload.extend("ab"), ["a", "b"]),
    ],
)
async def test_the_response_is_set_in_every_way(form: str, change: Any, expected: Any, running: Supervised) -> None:
    """Text, numbers, dicts, lists, elements as attributes, items by append and slice; nothing is None."""

    async def handle(self: Service) -> None:
        change(self.response)

    async def handle_and_return(self: Service) -> Any:
        change(self.response)
        return self.response.payload

    running.start(service_of(form, "test.response", handle), service_of(form, "test.returned", handle_and_return))
    for name in ("test.response", "test.returned"):
        answer = await running.ask(name)
        assert (answer, type(answer)) == (expected, type(expected))


async def test_rows_are_looked_at_like_a_list(form: str, running: Supervised) -> None:
    """Once the payload is a list it has its items, length and truth."""

    async def handle(self: Service) -> Any:
        rows = self.response.payload
        assert not rows
        rows[:] = [1, 2]
        rows[0] = 3
        assert rows
        return [len(rows), list(rows), rows[1], repr(rows)]

    running.start(service_of(form, "test.rows", handle))
    assert await running.ask("test.rows") == [2, [3, 2], 2, "[3, 2]"]


async def test_status_and_headers_are_the_service_s_own(form: str, running: Supervised) -> None:
    """They are kept for the invocation, for services that set them, and change nothing of the answer."""

    async def handle(self: Service) -> Any:
        response = self.response
        assert (response.status_code, response.headers, response.content_type) == (200, {}, "application/json")
        response.status_code, response.content_type = 404, "text/plain"
        response.headers["X-Any"] = "1"
        assert (response.status_code, response.headers) == (404, {"X-Any": "1"})
        return "answer"

    running.start(service_of(form, "test.status", handle))
    assert await running.ask("test.status") == "answer"
    assert await running.ask("test.status") == "answer"


async def test_require_any_demands_one_of_some_elements(form: str, running: Supervised) -> None:
    """With and without a declaration; text that is empty is no value."""

    async def handle(self: Service) -> Any:
        self.request.input.require_any("a", "b")
        return "fine"

    simple_io = type("SimpleIO", (), {"input": ("-a", "-b")})
    running.start(service_of(form, "test.any", handle), service_of(form, "test.declared", handle, SimpleIO=simple_io))
    for name in ("test.any", "test.declared"):
        assert await running.ask(name, {"b": 0}) == "fine"
        for data in ({}, {"a": "", "b": None}, {"c": 1}):
            with pytest.raises(BadInput, match="at least one of these input elements is required: 'a', 'b'"):
                await running.ask(name, data)


async def test_input_and_output_are_logged_without_secrets(form: str, running: Supervised) -> None:
    """By `log_input`, `log_output` and by hand, on a console and as JSON; the service itself has the values."""

    async def handle(self: Service) -> Any:
        self.log_input("what came")
        self.logger.info("by hand %s", self.request.input)
        self.logger.info("as a fact", given=self.request.input)
        self.response.payload = {"pin": self.request.input.pin, "token": self.request.input.password}
        self.log_output()

    simple_io = type("SimpleIO", (), {"input": ("password", Secret("pin")), "output": (Secret("pin"), AsIs("token"))})
    running.start(service_of(form, "test.secrets", handle, SimpleIO=simple_io))
    for as_json in (True, False):
        written = io.StringIO()
        before = structlog.get_config()
        configure("test", LogSettings(format=LogFormat.JSON if as_json else LogFormat.CONSOLE), stream=written)
        try:
            answer = await running.ask("test.secrets", {"password": "sesame", "pin": "four-digits"}, cid="abc")
        finally:
            structlog.configure(**before)
        assert answer == {"pin": "four-digits", "token": "sesame"}
        text = written.getvalue()
        assert "sesame" not in text
        assert "four-digits" not in text
        lines = [json.loads(line) for line in text.splitlines()] if as_json else []
        if as_json:
            hidden = {"password": "***", "pin": "***"}
            assert [line["event"] for line in lines] == ["what came", f"by hand {hidden}", "as a fact", "output"]
            assert lines[0]["input"] == hidden == lines[2]["given"]
            assert lines[3]["output"] == {"pin": "***", "token": "***"}
            assert {line["cid"] for line in lines} == {"abc"}
