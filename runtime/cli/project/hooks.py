"""The services of @NAME@-partner: what it does when something happens on its link to @NAME@."""

from actors import ConnectionAdapter, OnClosed, OnConnected, OnMessageReceived


class Events(ConnectionAdapter):
    """Hears of the link's life, and receives the messages of the topics that are subscribed to."""

    name = "partner.events"

    async def on_connected(self, ctx: OnConnected) -> None:
        """There is a session, for the first time or again."""
        self.logger.info("connected", attempt=ctx.attempt)

    async def on_message_received(self, ctx: OnMessageReceived) -> None:
        """What ends without an error is acknowledged; anything else is delivered again."""
        for message in ctx.data.data:
            self.logger.info("received", topic=message["topic_name"], data=message["data"])

    async def on_closed(self, ctx: OnClosed) -> None:
        """The link is gone; it comes back by itself."""
        self.logger.info("closed", reason=ctx.reason)
