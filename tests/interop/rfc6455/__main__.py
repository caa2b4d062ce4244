"""`python -m tests.interop.rfc6455`: runs the cases against a channel's listener on a real socket, and prints the table."""

from __future__ import annotations

import argparse
import logging
import sys

import structlog
import trio

from runtime.transport import Address
from runtime.transport.tcp import TcpNetwork
from tests.interop.rfc6455.echo import echoing
from tests.interop.rfc6455.run import Result, Verdict, all_cases, run_case, table_of
from tests.processes import free_port


def main() -> int:
    """Do what the arguments ask for; return 1 when a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.rfc6455", description=__doc__)
    parser.add_argument("--scale", type=int, default=1, help="divide the sizes of group 9 by so much (default: 1)")
    parser.add_argument("--serve", metavar="ADDRESS", help="only echo at ws://HOST:PORT/PATH, for another client")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if arguments.serve:
        return trio.run(_serve, Address.parse(arguments.serve))
    results = trio.run(_run, arguments.scale)
    for result in results:
        if result.verdict is not Verdict.OK:
            print(f"{result.case.number:8} {result.verdict.value:14} {result.reason}")
    print(table_of(results))
    return any(result.verdict is Verdict.FAILED for result in results)


async def _serve(address: Address) -> int:
    async with echoing(TcpNetwork(), address):
        print(f"echoing at {address}", flush=True)
        await trio.sleep_forever()
    return 0


async def _run(scale: int) -> list[Result]:
    network, address = TcpNetwork(), Address("ws", "127.0.0.1", free_port(), "/")
    async with echoing(network, address):
        return [
            await run_case(case, lambda: network.connect(address), f"127.0.0.1:{address.port}", address.path)
            for case in all_cases(scale=scale)
        ]


if __name__ == "__main__":
    sys.exit(main())
