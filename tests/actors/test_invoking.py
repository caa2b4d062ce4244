"""`self.invoke` and `self.invoke_async`, in both forms of a service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
import trio
import trio.testing

from actors import (
    BadInput,
    Bunch,
    InvokeTimeout,
    IsthmusError,
    MailboxLimits,
    Overflow,
    Overloaded,
    Service,
    ServiceNotFound,
    service,
)
from tests.forms import FORMS, given, service_of
from tests.supervised import Supervised

Body = Callable[[Any], Awaitable[Any]]


@pytest.fixture
def running(nursery: trio.Nursery) -> Supervised:
    return Supervised(nursery, {})


@pytest.fixture(params=FORMS)
def ask(request: pytest.FixtureRequest, running: Supervised) -> Callable[[Body], Awaitable[Any]]:
    """Run a body as the `handle` of a service, of either form, and return its answer."""

    async def run(body: Body) -> Any:
        running.start(service_of(request.param, "test.caller", body), Target)
        try:
            return await running.ask("test.caller", cid="of-the-caller")
        finally:
            await running.root.stop("service", "test.caller")

    return run


class Target(Service):
    """Tells what it sees of a call."""

    name = "test.target"

    async def handle(self) -> Any:
        data = self.request.payload
        if data == "fail":
            msg = "no good"
            raise BadInput(msg)
        chan = self.chan
        how = [chan.type, chan.data_format, self.data_format, self.transport, self.in_reply_to]
        return {"data": data, "how": how, "cid": self.cid, "environ": [self.environ, self.wsgi_environ]}


@service("test.wrapped")
async def wrapped() -> Any:
    """Return what is wrapped in a response element."""
    return {"test_wrapped_response": {"a": {"b": 1}}}


async def test_input_is_an_object_or_its_elements(ask: Any) -> None:
    """By name, class or instance of the service; both ways at once are an error."""

    async def handle(self: Service) -> Any:
        answers = [
            await given(self.invoke("test.target")),
            await given(self.invoke(Target, {"a": 1})),
            await given(self.invoke(Target(), a=1, payload_too=2)),
            await given(self.invoke("test.target", [1])),
        ]
        with pytest.raises(BadInput, match="as one object or by its elements, not both: a"):
            await given(self.invoke("test.target", {"b": 2}, a=1))
        with pytest.raises(BadInput, match="expected a service by name or class, got 5"):
            await given(self.invoke(5))
        return [answer["data"] for answer in answers]

    assert await ask(handle) == [None, {"a": 1}, {"a": 1, "payload_too": 2}, [1]]


async def test_the_target_sees_how_it_was_invoked(ask: Any) -> None:
    """The cid goes on unless another is given; channel, format, transport and environ are what the caller says."""

    async def handle(self: Service) -> Any:
        first = await given(self.invoke("test.target"))
        second = await given(
            self.invoke(
                "test.target",
                cid="other",
                channel="mine",
                data_format="json",
                transport="plain",
                wsgi_environ={"x": 1},
            )
        )
        return [first, second]

    first, second = await ask(handle)
    assert first == {
        "data": None,
        "how": ["invoke", "dict", "dict", "", ""],
        "cid": "of-the-caller",
        "environ": [{}, {}],
    }
    assert second == {
        "data": None,
        "how": ["mine", "json", "json", "plain", ""],
        "cid": "other",
        "environ": [{"x": 1}, {"x": 1}],
    }


async def test_the_result_comes_as_it_is_wanted(ask: Any, running: Supervised) -> None:
    """As a dict, with attributes, as JSON text, without its response element."""
    running.start(wrapped)

    async def handle(self: Service) -> Any:
        plain = await given(self.invoke("test.wrapped"))
        assert type(plain) is dict
        bunch = await given(self.invoke("test.wrapped", as_bunch=True))
        assert isinstance(bunch.test_wrapped_response.a, Bunch)
        bare = await given(self.invoke("test.wrapped", skip_response_elem=True, as_bunch=True))
        assert bare.a.b == 1
        untouched = await given(self.invoke("test.target", [1], skip_response_elem=True))
        assert untouched["data"] == [1]
        return [plain, await given(self.invoke("test.wrapped", serialize=True))]

    plain, text = await ask(handle)
    assert plain == {"test_wrapped_response": {"a": {"b": 1}}}
    assert text == '{"test_wrapped_response":{"a":{"b":1}}}'


async def test_errors_of_the_target_reach_the_caller(ask: Any) -> None:
    """What it raised, and that there is none of that name."""

    async def handle(self: Service) -> None:
        with pytest.raises(BadInput, match="no good"):
            await given(self.invoke("test.target", "fail"))
        with pytest.raises(ServiceNotFound, match=r"No such service 'test\.nobody'"):
            await given(self.invoke("test.nobody"))

    await ask(handle)


async def test_a_service_may_not_invoke_itself(ask: Any) -> None:
    """With `concurrency = 1` it would wait for itself; the error says so at once, and what to do."""

    async def handle(self: Service) -> Any:
        with pytest.raises(IsthmusError, match=r"'test\.caller' may not invoke itself"):
            await given(self.invoke(type(self)))
        return await given(self.invoke("test.target", "other"))

    assert (await ask(handle))["data"] == "other"


class Hangs(Service):
    """Never answers; notes that it was cancelled."""

    name = "test.hangs"
    cancelled_after: list[float] = []  # noqa: RUF012 - emptied by each test

    async def handle(self) -> None:
        began = trio.current_time()
        try:
            await trio.sleep_forever()
        finally:
            self.cancelled_after.append(trio.current_time() - began)


async def test_a_timeout_cancels_the_target(running: Supervised, autojump_clock: trio.testing.MockClock) -> None:
    """It is an error, or None where that is asked for; 0 waits without a limit of its own, None 30 seconds."""
    Hangs.cancelled_after.clear()

    class Caller(Service):
        name = "test.caller"

        async def handle(self) -> None:
            with pytest.raises(InvokeTimeout, match="gave no answer within 7 s"):
                await self.invoke("test.hangs", timeout=7)
            assert await self.invoke("test.hangs", timeout=5, raise_timeout=False) is None
            with pytest.raises(InvokeTimeout):
                await self.invoke(Hangs)
            with trio.move_on_after(1000):
                await self.invoke("test.hangs", timeout=0)

    running.start(Caller, Hangs)
    await running.ask("test.caller", timeout=10_000)
    await trio.testing.wait_all_tasks_blocked()
    assert Hangs.cancelled_after == [7, 5, 30, 1000]


async def test_a_timeout_in_a_blocking_service_cancels_the_target(running: Supervised) -> None:
    """The same from a worker thread, in real time."""
    Hangs.cancelled_after.clear()

    class Caller(Service):
        name = "test.caller"

        def handle(self) -> Any:
            with pytest.raises(InvokeTimeout):
                self.invoke("test.hangs", timeout=0.01)
            return self.invoke("test.hangs", timeout=0.01, raise_timeout=False)

    running.start(Caller, Hangs)
    assert await running.ask("test.caller") is None
    await trio.testing.wait_all_tasks_blocked()
    assert len(Hangs.cancelled_after) == 2


class Collects:
    """Services that note what they are invoked with, and tell when so many calls have come."""

    def __init__(self, count: int = 1) -> None:
        self.calls: list[tuple[str, Any, str, str]] = []
        self.complete = trio.Event()
        self._count = count

    def make(self, name: str, answer: Any = None) -> type[Service]:
        collects = self

        class Collector(Service):
            async def handle(self) -> Any:
                collects.calls.append((name, self.request.payload, self.chan.type, self.in_reply_to))
                if len(collects.calls) == collects._count:
                    collects.complete.set()
                return answer

        Collector.name = name
        return Collector


async def test_invoke_async_returns_the_cid_at_once(ask: Any, running: Supervised) -> None:
    """Long before the target ends, and the target goes on when the caller has ended."""
    release = trio.Event()
    seen: dict[str, Any] = {}

    class Slow(Service):
        name = "test.slow"

        async def handle(self) -> None:
            await release.wait()
            seen[self.cid] = (self.request.payload, self.chan.type, dict(self.environ))

    running.start(Slow)

    async def handle(self: Service) -> Any:
        return [
            await given(self.invoke_async("test.slow", {"a": 1}, environ={"x": 1})),
            await given(self.invoke_async(Slow, cid="mine", to_json_string=True, a=1)),
        ]

    cids = await ask(handle)
    assert seen == {}
    assert len(cids[0]) == 24
    assert cids[1] == "mine"
    release.set()
    await trio.testing.wait_all_tasks_blocked()
    assert seen == {cids[0]: ({"a": 1}, "invoke-async", {"x": 1}), "mine": ('{"a":1}', "invoke-async", {})}


async def test_callbacks_are_invoked_with_the_result(ask: Any, running: Supervised) -> None:
    """One, several, or the one whose name says so; they know the cid that they follow."""
    collects = Collects(4)
    running.start(
        *(collects.make(name) for name in ("test.one", "test.two", "test.target-async-callback")),
        collects.make("test.silent", "done"),
    )

    async def handle(self: Service) -> Any:
        await given(self.invoke_async("test.silent", callback=["test.one", "test.two"], cid="several"))
        return await given(self.invoke_async("test.target", "implied"))

    implied = await ask(handle)
    with trio.fail_after(5):
        await collects.complete.wait()
    calls = {name: rest for name, *rest in collects.calls}
    assert calls["test.one"] == calls["test.two"] == ["done", "invoke-async-callback", "several"]
    data, *how = calls["test.target-async-callback"]
    assert data["data"] == "implied"
    assert how == ["invoke-async-callback", implied]


@pytest.mark.parametrize("form", FORMS)
async def test_a_service_may_be_its_own_callback(form: str, running: Supervised) -> None:
    """`callback=self`; it tells the callback from a request by its channel."""
    told = trio.Event()
    results: list[Any] = []

    async def handle(self: Service) -> Any:
        if self.chan.type != "invoke-async-callback":
            return await given(self.invoke_async(Target, "x", callback=self))
        results.append((self.request.payload["data"], self.in_reply_to))
        if form == "async":
            told.set()
        else:
            trio.from_thread.run_sync(told.set)
        return None

    running.start(service_of(form, "test.own", handle), Target)
    cid = await running.ask("test.own")
    with trio.fail_after(5):
        await told.wait()
    assert results == [("x", cid)]


async def test_what_cannot_be_begun_is_an_error_at_once(ask: Any) -> None:
    """No such service, no such callback, or a callback that is no service: nothing is invoked."""

    async def handle(self: Service) -> None:
        with pytest.raises(ServiceNotFound, match=r"'test\.nobody'"):
            await given(self.invoke_async("test.nobody"))
        with pytest.raises(ServiceNotFound, match=r"'test\.nobody'"):
            await given(self.invoke_async("test.target", callback=["test.target", "test.nobody"]))
        with pytest.raises(BadInput, match="expected a callback by name or class, got 5"):
            await given(self.invoke_async("test.target", callback=5))

    await ask(handle)


async def test_too_much_that_waits_is_overloaded(ask: Any, running: Supervised) -> None:
    """The target's mailbox bounds what waits for it."""

    class Narrow(Service):
        name = "test.narrow"
        concurrency = 1
        mailbox_limits = MailboxLimits(max_count=2, overflow=Overflow.REJECT)

        async def handle(self) -> None:
            await trio.sleep_forever()

    running.start(Narrow)

    async def handle(self: Service) -> int:
        for count in range(100):
            try:
                await given(self.invoke_async("test.narrow"))
            except Overloaded as error:
                assert "service 'test.narrow' is overloaded" in str(error)  # noqa: PT017 - counted
                return count
        return 100

    assert await ask(handle) in (2, 3), "as many as wait, and the one that has begun where it was that quick"


