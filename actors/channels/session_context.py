"""A line in the log for each connection, on a channel whose extra properties have `StoreCtx = true`."""

from __future__ import annotations

from typing import Any

from actors.redaction import redacted
from actors.services.call import Caller
from actors.settings import ChannelSettings

__all__ = ["STORE_CONTEXT", "log_context"]

STORE_CONTEXT = "StoreCtx"
"""The extra property that asks for it, under Zato's name."""


def log_context(log: Any, settings: ChannelSettings, caller: Caller) -> None:
    """Log who has connected, if the channel says so."""
    if settings.extra_properties.get(STORE_CONTEXT):
        log.info(
            "connection context",
            channel=caller.channel,
            pub_client_id=caller.pub_client_id,
            ext_client_id=caller.client_id,
            ext_client_name=caller.client_name,
            attrs=redacted(dict(caller.attrs)),
            peer_address=caller.peer,
            wire=caller.wire,
            security=caller.identity.security,
        )
