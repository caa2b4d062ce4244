"""Asking a hook service about an event: what it raises is logged, and is nobody's failure but its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.envelope import Envelope, HandlerRun, ask_by
from actors.ref import ActorRef
from actors.services.call import Call

__all__ = ["ask_hook"]


async def ask_hook(
    service: str,
    event: object,
    *,
    ref: Callable[[str, str], ActorRef],
    timeout: float,
    cid: str,
    log: Any,
    run: HandlerRun | None = None,
    trace: str = "",
) -> tuple[object, Exception | None]:
    """Have a hook service handle an event; return what it returned, or the error that it ended with.

    Cancellation and the time-out cancel the handler.

    Args:
        service: The hook service.
        event: What happened, as `ctx`.
        ref: Finds actors.
        timeout: Seconds to wait for it.
        cid: The correlation id.
        log: The logger of whoever asks.
        run: Told when the handler begins and ends.
        trace: The traceparent of what happened, where somebody traces it.
    """

    async def send(envelope: Envelope) -> None:
        envelope.run = run
        ref("service", service).send_nowait(envelope)

    try:
        return await ask_by(send, Call({"ctx": event}, trace=trace), timeout=timeout, cid=cid), None
    except Exception as error:  # whatever a user's hook raises
        failure = error
    log.error("hook failed", hook=service, cid=cid, error=f"{type(failure).__name__}: {failure}")
    return None, failure
