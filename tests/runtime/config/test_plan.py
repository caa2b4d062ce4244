"""The difference of two configurations: what it names, what it costs, and that its steps lead from one to the other."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from actors.secret import Secret
from actors.settings import (
    ChannelSettings,
    DeliveryOptions,
    EndpointSettings,
    OutgoingSettings,
    SecuritySettings,
    SubscriptionSettings,
    TopicSettings,
)
from runtime.config.plan import Action, Cost, Step, plan, same, taken
from runtime.config.schema import ClusterSettings, StoreKind, StoreSettings

NAMES = st.sampled_from(["a", "b", "c"])
SECRETS = st.sampled_from([Secret(lambda: "planted", f"$SECRET_{number}") for number in range(3)])
TOPICS = st.lists(st.sampled_from(["/a", "/b", "/c"]), unique=True).map(tuple)
OPTIONS = st.builds(DeliveryOptions, ack_timeout=st.sampled_from([None, 1.0, 2.0]))


def tables(of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(NAMES, of, max_size=3)


SETTINGS = st.builds(
    ClusterSettings,
    services=st.lists(st.sampled_from(["a.py", "b.py", "c"]), unique=True).map(tuple),
    hot_deploy=st.booleans(),
    data_dir=st.sampled_from(["", "x"]),
    store=st.builds(StoreSettings, kind=st.sampled_from(StoreKind)),
    security=tables(st.builds(SecuritySettings, username=NAMES, password=SECRETS)),
    channels=tables(
        st.builds(
            ChannelSettings,
            address=NAMES,
            service=NAMES,
            security=NAMES,
            services_allowed=TOPICS,
            ping_timeout=st.sampled_from([1.0, 2.0]),
        )
    ),
    outgoing=tables(
        st.builds(
            OutgoingSettings,
            address=NAMES,
            password=st.none() | SECRETS,
            headers=st.dictionaries(NAMES, SECRETS, max_size=1),
            subscribe=TOPICS,
            subscriptions=tables(OPTIONS),
            timeout=st.sampled_from([1.0, 2.0]),
        )
    ),
    topics=tables(st.builds(TopicSettings, guaranteed=st.booleans())),
    subscriptions=tables(st.builds(SubscriptionSettings, service=NAMES, topics=TOPICS, delivery=OPTIONS)),
    endpoints=tables(st.builds(EndpointSettings, channel=st.none() | NAMES, service=st.none() | NAMES, publish=TOPICS)),
    config=st.dictionaries(NAMES, st.integers(0, 2) | SECRETS, max_size=2),
)


def in_order(settings: ClusterSettings) -> ClusterSettings:
    return evolve(settings, services=tuple(sorted(settings.services)))


@hypothesis_settings(max_examples=60)
@given(before=SETTINGS, after=SETTINGS)
def test_the_steps_lead_from_one_configuration_to_the_other(before: ClusterSettings, after: ClusterSettings) -> None:
    """Each step changes what it names and nothing else, and with the last the cluster is what the file says."""
    running = before
    for step in plan(before, after):
        following = taken(running, step, after)
        left, right = plan(running, after), plan(following, after)
        assert [one for one in left if (one.section, one.name) != (step.section, step.name)] == list(right)
        running = following
    assert same(in_order(running), in_order(after))
    assert plan(running, after) == ()


@given(settings=SETTINGS)
def test_what_is_the_same_has_no_plan(settings: ClusterSettings) -> None:
    """Nothing is to be done where nothing is different."""
    assert plan(settings, settings) == ()


@hypothesis_settings(max_examples=60)
@given(before=SETTINGS, after=SETTINGS)
def test_only_what_is_different_is_named_and_nothing_secret(before: ClusterSettings, after: ClusterSettings) -> None:
    """A thing that is the same in both has no step, and no value of a key is in any."""
    steps = plan(before, after)
    assert "planted" not in str(steps) + str([step.as_dict() for step in steps])
    for table in ("security", "channels", "outgoing", "topics", "subscriptions", "endpoints"):
        old, new = getattr(before, table), getattr(after, table)
        different = {name for name in {*old, *new} if not same(old.get(name), new.get(name))}
        assert {step.name for step in steps if step.section == table} == different


CHANNEL = ChannelSettings(address="ws://127.0.0.1:1/", service="a", security="none")
OUTGOING = OutgoingSettings(address="ws://127.0.0.1:1/", subscribe=("/a",))


@pytest.mark.parametrize(
    ("before", "after", "cost"),
    [
        (CHANNEL, evolve(CHANNEL, address="ws://127.0.0.1:2/"), Cost.CHANNEL),
        (CHANNEL, evolve(CHANNEL, services_allowed=("a",), max_sessions=7), Cost.NOTHING),
        (CHANNEL, evolve(CHANNEL, security="other"), Cost.CHANNEL),
        (OUTGOING, evolve(OUTGOING, address="ws://127.0.0.1:2/"), Cost.RECONNECT),
        (OUTGOING, evolve(OUTGOING, password=Secret.of("x")), Cost.RECONNECT),
        (OUTGOING, evolve(OUTGOING, timeout=9.0, subscribe=("/a", "/b"), ping_interval=3.0), Cost.NOTHING),
        (OUTGOING, evolve(OUTGOING, subscriptions={"/a": DeliveryOptions(ordered=True)}), Cost.RECONNECT),
        (OUTGOING, evolve(OUTGOING, subscriptions={"/b": DeliveryOptions(ordered=True)}), Cost.NOTHING),
    ],
)
def test_a_change_costs_what_it_has_to(before: Any, after: Any, cost: Cost) -> None:
    """Who moves, or is somebody else, loses links; what can be taken up under way costs nothing."""
    section = "channels" if isinstance(before, ChannelSettings) else "outgoing"
    [step] = plan(ClusterSettings(**{section: {"x": before}}), ClusterSettings(**{section: {"x": after}}))
    assert (step.action, step.cost) == (Action.CHANGE, cost)


def test_what_an_open_session_keeps_is_said() -> None:
    """A limit that holds for later sessions only is free, and the step says so."""
    before = ClusterSettings(channels={"x": CHANNEL})
    after = ClusterSettings(channels={"x": evolve(CHANNEL, ping_timeout=9.0, service="b")})
    [step] = plan(before, after)
    assert step == Step(
        Action.CHANGE, "channels", "x", ("service", "ping_timeout"), note="open sessions keep ping_timeout"
    )


def test_who_gives_an_address_up_comes_before_who_takes_it() -> None:
    """Stops of what others may replace come first, starts of what others need before those, restarts last."""
    before = ClusterSettings(channels={"x": CHANNEL}, topics={"/a": TopicSettings()}, services=("a.py",))
    after = ClusterSettings(
        channels={"y": evolve(CHANNEL, security="s")},
        security={"s": SecuritySettings("s", Secret.of("s"))},
        services=("b.py",),
        store=StoreSettings(StoreKind.MEMORY),
    )
    assert [(step.action.value, step.section) for step in plan(before, after)] == [
        ("stop", "channels"),
        ("start", "services"),
        ("start", "security"),
        ("start", "channels"),
        ("stop", "topics"),
        ("stop", "services"),
        ("change", "cluster"),
    ]
