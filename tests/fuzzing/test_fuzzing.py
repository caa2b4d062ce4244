"""A short run of the fuzzer; `python -m tests.fuzzing --minutes 30` is the long one."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.wire import NativeWire
from tests.fuzzing.__main__ import run_round
from tests.fuzzing.inputs import FORMATS, ROLES, Inputs
from tests.fuzzing.report import Report
from tests.fuzzing.wires import STATES, fuzz_wires


def test_nothing_that_a_peer_sends_breaks_anything() -> None:
    """Both wires in every state, a channel and a connection take it all; whoever does as it should is answered."""
    report = Report()
    run_round(7, report, inputs=100, links=12)
    assert report.problems == []
    assert {f"wire {one} {role} {state}" for one in FORMATS for role in ROLES for state in STATES} <= set(report.inputs)
    assert {"session zato server open", "connection native client open"} <= set(report.inputs)
    assert report.outcomes["probe answered"]
    assert len(report.kinds) == 11


def test_the_fuzzer_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wire that raises is reported with the input that it raised over."""
    receive = NativeWire.receive

    def careless(self: NativeWire, frame: Any) -> Any:
        if isinstance(frame, bytes) and frame[:1] == b"{":
            msg = "unforeseen"
            raise KeyError(msg)
        return receive(self, frame)

    monkeypatch.setattr(NativeWire, "receive", careless)
    report = Report()
    fuzz_wires(Inputs(3), report, 2000)
    assert "unforeseen" in report.problems[0]


def test_the_same_seed_gives_the_same_inputs() -> None:
    """A problem can be looked at again."""
    one, other = Inputs(5), Inputs(5)
    assert [one.next("zato", "server") for _ in range(200)] == [other.next("zato", "server") for _ in range(200)]
