"""`python -m tests.bench.redis_calls PORT`: commands by redis-py, as many in each pipeline as there are callers.

There is no handler: the server itself answers ECHO. Nor is there a latency of a single call.
"""

from __future__ import annotations

import json
import sys

import redis

from tests.bench.call_load import PAYLOAD, Calls, check_answer
from tests.bench.orders import serve

PORT = int(sys.argv[1])


async def call(*, callers: int, seconds: float, rate: float) -> dict[str, float]:
    """Send pipelines over one connection, without an event loop."""
    with redis.Redis(port=PORT) as client:
        calls = Calls.limited_by(seconds, rate)
        pipeline = client.pipeline(transaction=False)
        while calls.take():
            calls.messages -= callers - 1
            for _ in range(callers):
                pipeline.echo(json.dumps(PAYLOAD))
            answers = [json.loads(answer) for answer in pipeline.execute()]
            calls.confirmed += len(answers)
        check_answer(answers[0])
        return calls.outcome()


if __name__ == "__main__":
    serve({"call": call})
