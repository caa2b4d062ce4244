"""The hook service of a session's channel: waited for when the peer is let in, only told of what follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.channels.channel_events import (
    ON_CONNECTED,
    ON_DISCONNECTED,
    ON_PUBSUB_RESPONSE,
    ChannelEvent,
    PubSubResponse,
)
from actors.envelope import Envelope, HandlerRun
from actors.errors import ActorError
from actors.ports import Entropy
from actors.ref import ActorRef
from actors.services.call import Call, Caller
from actors.services.hook_calls import ask_hook
from actors.settings import ChannelSettings

__all__ = ["SessionHooks"]


class SessionHooks:
    """Tells the hook service, if there is one, what happens to one peer; none of its failures costs the peer anything.

    Args:
        settings: The channel's settings, which name the service.
        ref: Finds actors.
        log: The session's logger.
        entropy: Correlation ids.
    """

    def __init__(
        self, settings: ChannelSettings, *, ref: Callable[[str, str], ActorRef], log: Any, entropy: Entropy
    ) -> None:
        self.settings = settings
        self._ref = ref
        self._log = log
        self._entropy = entropy
        self._connected_run = HandlerRun()

    async def connected(self, caller: Caller) -> None:
        """Have the service hear of a new session, and wait for it within the channel's `hook_timeout`."""
        service = self.settings.hook_service
        if service is None:
            return
        await ask_hook(
            service,
            ChannelEvent.of(ON_CONNECTED, caller, self.settings),
            ref=self._ref,
            timeout=self.settings.hook_timeout,
            cid=self._entropy.hex_id(),
            log=self._log,
            run=self._connected_run,
        )

    def pubsub_response(self, caller: Caller, response: PubSubResponse) -> None:
        """Have the service hear of an answer to a delivery."""
        self._tell(ON_PUBSUB_RESPONSE, caller, response)

    def disconnected(self, caller: Caller) -> None:
        """Have the service hear that the peer is gone, as soon as it is done with the peer's arrival."""
        self._connected_run.when_ended(lambda: self._tell(ON_DISCONNECTED, caller))

    def _tell(self, hook_type: str, caller: Caller, msg: PubSubResponse | None = None) -> None:
        service = self.settings.hook_service
        if service is None:
            return
        event = ChannelEvent.of(hook_type, caller, self.settings, msg)
        envelope = Envelope(Call({"ctx": event}), cid=self._entropy.hex_id())
        try:
            self._ref("service", service).send_nowait(envelope)
        except ActorError as error:
            self._log.error("hook not told", hook=service, hook_type=hook_type, error=str(error))
