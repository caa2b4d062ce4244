"""The sending end of a stream whose items go over a link."""

from __future__ import annotations

import msgspec
import trio

from actors.errors import LinkClosed, RemoteError
from actors.messages import StreamItems
from actors.ports import Link
from actors.streams.flow import Allowance

__all__ = ["LinkOutlet"]

BATCH_ITEMS = 64
"""Items of one message at most."""

BATCH_BYTES = 64 * 1024
"""The same in bytes, but for a single item that has more."""

_encoder = msgspec.msgpack.Encoder()


class LinkOutlet:
    """Sends items in batches: those that are yielded one right after the other travel together.

    Args:
        request_id: The id of the request for the stream.
        link: Where they go.
        count: How many items the peer takes at first.
        size: The same in bytes.
    """

    __slots__ = ("_allowance", "_batch", "_bytes", "_is_closed", "_link", "_request_id")

    def __init__(self, request_id: str, link: Link, count: int, size: int) -> None:
        self._request_id = request_id
        self._link = link
        self._allowance = Allowance(count, size)
        self._batch: list[msgspec.Raw] = []
        self._bytes = 0
        self._is_closed = False

    def grant(self, count: int, size: int) -> None:
        """Take note that the peer takes more."""
        self._allowance.add(count, size)

    def close(self) -> None:
        """Send nothing more: the peer has left."""
        self._is_closed = True

    async def put(self, item: object) -> None:
        """Send an item, now or with those that follow at once; see `Outlet.put`.

        It is encoded first, so that what cannot be sent is an error of the `yield` that gave it.

        Raises:
            RemoteError: When it cannot be sent.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            raw = _encoder.encode(item)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            msg = f"an item of the stream cannot be sent: {error}"
            raise RemoteError(msg) from error
        if self._batch and (len(self._batch) >= BATCH_ITEMS or self._bytes + len(raw) > BATCH_BYTES):
            await self._send()
        if not self._allowance.is_open:
            self.flush()
            await self._allowance.wait()
        self._allowance.take(len(raw))
        self._batch.append(msgspec.Raw(raw))
        self._bytes += len(raw)
        if not self._link.has_room:
            await self._send()

    def flush(self) -> None:
        """Send what was put; see `Outlet.flush`."""
        if self._batch:
            batch = self._take()
            if not self._is_closed:
                self._link.send_nowait(batch)

    async def _send(self) -> None:
        """Send what was put, as soon as there is room on the link: a peer that does not read has no memory of ours."""
        batch = self._take()
        try:
            await self._link.send(batch)
        except LinkClosed:
            self._is_closed = True  # whoever has the session cancels what it was for

    def _take(self) -> StreamItems:
        batch, self._batch, self._bytes = self._batch, [], 0
        return StreamItems(self._request_id, batch)
