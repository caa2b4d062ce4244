"""What a channel's hook service hears of its peers, as `ctx`."""

from __future__ import annotations

import datetime
from typing import Any

from attrs import field, frozen

from actors.services.call import Caller
from actors.settings import ChannelSettings

__all__ = ["ON_CONNECTED", "ON_DISCONNECTED", "ON_PUBSUB_RESPONSE", "ChannelEvent", "PubSubResponse"]

ON_CONNECTED = "wsx_on_connected"
ON_DISCONNECTED = "wsx_on_disconnected"
ON_PUBSUB_RESPONSE = "wsx_on_pubsub_response"


@frozen
class PubSubResponse:
    """A client's answer to a delivery of messages: all of them were handled.

    `in_reply_to` is the delivery, `sub_key` the subscription, and `data` what the client's handler returned, which
    native clients do not send.
    """

    id: str
    in_reply_to: str
    timestamp: str
    sub_key: str
    data: Any = None


@frozen
class ChannelEvent:
    """A peer of a channel connected, went, or answered a delivery; `hook_type` tells.

    `user_data` is a dict of the services' own that lives as long as the session, the same in all of its events and in
    `self.caller` of services. `ext_client_id` and `ext_client_name` are what the client calls itself, empty where no
    session was opened. `connection_time` is naive and in UTC.
    """

    hook_type: str
    config: ChannelSettings = field(repr=False)
    channel_name: str
    pub_client_id: str
    ext_client_id: str
    ext_client_name: str
    connection_time: datetime.datetime | None
    user_data: dict[str, Any] = field(repr=False, eq=False)
    forwarded_for: str
    peer_address: str
    peer_host: str
    peer_conn_info_pretty: str
    msg: PubSubResponse | None = None

    @classmethod
    def of(
        cls, hook_type: str, caller: Caller, config: ChannelSettings, msg: PubSubResponse | None = None
    ) -> ChannelEvent:
        """Return an event of a peer."""
        return cls(
            hook_type=hook_type,
            config=config,
            channel_name=caller.channel,
            pub_client_id=caller.pub_client_id,
            ext_client_id=caller.client_id,
            ext_client_name=caller.client_name,
            connection_time=caller.connection_time,
            user_data=caller.user_data,
            forwarded_for=caller.forwarded_for,
            peer_address=caller.peer,
            peer_host=caller.peer_host,
            peer_conn_info_pretty=caller.peer_conn_info_pretty,
            msg=msg,
        )
