"""How often log-ins may fail."""

from __future__ import annotations

import pytest

from runtime.security import attempts
from runtime.security.attempts import Attempts


def test_an_address_that_failed_too_often_has_to_wait() -> None:
    """Each failure counts, whatever user it names; one after the other is forgotten."""
    table = Attempts(3, 60.0)
    assert [table.begin("1.2.3.4", f"user{place}", 0.0) for place in range(4)] == [True, True, True, False]
    assert table.begin("5.6.7.8", "user9", 0.0)
    assert not table.begin("1.2.3.4", "user5", 19.0)
    assert table.begin("1.2.3.4", "user5", 20.0)
    assert not table.begin("1.2.3.4", "user5", 20.0)


def test_a_user_tried_from_many_addresses_is_out_of_reach_but_not_for_those_known() -> None:
    """Failures of one user count over all addresses, and cost whoever has logged in before nothing."""
    table = Attempts(3, 60.0)
    assert table.begin("home", "apac", 0.0)
    table.succeeded("home", "apac", 0.0)
    assert [table.begin(f"10.0.0.{place}", "apac", 1.0) for place in range(4)] == [True, True, True, False]
    assert [table.begin("home", "apac", 1.0) for _ in range(4)] == [True, True, True, False]


def test_success_costs_nothing() -> None:
    """However often somebody logs in rightly, nothing is held against them."""
    table = Attempts(2, 60.0)
    for _ in range(10):
        assert table.begin("home", "apac", 0.0)
        table.succeeded("home", "apac", 0.0)
    assert len(table) == 0


def test_the_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names made up without end push out older ones, and take no more room than so many."""
    monkeypatch.setattr(attempts, "MAX_ENTRIES", 10)
    table = Attempts(2, 60.0)
    for place in range(100):
        table.begin(f"host{place}", "x" * place, 0.0)
        assert len(table) <= 10
