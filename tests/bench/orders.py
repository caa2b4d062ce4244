"""A worker's side: it takes orders from its standard input and answers each on its standard output."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

Order = Callable[..., Awaitable[Mapping[str, Any]]]

LOOK_INTERVAL = 0.005
"""Seconds between two looks at what is not acknowledged yet."""


def _on_asyncio(function: Callable[[], Any]) -> Any:
    return asyncio.run(function())


def serve(orders: Mapping[str, Order], run: Callable[[Callable[[], Any]], Any] = _on_asyncio) -> None:
    """Carry out orders, a line of JSON each, until there are no more; each is a run of an event loop."""
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = run(partial(_carry_out, orders[order.pop("do")], order))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


async def _carry_out(order: Order, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return dict(await order(**arguments))
