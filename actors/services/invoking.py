"""How a service invokes others of its cluster: `self.invoke` waits for the answer, `self.invoke_async` does not."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import trio
from attrs import evolve, frozen
from msgspec.structs import replace

from actors.bunch import bunchify
from actors.envelope import Envelope, ReplySlot
from actors.errors import ActorNotFound, BadInput, InvokeTimeout, IsthmusError, MailboxFull, Overloaded, ServiceNotFound
from actors.ref import actor_name
from actors.services.call import Call, Origin
from actors.services.io import unstructure
from actors.services.reach import LOCAL_TIMEOUT, Reach, invoke_service

__all__ = ["CALLBACK_SUFFIX", "Invoker", "ServiceName", "input_of", "service_name"]

ServiceName = str | type[Any] | Any
"""A service by its name, its class, or one of its instances."""

CALLBACK_SUFFIX = "-async-callback"
"""What follows a service's name in that of the service that hears of its asynchronous results, where there is one."""


def service_name(service: ServiceName, expected: str = "a service") -> str:
    """Return the name of a service.

    Raises:
        BadInput: When it is none.
    """
    name = service if isinstance(service, str) else getattr(service, "name", None)
    if not isinstance(name, str) or not name:
        what = service.__name__ if inspect.isclass(service) else service
        msg = f"expected {expected} by name or class, got {what!r}"
        raise BadInput(msg)
    return name


def input_of(payload: Any, elements: Mapping[str, Any]) -> Any:
    """Return the input of a call, which is given as one object or by its elements; both at once are a `BadInput`."""
    if not elements:
        return payload
    if payload is not None:
        msg = f"invoke: the input is given as one object or by its elements, not both: {', '.join(elements)}"
        raise BadInput(msg)
    return dict(elements)


def _without_response_elem(result: Any) -> Any:
    """Return what a response element wraps, where there is one."""
    if isinstance(result, dict) and len(result) == 1:
        [(key, inner)] = result.items()
        if key == "response" or key.endswith("_response"):
            return inner
    return result


@frozen
class Invoker:
    """Calls of one service to others of its cluster.

    Args:
        name: The service that calls.
        reach: Its way to the others.
        log: Where asynchronous calls that fail are told.
    """

    name: str
    _reach: Reach
    _log: Any

    async def invoke(
        self,
        service: ServiceName,
        call: Call,
        *,
        cid: str,
        timeout: float | None,
        raise_timeout: bool,
        as_bunch: bool,
        serialize: bool,
        skip_response_elem: bool,
    ) -> Any:
        """Invoke a service and return its answer; see `Service.invoke`."""
        name = service_name(service)
        if name == self.name:
            msg = f"service {name!r} may not invoke itself: it could wait for itself for ever; call its methods instead"
            raise IsthmusError(msg)
        wait = LOCAL_TIMEOUT if timeout is None else timeout or float("inf")
        try:
            result = await invoke_service(self._reach, name, None, timeout=wait, call=call, cid=cid)
        except InvokeTimeout:
            if raise_timeout:
                raise
            return None
        if skip_response_elem:
            result = _without_response_elem(result)
        if serialize:
            return msgspec.json.encode(result).decode()
        return bunchify(result) if as_bunch else result

    async def invoke_async(
        self,
        service: ServiceName,
        call: Call,
        *,
        cid: str,
        expiration: float | None,
        callback: ServiceName | Iterable[ServiceName] | None,
        to_json_string: bool,
    ) -> str:
        """Have a service invoked and return the cid at once; see `Service.invoke_async`."""
        name = service_name(service)
        cid = cid or self._reach.entropy.hex_id()
        callbacks = self._callbacks(name, callback)
        if to_json_string:
            call = replace(call, data=msgspec.json.encode(unstructure(call.data)).decode())
        if expiration is not None:
            call = replace(call, origin=evolve(call.origin, expires_at=trio.current_time() + expiration))
        self._send(name, call, cid, callbacks)
        return cid

    def _callbacks(self, name: str, callback: ServiceName | Iterable[ServiceName] | None) -> list[str]:
        """Return the services that are to hear of a result; all of them must be there."""
        if callback is None:
            implied = f"{name}{CALLBACK_SUFFIX}"
            return [implied] if self._is_there(implied) else []
        many = callback if isinstance(callback, list | tuple | set | frozenset) else (callback,)
        names = [service_name(one, "a callback") for one in many]
        for one in names:
            if not self._is_there(one):
                raise ServiceNotFound(_no_service(one))
        return names

    def _is_there(self, name: str) -> bool:
        return self._reach.directory.find_mailbox(actor_name("service", name)) is not None

    def _send(self, name: str, call: Call, cid: str, callbacks: Iterable[str] = ()) -> None:
        """Hand a call to a service without a task for it; when it is answered the callbacks are told."""

        def settled(slot: ReplySlot) -> None:
            if slot.error is not None:
                error = f"{type(slot.error).__name__}: {slot.error}"
                self._log.error("asynchronous invocation failed", service=name, cid=cid, error=error)
                return
            origin = Origin("invoke-async-callback", in_reply_to=cid)
            for callback in callbacks:
                try:
                    self._send(callback, Call(slot.value, origin=origin), self._reach.entropy.hex_id())
                except IsthmusError as error:
                    self._log.error("callback not invoked", service=callback, in_reply_to=cid, error=str(error))

        try:
            envelope = Envelope(self._reach.followed(call), cid=cid, reply=ReplySlot(settled))
            self._reach.ref("service", name).send_nowait(envelope)
        except ActorNotFound:
            raise ServiceNotFound(_no_service(name)) from None
        except MailboxFull as error:
            msg = f"service {name!r} is overloaded: {error}"
            raise Overloaded(msg) from None


def _no_service(name: str) -> str:
    return f"No such service {name!r}"
