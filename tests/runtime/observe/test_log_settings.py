"""`[log]` of clusters.toml: levels of parts, sampling of what repeats, and cids that go along with calls."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from actors import Service
from actors.errors import ConfigurationError
from actors.settings import WireFormat
from runtime.config import load
from runtime.config.signals import LogFormat, LogLevel, LogSettings
from runtime.observe.logs import configure
from runtime.observe.sampling import MAX_KEYS, Sampler
from runtime.testing import MemoryNetwork
from tests.support import apac_settings, emea_settings, start

CLUSTER = "[clusters.emea]\n"


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_parts_have_levels_of_their_own() -> None:
    """The level of a kind and name comes before that of the kind, and that before the level of all."""
    stream = io.StringIO()
    levels = {"session": LogLevel.ERROR, "service": LogLevel.WARNING, "service:demo.echo": LogLevel.DEBUG}
    configure("emea", LogSettings(LogLevel.INFO, LogFormat.JSON, levels), server="server1", stream=stream)
    for kind, actor in (("session", "a"), ("service", "demo.echo"), ("service", "other"), ("topic", "/a")):
        log = structlog.get_logger(kind=kind, actor=actor)
        for level in ("debug", "info", "warning", "error"):
            getattr(log, level)(level)
    found = [(one["actor"], one["event"]) for one in lines(stream)]
    assert found == [
        ("a", "error"),
        *(("demo.echo", level) for level in ("debug", "info", "warning", "error")),
        *(("other", level) for level in ("warning", "error")),
        *(("/a", level) for level in ("info", "warning", "error")),
    ]
    assert {one["server"] for one in lines(stream)} == {"server1"}


def test_what_repeats_is_counted() -> None:
    """Within a period so many lines of a kind are written; the rest is counted and told when the period is over."""
    now = [0.0]
    sampler = Sampler(2, 10.0, lambda: now[0])
    key, other = ("warning", "channel gateway", "log-in refused"), ("info", "channel gateway", "log-in refused")
    assert [sampler.passes(key) for _ in range(5)] == [True, True, False, False, False]
    assert sampler.passes(other), "another level is another line"
    assert sampler.left_out() == []
    now[0] = 10.0
    assert sampler.left_out() == [(key, 3)]
    assert sampler.left_out() == [], "told once"
    assert sampler.passes(key)


def test_different_lines_are_bounded() -> None:
    """Beyond so many different lines, more of them are written each time and take no memory."""
    sampler = Sampler(1, 10.0, lambda: 0.0)
    for number in range(MAX_KEYS + 10):
        assert sampler.passes(("info", "service x", str(number)))
    assert sampler.passes(("info", "service x", str(MAX_KEYS + 5)))
    assert not sampler.passes(("info", "service x", "0"))


def test_the_log_says_how_many_more_there_were() -> None:
    """A storm of sessions is a few lines and a count, whatever the sessions are called."""
    stream = io.StringIO()
    configure("emea", LogSettings(format=LogFormat.JSON, max_repeats=3, repeat_period=0.0), stream=stream)
    structlog.get_logger(kind="session", actor="gateway/ws.0").info("session opened")
    assert len(lines(stream)) == 1
    stream = io.StringIO()
    configure("emea", LogSettings(format=LogFormat.JSON, max_repeats=3, repeat_period=0.05), stream=stream)
    for number in range(10):
        structlog.get_logger(kind="session", actor=f"gateway/ws.{number}").info("session opened")
    assert len(lines(stream)) == 3
    while not any("left_out" in one for one in lines(stream)):
        structlog.get_logger(kind="server").info("something else")
    told = next(one for one in lines(stream) if "left_out" in one)
    assert (told["event"], told["left_out"], told["actor"]) == ("session opened", "and 7 more", "gateway")


def test_the_section_is_read_and_checked(tmp_path: Path) -> None:
    """Every key acts; a part that does not exist is an error with its line and the nearest that does."""
    path = tmp_path / "clusters.toml"
    path.write_text(
        CLUSTER + '[log]\nlevel = "debug"\nformat = "json"\nlevels = {session = "error"}\nmax_repeats = 3\n'
    )
    expected = LogSettings(LogLevel.DEBUG, LogFormat.JSON, {"session": LogLevel.ERROR}, 3)
    assert load(path).log == expected
    path.write_text(CLUSTER + '[log]\nlevel = "loud"\n[log.levels]\nsesion = "error"\n"service:" = "info"\n')
    with pytest.raises(ConfigurationError) as wrong:
        load(path)
    texts = [one.partition("clusters.toml:")[2] for one in wrong.value.problems]
    assert texts == [
        "3: log.level: expected one of 'debug', 'info', 'warning', 'error', got 'loud'",
        "5: log.levels.sesion: there is no part 'sesion'; did you mean 'session'?",
        '6: log.levels."service:": expected a kind, or a kind, a colon and a name',
    ]


class Caller(Service):
    name = "test.caller"

    async def handle(self, _request: Any) -> Any:
        self.logger.info("calling")
        async with self.out.wsx.get("My WSX Outconn").conn.client() as client:
            for _ in range(2):
                await client.invoke("test.called", {})
        return self.cid


class Called(Service):
    name = "test.called"

    async def handle(self) -> None:
        self.logger.info("called")


@pytest.mark.parametrize("wire", [WireFormat.NATIVE, WireFormat.ZATO])
async def test_a_cid_is_the_same_in_both_clusters(
    wire: WireFormat, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Each call that a service makes is logged at the other end with the cid of what the service handles."""
    stream = io.StringIO()
    configure("both", LogSettings(format=LogFormat.JSON), stream=stream)
    emea = await start(nursery, network, "emea", emea_settings(), [Called])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, wire=wire), [Caller])
    cid = await apac.invoke("test.caller", {})
    said = [(one["event"], one["cid"]) for one in lines(stream) if one["event"] in ("calling", "called")]
    assert said == [("calling", cid), ("called", cid), ("called", cid)]
    await apac.stop()
    await emea.stop()
