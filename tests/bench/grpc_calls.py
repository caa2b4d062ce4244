"""`python -m tests.bench.grpc_calls PORT [serve]`: unary calls by grpc.aio, with JSON for messages."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import grpc

from tests.bench.call_load import PAYLOAD, Calls, check_answer, keep_calling
from tests.bench.orders import serve

ADDRESS = f"127.0.0.1:{sys.argv[1]}"
SERVICE, METHOD = "bench.Bench", "Echo"


def _encode(data: Any) -> bytes:
    return json.dumps(data).encode()


async def _answer(request: Any, _context: object) -> Any:
    return request


async def _serve() -> None:
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(_answer, request_deserializer=json.loads, response_serializer=_encode)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    server.add_insecure_port(ADDRESS)
    await server.start()
    await server.wait_for_termination()


async def call(*, callers: int, seconds: float, rate: float) -> dict[str, float]:
    """Call over one channel."""
    async with grpc.aio.insecure_channel(ADDRESS) as channel:
        method = channel.unary_unary(
            f"/{SERVICE}/{METHOD}", request_serializer=_encode, response_deserializer=json.loads
        )

        async def request() -> Any:
            return await method(PAYLOAD)

        check_answer(await request())
        calls = Calls.limited_by(seconds, rate)
        callers_of_all = (keep_calling(calls, request, asyncio.Event) for _ in range(callers))
        await asyncio.gather(calls.pace(asyncio.sleep), *callers_of_all)
        return calls.outcome()


if __name__ == "__main__":
    if sys.argv[2:] == ["serve"]:
        asyncio.run(_serve())
    else:
        serve({"call": call})
