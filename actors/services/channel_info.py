"""What a service sees of the way by which it was invoked: `self.channel`, `self.environ`, `self.wsgi_environ`."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from actors.bunch import Bunch
from actors.services.call import Call, Caller

__all__ = ["ChannelInfo", "ChannelSecurity", "environ_of", "wsgi_environ_of"]

WEB_SOCKET = "web-socket"


@frozen
class ChannelSecurity:
    """The security definition that let the peer in; all is empty where there was none."""

    id: str = ""
    name: str = ""
    type: str = ""
    username: str = ""


@frozen
class ChannelInfo:
    """By what a service was invoked.

    `type` is `web-socket` for what a peer asks, also through a gateway, and otherwise as `Origin` says. `id` and
    `name` are the channel's name in clusters.toml, which a call within the cluster has not.
    """

    id: str = ""
    name: str = ""
    type: str = "invoke"
    data_format: str = "dict"
    transport: str = ""
    is_internal: bool = False
    security: ChannelSecurity = ChannelSecurity()

    @property
    def sec(self) -> ChannelSecurity:
        """The same as `security`."""
        return self.security

    @classmethod
    def of(cls, call: Call) -> ChannelInfo:
        """Return by what a call was made."""
        caller = call.caller
        if caller is None:
            origin = call.origin
            return cls(type=origin.type, data_format=origin.data_format, transport=origin.transport)
        name = caller.identity.security if caller.username else ""
        return cls(
            caller.channel,
            caller.channel,
            WEB_SOCKET,
            "json",
            is_internal=caller.is_admin,
            security=ChannelSecurity(name, name, "basic-auth" if name else "", caller.username),
        )


def _environ_of_peer(caller: Caller) -> Bunch:
    """Return what is known of a peer, under the names that Zato gives it; names of hosts are not looked up."""
    return Bunch(
        pub_client_id=caller.pub_client_id,
        ext_client_id=caller.client_id,
        ext_client_name=caller.client_name,
        client_attrs=caller.attrs,
        user_data=caller.user_data,
        connection_time=caller.connection_time,
        peer_address=caller.peer,
        peer_host=caller.peer_host,
        peer_fqdn=caller.peer_host,
        forwarded_for=caller.forwarded_for,
        forwarded_for_fqdn=caller.forwarded_for,
        peer_conn_info_pretty=caller.peer_conn_info_pretty,
        ws_channel_config=Bunch(
            name=caller.channel,
            security=caller.identity.security,
            services_allowed=caller.services_allowed,
            extra_properties=caller.extra_properties,
        ),
    )


def environ_of(call: Call) -> Bunch:
    """Return a fresh `self.environ`: what is known of the peer, or what the caller within the cluster gave."""
    if call.caller is not None:
        return _environ_of_peer(call.caller)
    return Bunch(call.origin.environ)


def wsgi_environ_of(call: Call, environ: Bunch) -> dict[str, Any]:
    """Return a fresh `self.wsgi_environ`, in which Zato's services find the socket and the environ of a peer."""
    if call.caller is None:
        return dict(environ)
    return {
        "zato.wsx": environ,
        "zato.request_ctx.async_msg": Bunch(environ=environ),
        "zato.orig_channel": ChannelInfo.of(call),
    }
