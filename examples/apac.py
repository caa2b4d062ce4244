"""The services of the sample's cluster apac: it calls emea, and hears of the link's life through hooks."""

from actors import Closed, Connected, MessageReceived, Service

CONNECTION = "My WSX Outconn"


class RemoteEcho(Service):
    """Invokes emea's echo with what it is given, and returns what comes back."""

    name = "demo.remote-echo"

    async def handle(self, request: dict) -> dict:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            response = await client.invoke({"service": "demo.echo", "request": request})
        return response.data


class OnConnect(Service):
    """Told when the session with emea exists."""

    name = "hooks.on-connect"

    async def handle(self, ctx: Connected) -> None:
        self.logger.info("on_connect", attempt=ctx.attempt)
        async with ctx.conn.client() as client:
            response = await client.invoke({"service": "demo.echo", "request": {"elem1": "value1"}})
        self.logger.info("Response is `%s`", response)


class OnMessage(Service):
    """Given the messages of the topics that apac subscribes to, and emea's own requests, which it answers."""

    name = "hooks.on-message"

    async def handle(self, ctx: MessageReceived) -> object:
        if not isinstance(ctx.data.data, list):
            return {"apac was asked": ctx.data.data}
        for message in ctx.data.data:
            self.logger.info("on_message", topic=message["topic_name"], data=message["data"])
        return None


class OnClose(Service):
    """Told when the link is gone; it comes back by itself."""

    name = "hooks.on-close"

    async def handle(self, ctx: Closed) -> None:
        self.logger.info("on_close", code=ctx.code, reason=ctx.reason, origin=ctx.origin)
