"""What a service knows of the invocation that its code runs for: `self.request`, `self.channel`, `self.cid` and more.

All of it is right at any concurrency and in worker threads, and a `LookupError` outside of an invocation.
"""

from __future__ import annotations

import datetime
from typing import Any

import trio

from actors.errors import IsthmusError
from actors.ports import Clock, Threads
from actors.services.call import Caller
from actors.services.channel_info import ChannelInfo, wsgi_environ_of
from actors.services.invocation import Request, Response, current

__all__ = ["InvocationContext"]


class InvocationContext:
    """The part of a service that reads the invocation under way."""

    clock: Clock
    threads: Threads

    @property
    def request(self) -> Request:
        """The invocation's input."""
        return current.get().request

    @property
    def response(self) -> Response:
        """The invocation's output, used where `handle` returns None."""
        return current.get().response

    @property
    def cid(self) -> str:
        """The invocation's correlation id, the same in the logs of both clusters."""
        return current.get().cid

    @property
    def deadline(self) -> float:
        """When nobody waits any more, in Trio's time; infinite where that is unknown."""
        return current.get().deadline

    @property
    def caller(self) -> Caller | None:
        """The peer that invoked the service over a link, or None."""
        return current.get().call.caller

    @property
    def channel(self) -> ChannelInfo:
        """By what the service was invoked."""
        return ChannelInfo.of(current.get().call)

    @property
    def chan(self) -> ChannelInfo:
        """The same as `channel`."""
        return self.channel

    @property
    def environ(self) -> dict[str, Any]:
        """What is known of the peer, under Zato's names, or what the caller within the cluster gave."""
        return current.get().environ

    @property
    def wsgi_environ(self) -> dict[str, Any]:
        """`environ` where Zato's services look for it: `zato.wsx` and `zato.request_ctx.async_msg`."""
        invocation = current.get()
        return wsgi_environ_of(invocation.call, invocation.environ)

    @property
    def user_data(self) -> dict[str, Any]:
        """A dict of the services' own that lives as long as the session of the peer that invoked the service.

        Raises:
            IsthmusError: When no peer did.
        """
        caller = self.caller
        if caller is None:
            msg = "user_data: no peer invoked this service, so there is no session whose data this could be"
            raise IsthmusError(msg)
        return caller.user_data

    @property
    def in_reply_to(self) -> str:
        """In a callback the cid of the asynchronous invocation that it follows, else empty."""
        return current.get().call.origin.in_reply_to

    @property
    def data_format(self) -> str:
        """What the data was when it came: `json` from a peer, else what the caller said, `dict` by default."""
        return self.channel.data_format

    @property
    def transport(self) -> str:
        """What the caller within the cluster said of its transport."""
        return self.channel.transport

    @property
    def processing_time(self) -> float:
        """For how many seconds the invocation has been under way."""
        return self._now() - current.get().began_at

    @property
    def invocation_time(self) -> datetime.datetime:
        """When the invocation began, naive, in UTC."""
        return self.clock.utc_now() - datetime.timedelta(seconds=self.processing_time)

    def _now(self) -> float:
        async def now() -> float:
            return trio.current_time()

        return self.threads.call_back(now) if self.threads.inside() else trio.current_time()
