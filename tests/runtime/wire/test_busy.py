"""What excuses a peer that answers no ping: the request that it is at, for as long as somebody waits for that."""

from __future__ import annotations

import pytest

from runtime.wire.zato.busy import WorkInTurn


@pytest.mark.parametrize(
    ("events", "is_busy"),
    [
        ("", False),
        ("sent a", True),
        ("sent a, heard a", False),
        ("sent a, heard nothing", True),
        ("sent a, sent b, heard a", True),
        ("sent a, sent b, heard a, heard b", False),
        ("sent a, sent b, given-up b", True),
        ("sent a, given-up a", False),
        ("sent a, sent b, given-up a", False),
        ("sent a, given-up a, sent b", False),
        ("sent a, sent b, given-up a, heard nothing", True),
        ("sent a, given-up a, sent b, heard a", True),
        ("given-up a, heard b", False),
    ],
)
def test_what_a_peer_is_at(events: str, is_busy: bool) -> None:
    """It is at the first request unanswered; once nobody waits for that, nothing excuses it until it is heard of."""
    work = WorkInTurn()
    for event in filter(None, events.split(", ")):
        verb, request_id = event.split()
        {"sent": work.sent, "heard": work.heard, "given-up": work.given_up}[verb](request_id)
    assert work.is_under_way is is_busy
