"""The cases of the Autobahn test suite against a channel's listener and link; see the package."""

from __future__ import annotations

from itertools import groupby

import pytest
import trio

from runtime.testing import MemoryNetwork
from runtime.transport import Address
from runtime.transport.tcp import TcpNetwork
from tests.interop.rfc6455.cases import Case
from tests.interop.rfc6455.echo import echoing
from tests.interop.rfc6455.run import Verdict, all_cases, run_case
from tests.processes import free_port

SCALE = 16
GROUPS = {group: list(cases) for group, cases in groupby(all_cases(scale=SCALE), key=lambda one: one.group)}
NUMBER_OF_CASES = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1}
"""As many as the suite has."""


def test_all_cases_are_there() -> None:
    """Each group has as many cases as in the suite, and no number comes twice."""
    assert {group: len(cases) for group, cases in GROUPS.items()} == NUMBER_OF_CASES
    assert all(len({case.number for case in cases}) == len(cases) for cases in GROUPS.values())


@pytest.mark.parametrize("group", NUMBER_OF_CASES)
async def test_no_case_fails(network: MemoryNetwork, group: int) -> None:
    """Over the network in memory, where no failure is for want of time."""
    address = Address.parse("ws://server:9001/")
    node = network.node("client")
    async with echoing(network.node("server"), address):
        results = [await run_case(case, lambda: node.connect(address), "server:9001", "/") for case in GROUPS[group]]
    assert [f"{one.case.number}: {one.reason}" for one in results if one.verdict is Verdict.FAILED] == []


@pytest.mark.parametrize("case", [*GROUPS[3], *GROUPS[7]], ids=lambda one: one.number)
async def test_a_failed_connection_says_why_on_a_real_socket(case: Case) -> None:
    """There, a connection that is closed too early is reset, and the close frame is lost."""
    network, address = TcpNetwork(), Address("ws", "127.0.0.1", free_port(), "/")
    with trio.fail_after(30):
        async with echoing(network, address):
            result = await run_case(case, lambda: network.connect(address), f"127.0.0.1:{address.port}", "/")
    assert result.verdict is not Verdict.FAILED, result.reason
    assert "dropped" not in result.reason
