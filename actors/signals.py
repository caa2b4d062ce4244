"""Signals: what a cluster tells of calls and messages as they pass; an actor has them only where somebody looks.

Meters count and time them; a tracer, where there is one, makes each a span of a trace. A span is known elsewhere by its
`traceparent` (W3C Trace Context), which goes along with calls and messages, also between clusters.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, Protocol, TypeVar

import msgspec
from attrs import evolve
from msgspec.structs import replace

from actors.connections.remote_topics import RemoteTopicCall
from actors.envelope import Envelope
from actors.messages import Deliver, Delivered
from actors.meters import Meters, Work
from actors.services.call import Call, RemoteCall
from actors.topics.delivery import PublishMany
from actors.topics.publication import Publish, published_of

__all__ = ["Part", "Signals", "Tracer", "traced"]

T = TypeVar("T")

Invoke = Callable[[Envelope], Awaitable[Any]]
"""Runs a service for one request."""

MAX_LINKS = 128
"""How many messages' traces a delivery names."""


class Part(Enum):
    """What a span is in its trace."""

    CALL = "call"  # a call over an outgoing connection, until its answer
    REQUEST = "request"  # a service at a request of a peer
    INVOCATION = "invocation"  # a service at a request of the cluster itself
    PUBLISH = "publish"  # a message on its way to its topic
    DELIVERY = "delivery"  # messages in the hands of a subscriber


class Tracer(Protocol):
    """Makes spans."""

    def span(
        self, part: Part, name: str, parents: Sequence[str] = (), **facts: str | int
    ) -> AbstractContextManager[str]:
        """Return what begins a span, gives its `traceparent`, and ends it, with the error that it ended with if any.

        Args:
            part: What it is.
            name: What it is called; one of few.
            parents: The traceparents of what it follows; none for what is under way here. What is no traceparent is
                as if not given.
            **facts: What else there is to know.
        """
        ...

    def current(self) -> str:
        """Return the traceparent of the span under way here; empty where there is none."""
        ...


class Signals:
    """What calls and messages are told to.

    Args:
        meters: Where they are counted and timed.
        tracer: Where they become spans; None for nowhere.
    """

    def __init__(self, meters: Meters, tracer: Tracer | None = None) -> None:
        self.meters = meters
        self.tracer = tracer

    def trace(self) -> str:
        """Return the traceparent of what is under way here; empty where nobody traces it."""
        return "" if self.tracer is None else self.tracer.current()

    def call(self, connection: str, call: RemoteCall, answer: Awaitable[T], cid: str) -> Awaitable[T]:
        """Return what waits for the answer of a call over an outgoing connection as `answer` does, and tells of it."""
        timed = _timed(self.meters.calls_over(connection), answer)
        return timed if self.tracer is None else _call(self.tracer, connection, call, timed, cid)

    def invoking(self, service: str, invoke: Invoke) -> Invoke:
        """Return what invokes a service as `invoke` does, and tells of it."""
        work, tracer = self.meters.invocations_of(service), self.tracer
        if tracer is None:
            return lambda envelope: _timed(work, invoke(envelope))
        return lambda envelope: _invocation(tracer, service, envelope, _timed(work, invoke(envelope)))

    async def publish(
        self, topic: str, message: Publish | PublishMany, send: Callable[[Any], Awaitable[T]], cid: str
    ) -> T:
        """Have a message, or several, go to its topic by way of `send`, and be told where its trace began."""
        if self.tracer is None:
            return await send(message)
        with self.tracer.span(Part.PUBLISH, "publish", topic=topic, cid=cid) as trace:
            return await send(traced(message, trace))

    async def delivery(self, delivery: Deliver, handle: Callable[[str], Awaitable[T]], cid: str) -> T:
        """Have messages handled, as what follows their publishing; `handle` is given the traceparent of that."""
        if self.tracer is None:
            return await handle("")
        with self.tracer.span(
            Part.DELIVERY, "deliver", _traces_of(delivery), messages=len(delivery.messages), cid=cid
        ) as trace:
            return await handle(trace)


def traced(message: Publish | PublishMany, trace: str) -> Publish | PublishMany:
    """Return a message, or several, as what a trace goes on with."""
    if isinstance(message, PublishMany):
        return evolve(message, messages=tuple(replace(one, trace=trace) for one in message.messages))
    return replace(message, trace=trace)


async def _timed(work: Work, answer: Awaitable[T]) -> T:
    began_at = work.now()
    try:
        result = await answer
    except BaseException as error:
        work.ended(began_at, error)
        raise
    work.ended(began_at, None)
    return result


async def _call(tracer: Tracer, connection: str, call: RemoteCall, answer: Awaitable[T], cid: str) -> T:
    service = call.data.get("service") if isinstance(call.data, dict) else None
    facts = {"service": service} if isinstance(service, str) else {}
    if isinstance(call, RemoteTopicCall):
        facts = {"topic": call.topic}
    with tracer.span(Part.CALL, f"call {connection}", connection=connection, cid=cid, **facts) as call.trace:
        return await answer


async def _invocation(tracer: Tracer, service: str, envelope: Envelope, answer: Awaitable[T]) -> T:
    call: Call = envelope.payload
    part, facts = Part.INVOCATION, {}
    if call.caller is not None:
        part, facts = Part.REQUEST, {"channel": call.caller.channel}
    with tracer.span(part, service, [call.trace], service=service, cid=envelope.cid, **facts):
        return await answer


def _traces_of(delivery: Deliver) -> list[str]:
    """Return the traces that messages came from, each once; messages in Zato's format cannot say it."""
    bodies = [one.body for one in delivery.messages[:MAX_LINKS] if isinstance(one, Delivered)]
    try:
        return list(dict.fromkeys(trace for body in bodies if (trace := published_of(body).trace)))
    except msgspec.MsgspecError:
        return []  # whoever handles the delivery says what is wrong with it
