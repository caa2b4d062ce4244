"""The clients that are connected to a channel: what is known of them, and how some of them are found.

A session enters its peer when it has been let in, and takes it out when the link ends; the channel answers who is
there. Nothing here talks to a client; see `actors.channels.client_calls` and `actors.channels.wsx`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from attrs import field, frozen

from actors.services.call import Caller

__all__ = ["ConnectedClient", "FindClients"]


@frozen(eq=False)
class ConnectedClient:
    """A client with a session.

    Args:
        caller: Who it is.
        subscriptions: The sub_keys of all that was ever delivered to it, which become more.
    """

    caller: Caller
    subscriptions: Collection[str]

    def as_dict(self, is_subscription: Callable[[str], bool]) -> dict[str, Any]:
        """Return what operators and services see of it; `is_subscription` tells whether a sub_key is still one."""
        caller = self.caller
        return {
            "pub_client_id": caller.pub_client_id,
            "ext_client_id": caller.client_id,
            "ext_client_name": caller.client_name,
            "channel_name": caller.channel,
            "security": caller.identity.security,
            "cluster": caller.identity.cluster,
            "connection": caller.identity.connection,
            "peer_address": caller.peer,
            "connection_time": caller.connection_time,
            "wire": caller.wire,
            "attrs": dict(caller.attrs),
            "subscriptions": sorted(filter(is_subscription, self.subscriptions)),
        }


@frozen
class FindClients:
    """To a channel: which clients are connected? The answer is a list of `ConnectedClient`.

    Args:
        pub_client_id: Only the one of this id; empty for any.
        attrs: Only those that have all of these attributes, which are compared as clients send them, as text.
    """

    pub_client_id: str = ""
    attrs: Mapping[str, Any] = field(factory=dict)

    def among(self, clients: Mapping[str, ConnectedClient]) -> list[ConnectedClient]:
        """Return those that are meant, of clients by their pub_client_id."""
        if self.pub_client_id:
            client = clients.get(self.pub_client_id)
            found = [] if client is None else [client]
        else:
            found = list(clients.values())
        return [one for one in found if self._matches(one.caller.attrs)]

    def _matches(self, attrs: Mapping[str, Any]) -> bool:
        return all(key in attrs and _text(attrs[key]) == _text(value) for key, value in self.attrs.items())


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
