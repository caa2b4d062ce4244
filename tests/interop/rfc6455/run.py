"""Runs cases and says what is to be said of each.

OK             what must come came, and the connection ended as it must
NON-STRICT     right as well, if less than it could be: what came before an error was not answered, invalid text
               was found at the end of its message only, or the connection was failed without a close frame
INFORMATIONAL  there is no right and wrong; the outcome is noted
FAILED         anything else
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from enum import Enum

import trio
from attrs import frozen

from tests.interop.rfc6455.cases import AT_ONCE, Case, Pause
from tests.interop.rfc6455.client import CLOSE, DROPPED, Frame, RawClient
from tests.interop.rfc6455.closing import closing
from tests.interop.rfc6455.framing import fragmentation, framing, opcodes, pings, reserved_bits
from tests.interop.rfc6455.limits import automatic_fragments, limits
from tests.interop.rfc6455.texts import texts

__all__ = ["Result", "Verdict", "all_cases", "run_case", "table_of"]

TIMEOUT = 300.0
QUICK = 1.0
"""How long a server may take to fail a connection at once."""

TITLES = {
    1: "framing",
    2: "pings and pongs",
    3: "reserved bits",
    4: "opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "closing",
    9: "limits and performance",
    10: "automatic fragments",
}

Dial = Callable[[], Awaitable[trio.abc.Stream]]


class Verdict(Enum):
    OK = "OK"
    NON_STRICT = "NON-STRICT"
    INFORMATIONAL = "INFORMATIONAL"
    FAILED = "FAILED"


@frozen
class Result:
    case: Case
    verdict: Verdict
    reason: str


def all_cases(*, scale: int = 1) -> Iterator[Case]:
    """Return all cases but those of compression, which is not negotiated; `scale` divides the sizes of group 9."""
    for group in (framing, pings, reserved_bits, opcodes, fragmentation, texts, closing):
        yield from group()
    yield from limits(scale)
    yield from automatic_fragments()


async def run_case(case: Case, dial: Dial, host: str, path: str) -> Result:
    """Run one case on a connection of its own."""
    stream = await dial()
    client = RawClient(stream)
    is_late = False
    try:
        with trio.move_on_after(TIMEOUT) as scope:
            await client.upgrade(host, path)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.read_to_end)
                is_late = await _play(case, client)
                await _until(client, lambda: client.has_ended)
                nursery.cancel_scope.cancel()
        return _judge(case, client, is_late=is_late, is_over=not scope.cancelled_caught)
    finally:
        await trio.aclose_forcefully(stream)


async def _play(case: Case, client: RawClient) -> bool:
    """Take the steps; tell whether the server went on where it should have failed at once."""
    is_late = False
    waiting = bytearray()
    for step in case.steps:
        if isinstance(step, Pause):
            await client.write(waiting, case.chop if case.chop > 0 else 0)
            waiting = bytearray()
            with trio.move_on_after(QUICK):
                await _until(client, lambda: client.has_ended or client.close_code != DROPPED)
            is_late = is_late or (step.ends and client.close_code == DROPPED and not client.has_ended)
            continue
        waiting += step.encoded() if isinstance(step, Frame) else step
        if case.chop != AT_ONCE or case.in_turn:
            await client.write(waiting, max(case.chop, 0))
            waiting = bytearray()
        if case.in_turn:
            known = len(client.messages)
            await _until(client, lambda known=known: len(client.messages) > known or client.has_ended)
    await client.write(waiting, 0)
    if case.fails is None and not case.closes_itself:
        await _until(client, lambda: len(client.messages) >= len(case.answers) or client.has_ended)
        await client.write(Frame(CLOSE, (1000).to_bytes(2, "big")).encoded(), 0)
    return is_late


async def _until(client: RawClient, condition: Callable[[], bool]) -> None:
    while not condition():
        await client.changed.wait()


def _judge(case: Case, client: RawClient, *, is_late: bool, is_over: bool) -> Result:
    got, wanted = tuple(client.messages), case.answers
    end = f"closed with {client.close_code}" if client.close_code != DROPPED else "dropped"
    said = f"{len(got)} of {len(wanted)} answers, {end}"
    if case.is_informational:
        return Result(case, Verdict.INFORMATIONAL, said)
    if client.problem or not is_over:
        return Result(case, Verdict.FAILED, client.problem or f"no end within {TIMEOUT:g} s: {said}")
    ends_right = client.close_code == case.fails if case.fails else client.close_code in case.closes
    if got == wanted and ends_right and not is_late:
        return Result(case, Verdict.OK, said)
    may_be_less = got == wanted or ((case.fails is not None or case.closes_itself) and got == wanted[: len(got)])
    may_end_so = ends_right or (case.fails is not None and client.close_code == DROPPED)
    if may_be_less and may_end_so:
        return Result(case, Verdict.NON_STRICT, said + (", late" if is_late else ""))
    return Result(case, Verdict.FAILED, said)


def table_of(results: Iterable[Result]) -> str:
    """Return how many cases of each group had each verdict."""
    counts: dict[int, Counter[Verdict]] = {}
    for result in results:
        counts.setdefault(result.case.group, Counter())[result.verdict] += 1
    rows = [["group", "cases", *(one.value for one in Verdict)]]
    for group, found in counts.items():
        rows.append([f"{group} {TITLES[group]}", str(found.total()), *(str(found[one]) for one in Verdict)])
    total: Counter[Verdict] = sum(counts.values(), Counter())
    rows.append(["all", str(total.total()), *(str(total[one]) for one in Verdict)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join([first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])]) for first, *rest in rows)
