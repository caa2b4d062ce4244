"""Two clusters over a network in memory, on both wires: calls, messages, hooks, and links that come back."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors import (
    BadInput,
    Forbidden,
    InvokeTimeout,
    LinkDown,
    LinkLost,
    Opaque,
    RemoteError,
    Service,
    ServiceNotFound,
)
from actors.settings import Compat
from runtime.testing import MemoryNetwork
from tests.support import CONNECTION, apac_settings, emea_settings, start


class Relay(Service):
    """Invokes the remote with what it is given."""

    name = "test.relay"

    async def handle(self, request: dict) -> Any:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            response = await client.invoke(request["message"], timeout=request.get("timeout", 5.0))
        return response.data


class Fails(Service):
    name = "test.fails"

    async def handle(self, data: Any) -> Any:
        if data == "bad":
            msg = "data: expected something better"
            raise BadInput(msg)
        msg = "an internal detail"
        raise RuntimeError(msg)


def hanging(began: trio.Event, ended: trio.Event) -> type[Service]:
    class Hangs(Service):
        name = "test.hangs"

        async def handle(self) -> None:
            began.set()
            try:
                await trio.sleep_forever()
            finally:
                ended.set()

    return Hangs


def recorder(events: list[Any]) -> type[Service]:
    class Hooks(Service):
        name = "hooks.all"

        class SimpleIO:
            input_optional = (Opaque("ctx"),)

        async def handle(self) -> None:
            events.append(self.request.input.ctx)

    return Hooks


async def until(condition: Any) -> None:
    with trio.fail_after(600):
        while not condition():
            await trio.sleep(0.05)


async def test_a_remote_service_answers_as_though_it_were_local(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """A call crosses the link and its answer comes back, whatever JSON it holds."""
    await start(nursery, network, "emea", emea_settings())
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Relay])
    entry = await apac.until("outgoing", CONNECTION, "ready")
    assert entry["detail"]["wire"] == wire
    for data in ({"elem1": "value1"}, [1, 2], "text", 7, True, None, {}, {"response": 1}):
        message = {"service": "demo.echo", "request": data}
        assert await apac.invoke("test.relay", {"message": message}) == data


async def test_each_way_a_call_can_fail_has_its_error(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Denied, unknown, wrong input and failed handlers are told apart, and internals stay inside."""
    await start(nursery, network, "emea", emea_settings(), [Fails])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Relay])
    await apac.until("outgoing", CONNECTION, "ready")

    def call(service: str, data: object = None) -> dict[str, Any]:
        return {"message": {"service": service, "request": data}}

    with pytest.raises(Forbidden):
        await apac.invoke("test.relay", call("isthmus.admin.status"))
    with pytest.raises(Forbidden):
        await apac.invoke("test.relay", call("other.service"))
    with pytest.raises(ServiceNotFound):
        await apac.invoke("test.relay", call("demo.unknown"))
    with pytest.raises(BadInput, match="expected something better"):
        await apac.invoke("test.relay", call("test.fails", "bad"))
    with pytest.raises(RemoteError) as failed:
        await apac.invoke("test.relay", call("test.fails"))
    assert "internal detail" not in str(failed.value)


async def test_a_call_without_an_answer_ends_in_time_and_cancels_the_remote_handler(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """The caller gets InvokeTimeout, and on the native wire nobody works for it any more."""
    began, ended = trio.Event(), trio.Event()
    await start(nursery, network, "emea", emea_settings(), [hanging(began, ended)])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Relay])
    await apac.until("outgoing", CONNECTION, "ready")
    with pytest.raises(InvokeTimeout):
        await apac.invoke("test.relay", {"message": {"service": "test.hangs"}, "timeout": 2.0})
    assert began.is_set()
    with trio.fail_after(1):
        await ended.wait()


