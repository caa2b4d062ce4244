"""The hooks around `handle`, and those of deployment."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import structlog
import trio
from trio.testing import MockClock

from actors import BadInput, Forbidden, Int, Service
from actors.errors import AskTimeout
from runtime.testing import Clusters
from tests.forms import FORMS, form_of, service_of
from tests.supervised import Supervised

ORDER = ("accept", "validate_input", "before_handle", "handle", "after_handle", "validate_output", "finalize_handle")


@pytest.fixture
def running(nursery: trio.Nursery) -> Supervised:
    return Supervised(nursery, {})


def traced(form: str, steps: list[str], fails_in: str = "", *, hook_form: str = "") -> type[Service]:
    """Return a service that notes its steps and raises in one of them."""

    def noting(step: str) -> Any:
        async def note(self: Service) -> Any:
            steps.append(step)
            if step == fails_in:
                msg = f"{step} failed"
                raise ValueError(msg)
            return "answer" if step == "handle" else None

        return note

    hooks = {step: form_of(hook_form or form, noting(step)) for step in ORDER if step != "handle"}
    return service_of(form, "test.traced", noting("handle"), **hooks)


@pytest.mark.parametrize(("form", "hook_form"), list(itertools.product(FORMS, FORMS)))
async def test_hooks_run_in_order_around_handle(form: str, hook_form: str, running: Supervised) -> None:
    """Whichever form `handle` and the hooks have."""
    steps: list[str] = []
    running.start(traced(form, steps, hook_form=hook_form))
    assert await running.ask("test.traced") == "answer"
    assert steps == list(ORDER)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("hook", ["before_handle", "after_handle", "finalize_handle"])
async def test_what_some_hooks_raise_is_logged(form: str, hook: str, running: Supervised) -> None:
    """The answer is what it would have been; the log names the hook and the cid."""
    steps: list[str] = []
    running.start(traced(form, steps, hook))
    with structlog.testing.capture_logs() as lines:
        assert await running.ask("test.traced", cid="c1") == "answer"
    assert steps == list(ORDER)
    [line] = [line for line in lines if line["event"] == "hook failed"]
    assert (line["hook"], line["cid"], line["error"]) == (hook, "c1", f"ValueError: {hook} failed")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", ["accept", "validate_input", "handle", "validate_output"])
async def test_what_the_others_raise_is_the_answer(form: str, step: str, running: Supervised) -> None:
    """Nothing after it runs, but for finalize_handle, which always does."""
    steps: list[str] = []
    running.start(traced(form, steps, step))
    with pytest.raises(ValueError, match=f"{step} failed"):
        await running.ask("test.traced")
    assert steps == [*ORDER[: ORDER.index(step) + 1], "finalize_handle"]


@pytest.mark.parametrize("form", FORMS)
async def test_what_is_not_accepted_is_forbidden(form: str, running: Supervised) -> None:
    """Before its input is read, so that whoever may not ask learns nothing of what would be right."""

    async def handle(self: Service) -> str:
        return "accepted"

    async def accept(self: Service) -> bool:
        return bool(self.request.payload["key"] == "open")

    simple_io = type("SimpleIO", (), {"input": (Int("number"), "-key")})
    running.start(service_of(form, "test.picky", handle, accept=accept, SimpleIO=simple_io))
    assert await running.ask("test.picky", {"key": "open", "number": 1}) == "accepted"
    with pytest.raises(Forbidden, match="does not accept this request"):
        await running.ask("test.picky", {"key": "sesame", "number": "none"})
    with pytest.raises(BadInput, match="'number'"):
        await running.ask("test.picky", {"key": "open", "number": "none"})


@pytest.mark.parametrize("form", FORMS)
async def test_hooks_see_and_change_input_and_output(form: str, running: Supervised) -> None:
    """The input as it was read, and what `handle` returned as `self.response.payload`."""

    async def handle(self: Service) -> Any:
        self.response.payload.unused = True
        return {"number": self.request.input.number}

    async def validate_input(self: Service) -> None:
        if self.request.input.number < 0:
            msg = "number: expected 0 or more"
            raise BadInput(msg)

    async def before_handle(self: Service) -> None:
        self.request.input.number += 1
        self.environ["seen"] = True

    async def after_handle(self: Service) -> None:
        self.response.payload["seen"] = self.environ["seen"]

    simple_io = type("SimpleIO", (), {"input": Int("number"), "output": ("number", "seen")})
    hooks = {"validate_input": validate_input, "before_handle": before_handle, "after_handle": after_handle}
    running.start(service_of(form, "test.changes", handle, SimpleIO=simple_io, **hooks))
    assert await running.ask("test.changes", {"number": "1"}) == {"number": 2, "seen": True}
    with pytest.raises(BadInput, match="expected 0 or more"):
        await running.ask("test.changes", {"number": -1})


async def test_finalize_handle_runs_when_the_invocation_is_cancelled(
    running: Supervised, autojump_clock: MockClock
) -> None:
    """It may wait, but not for ever: a service whose caller has gone away has its place back in a bounded time."""
    ended: list[float] = []

    class Hangs(Service):
        name = "test.hangs"
        concurrency = 1

        async def handle(self, data: Any) -> Any:
            if data == "hang":
                await trio.sleep_forever()
            return data

        async def finalize_handle(self) -> None:
            await trio.sleep(1)
            ended.append(trio.current_time())
            if self.request.payload == "hang":
                await trio.sleep_forever()

    running.start(Hangs)
    began = trio.current_time()
    with pytest.raises(AskTimeout):
        await running.ask("test.hangs", "hang", timeout=10)
    assert await running.ask("test.hangs", "next", timeout=60) == "next"
    assert [at - began for at in ended] == [11, 16]


async def test_a_service_may_say_that_it_is_not_deployed(clusters: Clusters) -> None:
    """By `before_add_to_store`; one that raises is not deployed either. The others hear that they are."""
    told: list[str] = []

    class Deployed(Service):
        name = "test.deployed"

        @staticmethod
        def before_add_to_store(logger: Any) -> bool:
            logger.info("about to be deployed")
            return True

        @staticmethod
        def after_add_to_store(logger: Any) -> None:
            told.append("deployed")
            msg = "logged"
            raise ValueError(msg)

        async def handle(self) -> str:
            return "here"

    class Refused(Deployed):
        name = "test.refused"

        @staticmethod
        def before_add_to_store(logger: Any) -> bool:
            return False

    class Fails(Deployed):
        name = "test.fails"

        @staticmethod
        def before_add_to_store(logger: Any) -> bool:
            msg = "no"
            raise ValueError(msg)

    with structlog.testing.capture_logs() as lines:
        await clusters.start("[clusters.one]", services=lambda _name: (Deployed, Refused, Fails))
    one = clusters["one"]
    assert await one.invoke("test.deployed") == "here"
    assert told == ["deployed"]
    services = {actor["name"] for actor in one.actors()}
    assert not services & {"test.refused", "test.fails"}
    said = {(line["actor"], line["event"]) for line in lines if line.get("actor", "").startswith("test.")}
    assert said == {
        ("test.deployed", "about to be deployed"),
        ("test.deployed", "after_add_to_store failed"),
        ("test.refused", "not deployed: before_add_to_store says no"),
        ("test.fails", "not deployed: before_add_to_store failed"),
    }


async def test_a_new_version_that_is_not_to_be_deployed_changes_nothing(clusters: Clusters) -> None:
    """The old one goes on; a new version that is deployed hears of it, one that stays the same does not again."""
    told: list[str] = []

    def version(name: str, answer: str, *, is_refused: bool = False) -> type[Service]:
        async def handle(self: Service) -> str:
            return answer

        return service_of(
            "async",
            name,
            handle,
            before_add_to_store=staticmethod(lambda _logger: not is_refused),
            after_add_to_store=staticmethod(lambda _logger: told.append(answer)),
        )

    stays = version("test.stays", "same")
    await clusters.start("[clusters.one]", services=lambda _name: (stays, version("test.changes", "old")))
    one = clusters["one"]
    await one.cluster.deploy([stays, version("test.changes", "refused", is_refused=True)])
    assert await one.invoke("test.changes") == "old"
    await one.cluster.deploy([stays, version("test.changes", "new"), version("test.no", "no", is_refused=True)])
    assert [await one.invoke(name) for name in ("test.changes", "test.stays")] == ["new", "same"]
    assert told == ["same", "old", "new"]
    assert "test.no" not in {actor["name"] for actor in one.actors()}
