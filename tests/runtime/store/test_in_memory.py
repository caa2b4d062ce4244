"""Memory messages that come together are as those that come one by one through a transaction."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.errors import CallError
from actors.settings import TopicSettings
from actors.topics.publication import Publish
from runtime.store import in_memory, publishing
from runtime.testing import run_simulated
from tests.runtime.store.support import TOPIC, Opened

PUBLISH = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.sampled_from([5, 5, 9]),
        "expiration": st.sampled_from([10, 2_147_483_647]),
        "has_gd": st.just(value=False),
        "msg_id": st.sampled_from("xy"),
        "deliver_to_sk": st.just("a"),
        "mime_type": st.just("text/csv"),
    },
)
BATCHES = st.lists(st.lists(PUBLISH, min_size=1, max_size=4), min_size=1, max_size=6)
TOPICS = st.sampled_from(
    [
        TopicSettings(guaranteed=False),
        TopicSettings(guaranteed=False, max_depth_non_gd=3),
        TopicSettings(guaranteed=False, limit_message_expiry=5.5, max_message_size=2),
    ]
)


@settings(max_examples=60)
@given(BATCHES, TOPICS, st.lists(st.integers(1, 12), max_size=5), st.booleans())
def test_it_makes_no_difference(batches: list[Any], topic: TopicSettings, done: list[int], has_other: bool) -> None:
    """The same ids, places and bodies for the same subscriptions, which wait for as many."""

    async def main() -> None:
        found = []
        for is_at_once in (True, False):
            opened = Opened(None, {TOPIC: topic})
            store = opened.store
            for sub_key in ["a", "b"] if has_other else ["a"]:
                await opened.subscribe(sub_key)
            results: list[Any] = []
            for number, batch in enumerate(batches):
                publishes = [Publish.of(f"{number}{at}" * (at + 1), one) for at, one in enumerate(batch)]
                append = store.append if is_at_once else _in_a_transaction(opened)
                results += [one if isinstance(one, str) else type(one) for one in await append(TOPIC, publishes)]
            taken = await store.take("a", 100, 1 << 30)
            await store.settle("a", [one.place for one in taken.messages if one.place in done])
            state = store.ledger.subscriptions["a"]
            known = store.ledger.topics[TOPIC]
            found.append(
                (results, taken, state.depth_memory, state.acked_upto, list(state.done), sorted(known.volatile))
            )
            opened.database.close()
        assert found[0] == found[1]

    run_simulated(main)


def _in_a_transaction(opened: Opened) -> Any:
    async def append(topic: str, publishes: list[Publish]) -> list[str | CallError]:
        ledger = opened.store.ledger
        return await opened.store.do(lambda: publishing.append(ledger, topic, publishes))

    return append


@pytest.mark.parametrize("other", [{"has_gd": True}, {"deliver_to_sk": "a"}])
async def test_what_the_database_has_to_be_told_goes_there(other: dict[str, Any]) -> None:
    """All that was published with it, too, so that the order stays."""
    opened = Opened(None, {TOPIC: TopicSettings(guaranteed=False)})
    await opened.subscribe("a")
    ledger = opened.store.ledger
    assert in_memory.append(ledger, "/unknown", [Publish.of("x", {})]) is None
    assert in_memory.append(ledger, TOPIC, [Publish.of("x", {}), Publish.of("y", other)]) is None
    assert len(in_memory.append(ledger, TOPIC, [Publish.of("z", {})]) or ()) == 1
    opened.database.close()


async def test_nothing_is_done_where_one_message_is_on_disk() -> None:
    """The database is told of all of them then."""
    opened = Opened(None, {TOPIC: TopicSettings(guaranteed=False)})
    await opened.subscribe("a")
    for has_gd in (False, True, False):
        await opened.publish("x", has_gd=has_gd)
    await opened.take("a")
    one = opened.store.ledger.subscriptions["a"]
    assert not in_memory.settle(one, [1, 2])
    assert (one.acked_upto, set(one.head.taken)) == (0, {1, 2, 3})
    assert in_memory.settle(one, [3])
    assert in_memory.settle(one, [3, 1])
    assert (one.acked_upto, list(one.done), one.depth_memory, set(one.head.taken)) == (1, [(3, 3)], 0, {2})
    opened.database.close()
