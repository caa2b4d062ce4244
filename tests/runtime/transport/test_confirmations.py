"""Confirmations on a link: what is confirmed at once goes as one message, in its place, and within the link's limit."""

from __future__ import annotations

import trio

from actors.messages import Confirm, Confirmed, Failure, Message, PublishTo, Reply
from actors.ports import Link
from runtime.testing import MemoryNetwork
from runtime.transport import LinkOptions
from runtime.transport.outbox import MAX_CONFIRMED
from tests.runtime.transport.support import pair


async def arrived(link: Link, count: int) -> list[Message]:
    """Return so many messages."""
    found: list[Message] = []
    while len(found) < count:
        found += await link.receive()
    return found


async def test_what_waits_is_confirmed_by_one_message(network: MemoryNetwork) -> None:
    """Up to a limit, and only what follows one another: an answer in between keeps its place."""
    async with pair(network, LinkOptions()) as (client, server):
        server.send_nowait(Confirm([Confirmed("alone", ["m"])]))  # which is written at once
        for number in range(MAX_CONFIRMED + 1):
            server.send_nowait(Confirm([Confirmed(f"p{number}", ["m"])]))
        server.send_nowait(Reply("r1", "i1"))
        server.send_nowait(Confirm([Confirmed("last", ["m"])]))
        found = await arrived(client, 5)
    assert isinstance(found[3], Reply)
    confirms = [[one.in_reply_to for one in confirm.confirmed] for confirm in found if isinstance(confirm, Confirm)]
    assert confirms == [
        ["alone"],
        [f"p{number}" for number in range(MAX_CONFIRMED)],
        [f"p{MAX_CONFIRMED}"],
        ["last"],
    ]


async def test_a_confirmation_that_is_too_large_goes_in_several(network: MemoryNetwork) -> None:
    """Who asked for what no message can say is told so, and the others are confirmed."""
    async with pair(network, LinkOptions(max_message_size=2000)) as (client, server):
        client.send_nowait(PublishTo("p0", [], topic="/a"))
        await server.receive()
        for number in range(20):
            server.send_nowait(Confirm([Confirmed(f"p{number}", ["x" * 150])]))
        server.send_nowait(Confirm([Confirmed("large", ["x" * 150] * 20)]))
        with trio.fail_after(60):
            *confirms, failure = await arrived(client, 21)
    assert [one.in_reply_to for confirm in confirms for one in confirm.confirmed] == [  # type: ignore[union-attr]
        f"p{number}" for number in range(20)
    ]
    assert isinstance(failure, Failure)
    assert (failure.in_reply_to, failure.status) == ("large", 500)