async def test_a_failure_is_logged_and_calls_nobody_back(ask: Any, running: Supervised) -> None:
    """The line names the service, the cid and the error; a callback that is gone meanwhile is told as well."""
    collects, release = Collects(), trio.Event()
    running.start(collects.make("test.callback"))

    @service("test.waits")
    async def waits() -> None:
        await release.wait()

    running.start(waits)

    async def handle(self: Service) -> None:
        await given(self.invoke_async("test.target", "fail", callback="test.callback", cid="c1"))
        await given(self.invoke_async("test.waits", callback="test.callback", cid="c2"))

    with structlog.testing.capture_logs() as lines:
        await ask(handle)
        await trio.testing.wait_all_tasks_blocked()
        await running.root.stop("service", "test.callback")
        release.set()
        await trio.testing.wait_all_tasks_blocked()
    assert collects.calls == []
    told = [line for line in lines if line["event"] in ("asynchronous invocation failed", "callback not invoked")]
    assert [(line.get("cid") or line["in_reply_to"], line["service"], line["error"]) for line in told] == [
        ("c1", "test.target", "BadInput: no good"),
        ("c2", "test.callback", "No such service 'test.callback'"),
    ]


async def test_what_has_not_begun_before_it_expires_never_begins(
    running: Supervised, autojump_clock: trio.testing.MockClock
) -> None:
    """One that has begun in time takes as long as it takes."""
    begun: list[Any] = []

    class Slow(Service):
        name = "test.slow"
        concurrency = 1

        async def handle(self, data: Any) -> None:
            begun.append((data, trio.current_time()))
            await trio.sleep(10)

    class Caller(Service):
        name = "test.caller"

        async def handle(self) -> None:
            began_at = trio.current_time()
            await self.invoke_async("test.slow", "first", expiration=5)
            await self.invoke_async("test.slow", "expires", expiration=5)
            await self.invoke_async("test.slow", "in time", expiration=11)
            assert trio.current_time() == began_at

    running.start(Slow, Caller)
    began_at = trio.current_time()
    await running.ask("test.caller")
    with structlog.testing.capture_logs() as lines:
        await trio.sleep(60)
    assert [(data, at - began_at) for data, at in begun] == [("first", 0), ("in time", 10)]
    assert [line["error"] for line in lines if line["event"] == "asynchronous invocation failed"] == [
        "InvokeTimeout: it expired before it was begun"
    ]


