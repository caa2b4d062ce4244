"""A short run of the counting script: nothing is lost, whoever is killed."""

from __future__ import annotations

from pathlib import Path

import trio

from tests.killing.run import CLUSTERS, Killing


def test_nothing_is_lost_when_all_three_are_killed(tmp_path: Path) -> None:
    """Publisher, channel cluster and subscriber are killed in turn while messages are under way."""
    killing = Killing(tmp_path, 6000, every=1000, seed=4)
    trio.run(killing.run)
    report = killing.report()
    assert report["verdict"] == "nothing lost"
    assert (report["confirmed"], report["received"]) == (6000, 6000)
    assert all(killing.kills[cluster] for cluster in CLUSTERS)
