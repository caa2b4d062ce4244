"""Services as they are written for Zato: `def handle`, `with`, and calls that block, in real worker threads."""

from __future__ import annotations

from typing import Any

import trio

from actors import Opaque, Service, service
from runtime.transport.memory import MemoryNetwork
from tests.support import CONNECTION, apac_settings, emea_settings, start


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
    received = trio.Event()

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
                trio.from_thread.run_sync(received.set)

    emea = await start(nursery, network, "emea", emea_settings())
    settings = apac_settings(subscribe=("/customer/new",))
    apac = await start(nursery, network, "apac", settings, [MyService, local_echo, Invoker, OnMessageHook])
    await apac.until("outgoing", CONNECTION, "ready")
    assert await apac.invoke("my.service") == {"elem1": "value1", "elem2": "value2"}
    assert await apac.invoke("my.invoker", {"a": 1}) == {"a": 1}
    request = {"topic_name": "/customer/new", "data": "This is a sample message"}
    await emea.invoke("zato.pubsub.pubapi.publish-message", request)
    with trio.fail_after(30):
        await received.wait()
    output = capsys.readouterr().out
    assert "Response is `{'elem1': 'value1', 'elem2': 'value2'}`" in output
    assert "Msg type: `message`" in output
    assert "Data received: `[{'delivery_count': 1" in output
