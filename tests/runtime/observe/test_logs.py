"""Logs: one line an event, for people or as JSON; no secrets, no colours in a file, whole exceptions."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from actors.secret import Secret
from runtime.config.signals import LogFormat, LogLevel, LogSettings
from runtime.observe.logs import configure

ESCAPE = "\x1b"
TEXTS = ("plain", "two\nlines", "a\rreturn", f"{ESCAPE}[31mred", "a\x85b\u2028c", "`quoted` 'text'")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Counting(io.StringIO):
    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


@pytest.fixture(autouse=True)
def _logs_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield
    structlog.reset_defaults()


def logger_to(stream: io.StringIO, *, as_json: bool = False, level: str = "info") -> Any:
    settings = LogSettings(LogLevel(level), LogFormat.JSON if as_json else LogFormat.CONSOLE)
    configure("emea", settings, stream=stream)
    return structlog.get_logger(kind="service", actor="demo.echo")


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_an_event_is_one_line(text: str, as_json: bool) -> None:
    """Whatever a peer sends as a name or value, it makes no second line and moves no cursor."""
    stream = Counting()
    log = logger_to(stream, as_json=as_json).bind(actor=text)
    log.warning(text, value=text, nested={"key": text})
    assert len(stream.getvalue().splitlines()) == 1
    assert stream.getvalue().endswith("\n")
    assert ESCAPE not in stream.getvalue()
    assert stream.writes == 1, "processes share the terminal"


def test_a_line_says_when_who_and_what() -> None:
    """Time, cluster, kind and name of the actor, event and facts, in this order; `%s` is filled in."""
    stream = io.StringIO()
    logger_to(stream).info("Response is `%s`", {"a": 1}, cid="c1", reason="two words", nothing=None, empty="")
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3}  emea +service demo\.echo +Response is `\{'a': 1\}` +cid=c1  reason='two words'\n",
        stream.getvalue(),
    )


def test_data_is_shown_as_python_shows_it() -> None:
    """Values other than text are not quoted a second time."""
    stream = io.StringIO()
    logger_to(stream).info("on_message", data={"customer_id": 1, "name": "Customer 1"})
    assert stream.getvalue().endswith("data={'customer_id': 1, 'name': 'Customer 1'}\n")


def test_colours_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file gets none, nor does a terminal whose user set NO_COLOR."""
    terminal, file = Terminal(), io.StringIO()
    logger_to(terminal).error("failed")
    logger_to(file).error("failed")
    assert f"{ESCAPE}[31m" in terminal.getvalue()
    assert ESCAPE not in file.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    logger_to(plain).error("failed")
    assert ESCAPE not in plain.getvalue()
    assert "✗" in plain.getvalue(), "the level shows without colours, too"


def test_lower_levels_are_left_out() -> None:
    """Debug lines show only when asked for."""
    stream = io.StringIO()
    logger_to(stream).debug("hidden")
    logger_to(stream, level="debug").debug("shown")
    logger_to(stream, level="error").warning("hidden, too")
    assert "shown" in stream.getvalue()
    assert "hidden" not in stream.getvalue()


def test_json_lines_hold_every_fact() -> None:
    """Each line is an object with time, level, cluster and the facts in their own types."""
    stream = io.StringIO()
    logger_to(stream, as_json=True).warning("link lost", code=1001, data={"a": [1]})
    found = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", found.pop("timestamp"))
    assert found == {
        "cluster": "emea",
        "kind": "service",
        "actor": "demo.echo",
        "level": "warning",
        "event": "link lost",
        "code": 1001,
        "data": {"a": [1]},
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_secrets_never_appear(as_json: bool) -> None:
    """As a fact, inside of one, as an argument of the text or in an exception's, a secret shows as stars."""
    stream = io.StringIO()
    secret = Secret.of("sesame-open")
    log = logger_to(stream, as_json=as_json)
    log.info("given %s", secret, password=secret, config={"password": secret, "all": [secret]})
    log.error("failed", exc_info=ValueError(f"not {secret}", secret))
    assert "sesame-open" not in stream.getvalue()
    assert stream.getvalue().count("***") >= 5


def fail() -> None:
    try:
        {}["absent"]
    except KeyError as error:
        msg = "no such customer"
        raise LookupError(msg) from error


@pytest.mark.parametrize("form", ["error", "exception", "true", "tuple"])
@pytest.mark.parametrize("as_json", [False, True])
def test_exceptions_are_rendered_whole(form: str, as_json: bool) -> None:
    """However it is handed over, an exception shows with its traceback and its cause, below the line."""
    stream = io.StringIO()
    log = logger_to(stream, as_json=as_json)
    try:
        fail()
    except LookupError as error:
        match form:
            case "error":
                log.exception("handle failed", exc_info=error)
            case "exception":
                log.exception("handle failed")
            case "true":
                log.warning("handle failed", exc_info=True)
            case "tuple":
                log.exception("handle failed", exc_info=(type(error), error, error.__traceback__))
    text = json.loads(stream.getvalue())["traceback"] if as_json else stream.getvalue()
    assert "KeyError: 'absent'" in text
    assert "LookupError: no such customer" in text
    assert "test_logs.py" in text
    if not as_json:
        first, *rest = stream.getvalue().splitlines()
        assert "handle failed" in first
        assert all(line.startswith("    ") for line in rest)


def test_no_exception_is_none() -> None:
    """Outside of a handler, `exc_info=True` adds nothing."""
    stream = io.StringIO()
    logger_to(stream).error("failed", exc_info=True)
    assert len(stream.getvalue().splitlines()) == 1
