"""Services as they are written for Zato: `def handle`, `with`, and calls that block."""

from __future__ import annotations

from typing import Any

import trio

from actors import ActorRef, Opaque, Service, service
from actors.services.call import Call
from runtime.testing import MemoryNetwork
from tests.processes import free_port
from tests.runtime.test_two_clusters import until
from tests.support import ADDRESS, CONNECTION, apac_settings, emea_settings, start, start_real


class MyService(Service):
    """The article's first service, with its import changed."""

    name = "my.service"

    def handle(self) -> None:
        msg = {"service": "demo.echo", "request": {"elem1": "value1", "elem2": "value2"}}
        with self.out.wsx.get(CONNECTION).conn.client() as client:
            response = client.send(msg)
            response = client.invoke(msg)
            self.logger.info("Response is `%s`", response)
            self.response.payload = response.data


@service("my.local")
def local_echo(data: Any) -> Any:
    """Return the input."""
    return data


class Invoker(Service):
    name = "my.invoker"

    def handle(self, request: dict) -> Any:
        return self.invoke("my.local", request)


async def test_the_article_s_services_run_with_only_the_import_changed(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery, capsys: Any
) -> None:
    """Blocking calls go through the link and back, and on_message logs what the article shows."""
    received: list[Any] = []

    class OnMessageHook(Service):
        name = "hooks.all"

        class SimpleIO:
            input_optional = (Opaque("ctx"),)

        def handle(self) -> None:
            ctx = self.request.input.ctx
            if ctx.type == "message":
                self.logger.info("Msg type: `%s`", ctx.type)
                self.logger.info("Data received: `%s`", ctx.data.data)
                self.logger.info("Meta: `%s` `%s`", ctx.data.id, ctx.data.timestamp)
                received.append(ctx)

    emea = await start(nursery, network, "emea", emea_settings())
    settings = apac_settings(subscribe=("/customer/new",))
    apac = await start(nursery, network, "apac", settings, [MyService, local_echo, Invoker, OnMessageHook])
    await apac.until("outgoing", CONNECTION, "ready")
    assert await apac.invoke("my.service") == {"elem1": "value1", "elem2": "value2"}
    assert await apac.invoke("my.invoker", {"a": 1}) == {"a": 1}
    request = {"topic_name": "/customer/new", "data": "This is a sample message"}
    await emea.invoke("zato.pubsub.pubapi.publish-message", request)
    await until(lambda: received)
    output = capsys.readouterr().out
    assert "Response is `{'elem1': 'value1', 'elem2': 'value2'}`" in output
    assert "Msg type: `message`" in output
    assert "Data received: `[{'delivery_count': 1" in output


async def test_blocking_services_run_in_real_worker_threads(nursery: trio.Nursery) -> None:
    """The same over a real socket, on the real clock and in Trio's own threads."""
    address = ADDRESS.replace("47043", str(free_port()))
    await start_real(nursery, "emea", emea_settings(address=address))
    settings = apac_settings(hooks=False, address=address)
    apac = await start_real(nursery, "apac", settings, [MyService, local_echo, Invoker])
    my_service = ActorRef("service:my.service", apac.registry)
    assert await my_service.ask(Call()) == {"elem1": "value1", "elem2": "value2"}
    assert await ActorRef("service:my.invoker", apac.registry).ask(Call({"a": 1})) == {"a": 1}
    nursery.cancel_scope.cancel()
