"""Messages that are published together fare as they do when they are published one by one."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.settings import OnFull, TopicSettings
from actors.topics.publication import Publish
from runtime.testing import run_simulated
from tests.runtime.store.support import GRAVE, TOPIC, Opened

PUBLISHES = st.lists(
    st.builds(
        lambda data, **options: Publish.of(data, options),
        st.sampled_from(["one", "other"]),
        has_gd=st.booleans(),
        msg_id=st.none() | st.sampled_from("xy"),
        priority=st.sampled_from([5, 5, 9]),
        deliver_to_sk=st.none() | st.sampled_from([["a"], ["b"], ["nobody"], ["a", "b"]]),
    ),
    min_size=1,
    max_size=100,
)


@frozen
class Outcome:
    """What publishers were told, what waits for whom, what is kept, and how deep the store takes its queues to be."""

    told: list[str]
    waiting: dict[str, list[tuple[int, Any]]]
    dead: list[Any]
    rows: list[Any]
    depths: list[tuple[int, int]]


async def publish(topic: TopicSettings, batches: list[list[Publish]], subscribers: dict[str, str]) -> Outcome:
    """Publish batches to subscribers, by sub_key, each with its `active_status`."""
    opened = Opened(None, {TOPIC: topic})
    for sub_key, status in subscribers.items():
        await opened.subscribe(sub_key, active_status=status)
    results = [str(result) for batch in batches for result in await opened.store.append(TOPIC, batch)]
    ledger = opened.store.ledger
    states = [*ledger.subscriptions.values(), *([ledger.topics[TOPIC]] if TOPIC in ledger.topics else [])]
    depths = [(one.depth_gd, one.depth_memory) for one in states]
    rows = opened.database.execute("SELECT key, priority, recv_time, expires_at, extra FROM messages").fetchall()
    waiting = {}
    for sub_key in subscribers:
        taken = await opened.store.take(sub_key, 500, 1 << 30)
        waiting[sub_key] = [(one.place, one.priority) for one in taken.messages]
    await opened.subscribe("dead", topic=GRAVE)
    dead = await opened.waiting("dead")
    opened.database.close()
    return Outcome(["new" if one.startswith("zpsm") else one for one in results], waiting, dead, rows, depths)


@given(
    publishes=PUBLISHES,
    limit=st.sampled_from([0, 1, 3, 50]),
    on_full=st.sampled_from(OnFull),
    subscribers=st.dictionaries(st.sampled_from("ab"), st.sampled_from(["pub-sub", "sub-only"])),
)
@settings(deadline=None)
def test_messages_published_together_fare_as_they_do_one_by_one(
    publishes: list[Publish], limit: int, on_full: OnFull, subscribers: dict[str, str]
) -> None:
    """The same of them are refused, buried, dropped and stored, at the same places, for the same subscriptions."""
    topic = TopicSettings(guaranteed=True, max_depth_gd=limit, max_depth_non_gd=limit, on_full=on_full)

    async def compare() -> None:
        together = await publish(topic, [publishes], subscribers)
        assert together == await publish(topic, [[one] for one in publishes], subscribers)

    run_simulated(compare)