async def test_a_stop_finishes_what_has_begun_and_tells_what_has_not(
    running: Supervised, autojump_clock: trio.testing.MockClock
) -> None:
    """Of two asynchronous invocations one is in hand: it ends, and the other is logged as given up."""
    ended: list[Any] = []

    class Slow(Service):
        name = "test.slow"
        concurrency = 1

        async def handle(self, data: Any) -> None:
            await trio.sleep(3)
            ended.append(data)

    class Caller(Service):
        name = "test.caller"

        async def handle(self) -> None:
            await self.invoke_async("test.slow", 1)
            await self.invoke_async("test.slow", 2, cid="c2")

    running.start(Slow, Caller)
    await running.ask("test.caller")
    await trio.testing.wait_all_tasks_blocked()
    with structlog.testing.capture_logs() as lines:
        await running.root.stop_all()
    assert ended == [1]
    [line] = [line for line in lines if line["event"] == "asynchronous invocation failed"]
    assert (line["cid"], line["error"]) == ("c2", "ActorStopped: 'service:test.slow' has been stopped")


async def test_sleep_and_times(ask: Any) -> None:
    """`self.sleep`, and how long the invocation has been under way since when, in both forms."""

    async def handle(self: Service) -> Any:
        first = self.processing_time
        await given(self.sleep(0.01))
        assert 0 <= first < self.processing_time
        assert abs((self.time.utcnow(needs_format=False) - self.invocation_time).total_seconds() - 0.01) < 5
        return self.usage

    assert await ask(handle) == 1
