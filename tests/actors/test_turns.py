"""Requests one after the other: whose turn it is, whatever becomes of those before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.channels.turns import Turns
from actors.envelope import Envelope, ReplySlot

LIMIT = 10_000


class Requests:
    """Makes requests whose settling advances the turns, as a session does; `handed_over` are those that had theirs."""

    def __init__(self, *, is_sequential: bool, refuses: Callable[[str], bool] = lambda _name: False) -> None:
        self.handed_over: list[str] = []
        self._refuses = refuses
        self.turns = Turns(self._take, is_sequential=is_sequential, limit=LIMIT)

    def _take(self, envelope: Envelope) -> None:
        self.handed_over.append(envelope.payload)
        if self._refuses(envelope.payload) and envelope.reply is not None:
            envelope.reply.fail(RuntimeError("full"))

    def add(self, name: str) -> ReplySlot:
        slot = ReplySlot(lambda _slot: self.turns.advance())
        self.turns.add(Envelope(name, reply=slot))
        return slot


def test_each_waits_for_those_before_it() -> None:
    """The next is handed over when the one before it is answered, or failed."""
    requests = Requests(is_sequential=True)
    first, second, _third = (requests.add(name) for name in "abc")
    assert requests.handed_over == ["a"]
    first.answer(1)
    assert requests.handed_over == ["a", "b"]
    second.fail(RuntimeError("failed"))
    assert requests.handed_over == ["a", "b", "c"]


def test_what_is_given_up_is_passed_over() -> None:
    """A request that the peer does not wait for any more is never handed over; one under way makes room."""
    requests = Requests(is_sequential=True)
    first, second, _third = (requests.add(name) for name in "abc")
    second.abandon()
    requests.turns.advance()
    assert requests.handed_over == ["a"]
    first.abandon()
    requests.turns.advance()
    assert requests.handed_over == ["a", "c"]


def test_a_long_queue_that_is_refused_at_once_is_walked_through() -> None:
    """Where handing over fails, the next one's turn comes within the same call, however many wait."""
    requests = Requests(is_sequential=True, refuses=lambda name: name != "first")
    first = requests.add("first")
    for number in range(5000):
        requests.add(str(number))
    first.answer(1)
    assert len(requests.handed_over) == 5001


def test_what_was_given_up_does_not_pile_up() -> None:
    """However many requests a peer sends and cancels behind one that takes long, only so many are kept."""
    requests = Requests(is_sequential=True)
    first = requests.add("first")
    kept = requests.add("kept")
    for number in range(3 * LIMIT):
        requests.add(str(number)).abandon()
        assert len(requests.turns) <= LIMIT
    first.answer(1)
    assert requests.handed_over == ["first", "kept"]
    assert kept.is_settled is False


@pytest.mark.parametrize("count", [1, 3])
def test_otherwise_nobody_waits(count: int) -> None:
    """On other channels each is handed over as it comes."""
    requests = Requests(is_sequential=False)
    for number in range(count):
        requests.add(str(number))
    assert len(requests.handed_over) == count
