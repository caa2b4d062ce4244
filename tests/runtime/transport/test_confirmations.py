"""Confirmations on a link: what is confirmed at once goes as one message, in its place, and within the link's limit."""

from __future__ import annotations

import trio

from actors.messages import Confirm, Confirmed, Failure, Message, Reply
from actors.ports import Link
from runtime.testing import MemoryNetwork
from runtime.transport import LinkOptions
from runtime.transport.outbox import MAX_CONFIRMED
from tests.runtime.transport.support import pair


async def until_last(link: Link) -> list[Message]:
    """Return all messages up to what answers the last request."""
    found: list[Message] = []
    with trio.fail_after(60):
        while not found or "last" not in answered(found[-1]):
            found += await link.receive()
    return found


def answered(message: Message) -> list[str]:
    """Return the requests that a message answers."""
    if isinstance(message, Confirm):
        return [one.in_reply_to for one in message.confirmed]
    assert isinstance(message, Reply | Failure)
    return [message.in_reply_to]


async def test_what_waits_is_confirmed_by_one_message(network: MemoryNetwork) -> None:
    """Up to a limit, and only what follows one another: an answer in between keeps its place."""
    async with pair(network, LinkOptions()) as (client, server):
        for number in range(2 * MAX_CONFIRMED):
            server.send_nowait(Confirm([Confirmed(f"p{number}", ["m"])]))
        server.send_nowait(Reply("r1", "asked"))
        server.send_nowait(Confirm([Confirmed("last", ["m"])]))
        found = [answered(message) for message in await until_last(client)]
    assert [one for answers in found for one in answers] == [
        *(f"p{number}" for number in range(2 * MAX_CONFIRMED)),
        "asked",
        "last",
    ]
    assert max(len(answers) for answers in found) <= MAX_CONFIRMED
    assert len(found) <= 5


async def test_a_confirmation_that_is_too_large_goes_in_several(network: MemoryNetwork) -> None:
    """Who asked for what no message can say is told so, and the others are confirmed."""
    async with pair(network, LinkOptions(max_message_size=2000)) as (client, server):
        for number in range(20):
            server.send_nowait(Confirm([Confirmed(f"p{number}", ["x" * 150])]))
        server.send_nowait(Confirm([Confirmed("large", ["x" * 150] * 20)]))
        server.send_nowait(Confirm([Confirmed("last", ["m"])]))
        *confirms, failure, last = await until_last(client)
    assert [one for confirm in confirms for one in answered(confirm)] == [f"p{number}" for number in range(20)]
    assert isinstance(failure, Failure)
    assert (failure.in_reply_to, failure.status, answered(last)) == ("large", 500, ["last"])
