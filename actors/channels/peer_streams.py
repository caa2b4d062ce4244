"""The streams that a session's peer iterates over: where their items go, and how much more of them the peer takes."""

from __future__ import annotations

from collections.abc import Callable

from actors.messages import Credit, OpenStream
from actors.ports import Link
from actors.services.call import Caller, StreamCall
from actors.streams.link_outlet import LinkOutlet

__all__ = ["PeerStreams"]


class PeerStreams:
    """Outlets by the ids of the requests for their streams.

    Args:
        link: Returns the session's link.
    """

    def __init__(self, link: Callable[[], Link]) -> None:
        self._link = link
        self._outlets: dict[str, LinkOutlet] = {}

    def __len__(self) -> int:
        return len(self._outlets)

    def call_of(self, request: OpenStream, caller: Caller) -> StreamCall:
        """Return the call that a request for a stream means."""
        outlet = LinkOutlet(request.id, self._link(), request.count, request.bytes)
        self._outlets[request.id] = outlet
        return StreamCall(request.data, caller, trace=request.trace, outlet=outlet)

    def grant(self, credit: Credit) -> bool:
        """Take note of credit; tell whether it is of a stream that has not ended."""
        outlet = self._outlets.get(credit.subject)
        if outlet is not None:
            outlet.grant(credit.count, credit.bytes)
        return outlet is not None

    def forget(self, request_id: str) -> None:
        """A stream has ended, or the peer has left it: nothing more is sent."""
        outlet = self._outlets.pop(request_id, None)
        if outlet is not None:
            outlet.close()
