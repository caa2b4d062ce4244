"""docs/metrics.md against the code: each metric with its kind, labels and meaning, each outcome, by good names."""

from __future__ import annotations

import re

import pytest

from actors.meters import OUTCOMES
from runtime.observe.collector import LINK_STATES
from runtime.observe.definitions import METRICS, Definition, Kind
from tests.docs.metrics_table import PAGE, with_table


def test_the_table_is_what_the_code_says() -> None:
    """A metric that was added, changed or taken away is in it."""
    text = PAGE.read_text()
    assert text == with_table(text), "make it again: .venv/bin/python -m tests.docs.metrics_table"


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda one: one.name)
def test_names_follow_prometheus_conventions(metric: Definition) -> None:
    """Counters end in _total, times are in seconds, and no label is called as Prometheus calls its own."""
    assert re.fullmatch(r"isthmus(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert (metric.kind is Kind.HISTOGRAM) <= metric.name.endswith("_seconds")
    assert not {"le", "quantile", "job", "instance", "__name__"} & set(metric.labels)
    assert metric.meaning.endswith(".")


def test_outcomes_and_states_are_listed() -> None:
    """Each of the few words that these labels can have."""
    text = PAGE.read_text()
    for word in (*OUTCOMES, *LINK_STATES):
        assert f"`{word}`" in text, word