async def test_a_call_under_way_fails_when_its_link_is_lost(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """A lost link fails the call at once and says that it had been sent; the link comes back by itself."""
    began, ended = trio.Event(), trio.Event()
    events: list[Any] = []
    await start(nursery, network, "emea", emea_settings(), [hanging(began, ended)])
    apac = await start(nursery, network, "apac", apac_settings(), [Relay, recorder(events)])
    await apac.until("outgoing", CONNECTION, "ready")

    async def call() -> None:
        with pytest.raises(LinkLost) as lost:
            await apac.invoke("test.relay", {"message": {"service": "test.hangs"}, "timeout": 60.0})
        assert lost.value.sent
        done.set()

    done = trio.Event()
    nursery.start_soon(call)
    await began.wait()
    network.cut()
    with trio.fail_after(5):
        await done.wait()
        await ended.wait()
    await apac.until("outgoing", CONNECTION, "ready")
    await until(lambda: len(events) == 3)
    assert [event.type for event in events] == ["connect", "close", "connect"]
    assert events[1].origin == "network"


async def test_a_call_is_never_sent_where_there_is_no_link(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Without a link before the deadline the call ends in LinkDown with the last error."""
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Relay])
    with pytest.raises(LinkDown, match="connection refused"):
        await apac.invoke("test.relay", {"message": {"service": "demo.echo"}, "timeout": 3.0})


async def test_wrong_credentials_are_rejected_and_never_shown(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both sides say what to change, and neither shows the secret; calls fail at once."""
    await start(nursery, network, "emea", emea_settings(password="planted-right"))
    apac = await start(nursery, network, "apac", apac_settings(password="planted-wrong", hooks=False), [Relay])
    entry = await apac.until("outgoing", CONNECTION, "rejected")
    assert "check username and password" in entry["detail"]["reason"]
    with pytest.raises(LinkDown, match="denied the session"):
        await apac.invoke("test.relay", {"message": {"service": "demo.echo"}})
    output = "".join(capsys.readouterr())
    assert "log-in refused" in output
    assert "planted" not in output + str(entry)


@pytest.mark.parametrize("compat", list(Compat))
async def test_on_message_gets_the_article_s_message(
    wire: str, compat: Compat, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """What is published at one end arrives at the other end's hook, on a 3.0 channel with just its twelve keys."""
    events: list[Any] = []
    emea = await start(nursery, network, "emea", emea_settings(compat=compat))
    apac = await start(nursery, network, "apac", apac_settings(subscribe=("/customer/new",)), [recorder(events)])
    await apac.until("outgoing", CONNECTION, "ready")
    body = "This is a sample message"
    request = {"topic_name": "/customer/new", "data": body}
    msg_id = (await emea.invoke("zato.pubsub.pubapi.publish-message", request))["msg_id"]
    await until(lambda: len(events) == 2)
    ctx = events[1]
    assert ctx.type == "message"
    assert ctx.data.id
    assert ctx.data.timestamp
    [message] = ctx.data.data
    is_old = compat is Compat.ZATO_3_0
    expected = {
        "delivery_count": 0 if is_old else 1,
        "msg_id": msg_id,
        "topic_name": "/customer/new",
        "priority": 5,
        "expiration": 2147483647000 if is_old else 2147483647,
        "has_gd": True,
        "data": body,
        "mime_type": "text/plain",
        "size": 24,
    }
    assert {key: message[key] for key in expected} == expected
    others = {"expiration_time_iso", "pub_time_iso", "sub_key"}
    if is_old:
        assert message.keys() == expected.keys() | others


async def test_messages_wait_for_a_peer_that_is_away(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A native peer's subscription outlives its link; a refused topic is subscribed to on the same link later."""
    events: list[Any] = []
    emea = await start(nursery, network, "emea", emea_settings())
    apac = await start(
        nursery,
        network,
        "apac",
        apac_settings(subscribe=("/customer/new", "/secret/topic")),
        [recorder(events)],
    )
    entry = await apac.until("outgoing", CONNECTION, "ready")
    assert list(entry["detail"]["refused"]) == ["/secret/topic"]
    network.refuse("emea")
    network.cut()
    await until(lambda: any(event.type == "close" for event in events))
    for number in range(3):
        request = {"topic_name": "/customer/new", "data": {"number": number}}
        await emea.invoke("zato.pubsub.pubapi.publish-message", request)
    network.heal()

    def received() -> list[Any]:
        return [message["data"]["number"] for event in events if event.type == "message" for message in event.data.data]

    await until(lambda: len(received()) == 3)
    assert received() == [0, 1, 2]
    first, second = [event for event in events if event.type == "connect"]
    assert (first.resumed, first.missed) == (False, 0)
    if wire == "isthmus.1":
        assert (second.resumed, second.missed) == (True, 3)


async def test_a_stopped_cluster_says_goodbye_and_leaves_nothing(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Stopping ends a cluster in order within its bound; on_close hears whose doing it was."""
    events: list[Any] = []
    emea = await start(nursery, network, "emea", emea_settings())
    apac = await start(nursery, network, "apac", apac_settings(), [recorder(events)])
    await apac.until("outgoing", CONNECTION, "ready")
    with trio.fail_after(10):
        await apac.stop()
    assert apac.actors() == []
    with trio.fail_after(10):
        await emea.stop()
    assert emea.actors() == []
