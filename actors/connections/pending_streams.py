"""Streams among the pending calls of a link: how one is asked for, and where its items go."""

from __future__ import annotations

import msgspec

from actors.errors import NotSupported
from actors.messages import STREAMS, Credit, Invoke, OpenStream, StreamItems
from actors.ports import Link
from actors.services.call import RemoteStream
from actors.streams.flow import MAX_BYTES, MAX_ITEMS

__all__ = ["put_items", "request_of"]


def request_of(invoke: Invoke, call: RemoteStream, link: Link, *, is_known: bool) -> OpenStream:
    """Return the request for a stream; from now on what is taken out of its inlet is granted to the peer anew.

    Raises:
        NotSupported: When the peer does not know streams.
    """
    if not is_known:
        msg = f"the peer cannot stream (its wire format or release has no {STREAMS!r}); nothing was sent: invoke the "
        raise NotSupported(f"{msg}service instead, which gives a list")
    request_id = invoke.id
    call.inlet.grant = lambda count, size: link.send_nowait(Credit(request_id, count, size))
    return OpenStream(
        request_id,
        invoke.data,
        invoke.timestamp,
        invoke.timeout,
        invoke.cid,
        count=MAX_ITEMS,
        bytes=MAX_BYTES,
        trace=invoke.trace,
    )


def put_items(call: RemoteStream, message: StreamItems) -> bool:
    """Give items to whoever iterates; tell whether the peer might send all of them.

    They are kept as they came, so that what waits has the size that it had on the way, and are read one by one.
    """
    put = call.inlet.put
    return all(put(msgspec.Raw(raw), len(raw)) for raw in map(bytes, message.items))
