"""Credit accounts: what may be sent, who is woken, and two ends of a link that count alike."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.credit import CreditAccount, encoded, size_of
from actors.messages import CreditLimit, Delivered
from actors.topics.attachment import Window


@pytest.mark.parametrize(
    ("taken", "room", "room_bytes"),
    [
        ([], 3, 100),
        ([60], 2, 40),
        ([60, 39], 1, 1),
        ([60, 40], 0, 0),
        ([1000], 0, 0),
        ([1, 1, 1], 0, 97),
    ],
)
def test_what_may_be_sent(taken: list[int], room: int, room_bytes: int) -> None:
    """So many, as long as a byte is left: the last one may go beyond the bytes."""
    account = CreditAccount(CreditLimit(3, 100))
    for size in taken:
        assert account.is_open
        account.take(size)
    assert (account.room, account.room_bytes, account.is_open) == (room, room_bytes, room > 0)


def test_those_who_wait_are_told_once_there_is_credit() -> None:
    """Not before, once each, and also when more is granted."""
    account, told = CreditAccount(CreditLimit(2, 100)), []
    account.take(90)
    account.take(90)
    for name in ("a", "b"):
        account.when_open(lambda name=name: told.append(name))  # type: ignore[misc]
    account.give_back(50)
    assert told == []
    account.give_back(90)
    assert told == ["a", "b"]
    account.take(60)
    account.when_open(lambda: told.append("c"))
    account.raise_by(0, 100)
    assert told == ["a", "b", "c"]


def test_data_is_measured_as_it_is_sent() -> None:
    """What cannot be encoded has no size and stays as it is."""
    raw, size = encoded({"a": [1, "ä"]})
    assert bytes(raw) == b"\x81\xa1a\x92\x01\xa2\xc3\xa4"
    assert size == len(bytes(raw))
    odd = object()
    assert encoded(odd) == (odd, 0)
    assert size_of([Delivered(1, raw), Delivered(2, raw), {"a": 1}]) == 2 * size


SUBSCRIPTIONS = ("a", "b")
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from(SUBSCRIPTIONS), st.lists(st.integers(1, 60), min_size=1)),
        st.tuples(st.just("answer"), st.integers(0, 5), st.none()),
        st.tuples(st.just("give up"), st.integers(0, 5), st.none()),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_a_window_keeps_to_the_credit_of_each_subscription(actions: list[tuple[str, Any, Any]]) -> None:
    """Whatever is sent, answered and given up: no subscription has more unanswered than was granted, none is stuck."""
    limit = CreditLimit(5, 100)
    window = Window(8, 10_000, limit)
    unanswered: list[tuple[str, int, int]] = []
    waited_for: list[tuple[str, int, int]] = []
    waiting: set[str] = set()

    for action, which, sizes in actions:
        if action == "send":
            room, room_bytes = window.room_of(which)
            batch: list[int] = []
            while len(batch) < min(room, len(sizes)) and (not batch or sum(batch) + sizes[len(batch)] <= room_bytes):
                batch.append(sizes[len(batch)])
            if batch:
                one = (which, len(batch), sum(batch))
                window.take(*one)
                unanswered.append(one)
                waited_for.append(one)
            else:
                waiting.add(which)
                window.wait_room(waiting.clear)
        elif action == "answer" and which < len(unanswered):
            one = unanswered.pop(which)
            window.answered(*one)
            if one in waited_for:
                waited_for.remove(one)
                window.give_back(*one[1:])
        elif action == "give up" and which < len(waited_for):
            window.give_back(*waited_for.pop(which)[1:])
        assert window.count == sum(count for _, count, _ in waited_for) <= 8
        for sub_key in SUBSCRIPTIONS:
            mine = [one for one in unanswered if one[0] == sub_key]
            assert sum(count for _, count, _ in mine) <= limit.count
            assert sum(size for *_, size in mine) - max((size for *_, size in mine), default=0) < limit.bytes
            has_room = sum(count for _, count, _ in mine) < limit.count and sum(size for *_, size in mine) < limit.bytes
            assert bool(window.room_of(sub_key)[0]) == (has_room and (window.count < 8))
            assert not (sub_key in waiting and window.room_of(sub_key)[0])
