"""A store does as a plain model of it does, whatever is published, taken, settled, ended, cleaned and crashed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.errors import Conflict
from actors.services.call import PeerIdentity
from actors.topics.publication import Publish, published_of
from runtime.testing import run_simulated
from tests.runtime.store.support import GRAVE, TOPIC, Opened

KEYS = st.sampled_from(["a", "b", "c", "d"])
SECURITY = {"a": "one", "b": "one", "c": "two", "d": "two"}


@define
class Message:
    """A message of the model."""

    number: int
    priority: int
    has_gd: bool

    @property
    def order(self) -> tuple[int, int]:
        return -self.priority, self.number


@define
class Queue:
    """A subscription of the model: what waits, and what was taken of it."""

    is_lasting: bool
    waiting: dict[int, Message] = field(factory=dict)
    taken: set[int] = field(factory=set)

    def next(self, count: int) -> list[int]:
        ready = sorted(
            (one for one in self.waiting.values() if one.number not in self.taken), key=lambda one: one.order
        )
        return [one.number for one in ready[:count]]


class DeliveryMachine(RuleBasedStateMachine):
    """One topic of a store in a file, or in memory, beside its model. Data are numbers, which are places."""

    @initialize(is_file=st.booleans())
    def begin(self, is_file: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.opened = Opened(Path(self.folder.name) / "store.db" if is_file else None)
        self.queues: dict[str, Queue] = {}
        self.rests: list[tuple[str, dict[int, Message]]] = []
        self.backlog: dict[int, Message] = {}
        self.dead: list[int] = []
        self.place = 0
        self.ids: dict[str, int] = {}
        self.subscribed = 0

    def do(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """Run one operation of the store."""
        result: list[Any] = []

        async def run() -> None:
            result.append(await function(*arguments, **options))

        run_simulated(run)
        return result[0]

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            self.opened.database.close()
            self.folder.cleanup()

    # Publishing

    @rule(priority=st.sampled_from([5, 5, 5, 9, 1]), has_gd=st.booleans(), name=st.none() | st.sampled_from("xyz"))
    def publish(self, priority: int, has_gd: bool, name: str | None) -> None:
        if name in self.ids:
            number = self.ids[name]
            assert self.do(self.opened.publish, number, msg_id=name, priority=priority, has_gd=has_gd) == name
            other = [Publish.of("other", {"msg_id": name, "has_gd": has_gd})]
            [result] = self.do(self.opened.store.append, TOPIC, other)
            assert isinstance(result, Conflict)
            return
        self.place += 1
        message = Message(self.place, priority, has_gd)
        self.do(self.opened.publish, self.place, priority=priority, has_gd=has_gd, msg_id=name)
        if (name is not None and has_gd) or name is not None:
            self.ids[name] = self.place
        for queue in self.queues.values():
            queue.waiting[self.place] = message
        if not self.queues:
            self.backlog[self.place] = message

    @rule(many=st.lists(st.tuples(st.sampled_from([5, 5, 5, 9, 1]), st.booleans()), min_size=2, max_size=90))
    def publish_together(self, many: list[tuple[int, bool]]) -> None:
        """Publish several in one transaction."""
        publishes = []
        for priority, has_gd in many:
            self.place += 1
            publishes.append(Publish.of(self.place, {"priority": priority, "has_gd": has_gd}))
            for waiting in [queue.waiting for queue in self.queues.values()] or [self.backlog]:
                waiting[self.place] = Message(self.place, priority, has_gd)
        self.do(self.opened.store.append, TOPIC, publishes)

    # Subscriptions

    @rule(key=KEYS, is_lasting=st.booleans(), from_now=st.booleans())
    def subscribe(self, key: str, is_lasting: bool, from_now: bool) -> None:
        self.subscribed += 1
        key = f"{key}{self.subscribed}"  # a sub_key is never used again
        from_now = from_now and is_lasting
        owner = PeerIdentity(SECURITY[key[0]], "cluster", key)
        start = "now" if from_now else "backlog"
        self.do(self.opened.subscribe, key, owner=owner, is_lasting=is_lasting, deliver_from=start)
        queue = Queue(is_lasting)
        if not self.queues and not from_now:
            queue.waiting.update(self.backlog)
        if not is_lasting:
            for _security, waiting in [one for one in self.rests if one[0] == SECURITY[key[0]]]:
                queue.waiting.update(waiting)
            self.rests = [one for one in self.rests if one[0] != SECURITY[key[0]]]
        self.backlog.clear()
        self.queues[key] = queue

    @precondition(lambda self: self.queues)
    @rule(data=st.data(), leave_rest=st.booleans())
    def unsubscribe(self, data: st.DataObject, leave_rest: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.queues)))
        self.do(self.opened.store.unsubscribe, key, leave_rest=leave_rest)
        queue = self.queues.pop(key)
        if leave_rest and queue.waiting:
            self.rests.append((SECURITY[key[0]], queue.waiting))
        elif not leave_rest:
            self.dead += [one.number for one in queue.waiting.values() if one.has_gd]
        self.clean()

    # Queues

    @precondition(lambda self: self.queues)
    @rule(data=st.data(), count=st.integers(1, 6))
    def take(self, data: st.DataObject, count: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.queues)))
        queue = self.queues[key]
        taken = self.do(self.opened.take, key, count)
        assert taken == queue.next(count)
        queue.taken.update(taken)

    @precondition(lambda self: any(queue.waiting for queue in self.queues.values()))
    @rule(data=st.data(), is_buried=st.booleans())
    def settle(self, data: st.DataObject, is_buried: bool) -> None:
        """Be done with any messages, also those that were never taken, or are done with."""
        key = data.draw(st.sampled_from(sorted(key for key, queue in self.queues.items() if queue.waiting)))
        queue = self.queues[key]
        places = data.draw(st.lists(st.integers(1, self.place), min_size=1, max_size=8))
        if is_buried:
            self.do(self.opened.store.bury, key, list(dict.fromkeys(places)), "on purpose")
        else:
            self.do(self.opened.store.settle, key, places)
        for place in places:
            message = queue.waiting.pop(place, None)
            queue.taken.discard(place)
            if message is not None and message.has_gd and is_buried:
                self.dead.append(place)

    @precondition(lambda self: self.queues)
    @rule(data=st.data())
    def begin_anew(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.queues)))
        self.do(self.opened.store.begin_anew, key)
        self.queues[key].taken.clear()

    # What happens to all

    @rule()
    def clean(self) -> None:
        while self.do(self.opened.store.clean, TOPIC, ()).has_more:
            pass
        needed = {number for queue in self.queues.values() for number, one in queue.waiting.items() if one.has_gd}
        needed |= {number for _security, waiting in self.rests for number, one in waiting.items() if one.has_gd}
        needed |= {number for number, one in self.backlog.items() if one.has_gd}
        ledger = self.opened.store.ledger
        topic = ledger.topics.get(TOPIC)
        kept = set() if topic is None else {one.place for one in ledger.messages(topic, 1, self.place + 1)}
        assert kept == needed

    @rule()
    def crash(self) -> None:
        """Begin again with what is durable; memory messages are gone, and so are their ids."""
        self.opened.reopen()
        memory = {
            number
            for waiting in (*(q.waiting for q in self.queues.values()), *(w for _s, w in self.rests), self.backlog)
            for number, one in waiting.items()
            if not one.has_gd
        }
        for waiting in (*(q.waiting for q in self.queues.values()), *(w for _s, w in self.rests), self.backlog):
            for number in memory & waiting.keys():
                del waiting[number]
        for queue in self.queues.values():
            queue.taken.clear()
        self.rests = [one for one in self.rests if one[1]]
        kept = {row[0] for row in self.opened.database.execute("SELECT msg_id FROM published")}
        self.ids = {name: number for name, number in self.ids.items() if name in kept}
        topic = self.opened.store.ledger.topics.get(TOPIC)
        assert topic is None or topic.place <= self.place
        self.place = 0 if topic is None else topic.place

    # What always holds

    @invariant()
    def depths_are_right(self) -> None:
        if not hasattr(self, "opened"):
            return
        ledger = self.opened.store.ledger
        for key, queue in self.queues.items():
            one = ledger.subscriptions[key]
            assert one.depth_gd == sum(message.has_gd for message in queue.waiting.values())
            assert one.depth_memory == sum(not message.has_gd for message in queue.waiting.values())
            assert set(one.head.taken) == queue.taken

    @invariant()
    def the_dead_are_kept(self) -> None:
        if not hasattr(self, "opened"):
            return
        ledger = self.opened.store.ledger
        grave = ledger.topics.get(GRAVE)
        found = [] if grave is None else [published_of(one.body).data for one in ledger.messages(grave, 1, 1 << 39)]
        ending = [one for topic in ledger.topics.values() for one in topic.subscriptions.values() if not one.is_live]
        assert sorted(found) == sorted(self.dead) or ending


TestDeliveryMachine = DeliveryMachine.TestCase
TestDeliveryMachine.settings = settings(max_examples=60, stateful_step_count=40)
