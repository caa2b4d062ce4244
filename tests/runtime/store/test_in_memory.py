"""Memory messages that come together are as those that come one by one through a transaction."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.errors import CallError
from actors.settings import OnFull, TopicSettings
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
BATCHES = st.lists(
    st.tuples(
        st.lists(PUBLISH, min_size=1, max_size=6),
        st.sampled_from(["a", "b", ""]),
        st.integers(1, 6),
        st.lists(st.integers(1, 16), max_size=4),
    ),
    min_size=1,
    max_size=7,
)
"""What is published together; who then takes how many, and which places it is done with."""
TOPICS = st.sampled_from(
    [
        TopicSettings(guaranteed=False),
        TopicSettings(guaranteed=False, max_depth_non_gd=3),
        TopicSettings(guaranteed=False, max_depth_non_gd=3, on_full=OnFull.REJECT),
        TopicSettings(guaranteed=False, limit_message_expiry=5.5, max_message_size=2),
    ]
)


@settings(max_examples=150)
@given(BATCHES, TOPICS, st.sampled_from(["a", "ab"]))
def test_it_makes_no_difference(batches: list[Any], topic: TopicSettings, subscribers: str) -> None:
    """The same ids, places and bodies for the same subscriptions, which lose the same where they are full."""

    async def main() -> None:
        found = []
        for is_at_once in (True, False):
            opened = Opened(None, {TOPIC: topic})
            store = opened.store
            for sub_key in subscribers:
                await opened.subscribe(sub_key)
            known, results = store.ledger.topics[TOPIC], list[Any]()
            for number, (batch, sub_key, count, done) in enumerate(batches):
                publishes = [Publish.of(f"{number}{at}" * (at + 1), one) for at, one in enumerate(batch)]
                append = store.append if is_at_once else _in_a_transaction(opened)
                results += [one if isinstance(one, str) else type(one) for one in await append(TOPIC, publishes)]
                if sub_key in subscribers and sub_key:
                    results.append(await store.take(sub_key, count, 1 << 30))
                    one = store.ledger.subscriptions[sub_key]
                    await store.settle(sub_key, [place for place in done if place in one.head.taken])
                for one in known.live:
                    results.append((one.depth_memory, one.acked_upto, list(one.done), sorted(one.head.taken)))
            results += [await store.take(sub_key, 100, 1 << 30) for sub_key in subscribers]
            found.append(results)
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


async def test_a_full_queue_loses_what_has_waited_longest() -> None:
    """Nothing that is under way: where all is, one more than the limit gets in."""
    opened = Opened(None, {TOPIC: TopicSettings(guaranteed=False, max_depth_non_gd=3)})
    await opened.subscribe("a")
    await opened.store.append(TOPIC, [Publish.of(number, {}) for number in range(1, 6)])
    assert await opened.take("a", 2) == [3, 4]
    await opened.store.append(TOPIC, [Publish.of(number, {}) for number in (6, 7)])
    assert await opened.take("a") == [7]
    await opened.store.append(TOPIC, [Publish.of(number, {}) for number in (8, 9)])
    one = opened.store.ledger.subscriptions["a"]
    assert one.depth_memory == 4
    await opened.store.settle("a", [3, 4, 7])
    assert await opened.take("a") == [9]
    assert (one.depth_memory, one.acked_upto, list(opened.store.ledger.topics[TOPIC].volatile)) == (1, 8, [9])
    opened.database.close()
