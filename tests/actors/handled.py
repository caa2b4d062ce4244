"""A store of handled ids that tests look into and make fail."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import trio

from actors.errors import StoreFailed


class HandledInMemory:
    """Implements `actors.ports.HandledStore`; fails while `is_broken`, and waits for `gate` where it is set."""

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = {}
        self.is_broken = False
        self.gate: trio.Event | None = None

    async def handled(self, sub_key: str) -> Collection[str]:
        await trio.lowlevel.checkpoint()
        return tuple(self.ids.get(sub_key, ()))

    async def record(self, sub_key: str, msg_ids: Sequence[str]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        await trio.lowlevel.checkpoint()
        if self.is_broken:
            msg = "the store cannot write: on purpose"
            raise StoreFailed(msg)
        self.ids.setdefault(sub_key, []).extend(msg_ids)
