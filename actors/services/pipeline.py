"""The way of one request through a service: read the input, run `handle` and the hooks around it, write the output.

What a service does not use costs nothing here: which hooks there are, what is declared and whether `handle` is
`async def` is found out once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import trio

from actors.audit import Audit, AuditEvent, AuditResult
from actors.channels.channel_events import ChannelEvent
from actors.connections.hooks import Closed, Connected, MessageReceived, Subscribing
from actors.envelope import Envelope
from actors.errors import BadInput, Forbidden, InvokeTimeout, MethodNotAllowed, RemoteError
from actors.ports import Entropy, Threads
from actors.services.call import Call, StreamCall, who_calls
from actors.services.invocation import Invocation, current
from actors.services.io import unstructure
from actors.services.payload import given_by
from actors.services.simple_io import SimpleIODeclaration
from actors.streams.outlet import Listed
from actors.streams.producing import produce

__all__ = ["EVENTS", "Pipeline"]

EVENTS = (Connected, Subscribing, MessageReceived, Closed, ChannelEvent)
"""The events of links and channels: a handler whose parameter is annotated with one of them is given it as it is."""

FINALIZE_TIMEOUT = 5.0
"""Seconds that `finalize_handle` may take where the invocation was cancelled."""


class Pipeline:
    """What runs one request after the other, any number of them at once.

    Args:
        name: The service's name.
        handle: The service's own.
        hooks: Those of `accept`, `validate_input`, `before_handle`, `after_handle`, `validate_output` and
            `finalize_handle` that the service has.
        read: Reads the data for the parameter of `handle`; None where it has none.
        simple_io: What the service declares.
        threads: Where those that are no `async def` run.
        entropy: Gives cids.
        audit: Told of whom `accept` refuses.
        log: Where hooks that fail are told.
        is_generator: Whether `handle` yields, so that it may be iterated over.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[..., Any],
        hooks: Mapping[str, Callable[[], Any]],
        read: Callable[[object], object] | None,
        simple_io: SimpleIODeclaration | None,
        *,
        threads: Threads,
        entropy: Entropy,
        audit: Audit,
        log: Any,
        is_generator: bool,
    ) -> None:
        self._name = name
        self._handler = handle
        self._is_async = inspect.iscoroutinefunction(handle)
        self._is_generator = is_generator
        self._hooks = hooks
        self._read = read
        self._simple_io = simple_io
        self._threads = threads
        self._entropy = entropy
        self._audit = audit
        self._log = log
        self._now = trio.lowlevel.current_clock().current_time
        self.secrets = () if simple_io is None else simple_io.secrets
        self.usage = 0

    async def invoke(self, envelope: Envelope) -> Any:
        """Run the service for one request and return what leaves it.

        Raises:
            Forbidden: When `accept` of the service refuses it.
            InvokeTimeout: When it was to begin before now.
            Exception: What the service, or reading its input, raised.
        """
        call: Call = envelope.payload
        now = self._now()
        self.usage += 1
        invocation = Invocation(call, envelope.cid or self._entropy.hex_id(), envelope.deadline, now)
        token = current.set(invocation)
        try:
            if not self._is_generator and isinstance(call, StreamCall):
                msg = "the service gives one answer and no stream: invoke it"
                raise MethodNotAllowed(msg)
            if call.origin.expires_at <= now:
                msg = "it expired before it was begun"
                raise InvokeTimeout(msg)
            if self._hooks:
                return await self._handle_between_hooks(invocation)
            if self._is_async:  # by far the most are: one task step and no more
                result = await self._handler(*self._arguments(invocation))
                return self._written(invocation.answer if result is None else given_by(result))
            return self._output(await self._handle(invocation, self._arguments(invocation)))
        finally:
            current.reset(token)

    def _arguments(self, invocation: Invocation) -> tuple[object, ...]:
        """Read the input, and return what `handle` is called with."""
        data = invocation.call.data
        try:
            if self._simple_io is not None:
                invocation.request.input = self._simple_io.read(data)
            if self._read is None:
                return ()
            if isinstance(data, dict) and isinstance(data.get("ctx"), EVENTS):
                data = data["ctx"]  # a hook's handler that takes a parameter is given the event itself
            argument = self._read(data)
        except RecursionError:
            msg = "the input is nested too deep"
            raise BadInput(msg) from None
        if self._simple_io is None and argument is not data:
            invocation.request.input = argument
        return (argument,)

    async def _handle(self, invocation: Invocation, arguments: tuple[object, ...]) -> Any:
        """Return what `handle` returned or, where that is nothing, what it set as its answer."""
        if self._is_async:
            result = await self._handler(*arguments)
        elif self._is_generator:
            return await self._stream(invocation.call, arguments)
        else:
            result = await self._threads.run_sync(partial(self._handler, *arguments))
        return invocation.answer if result is None else given_by(result)

    async def _stream(self, call: Call, arguments: tuple[object, ...]) -> list[Any] | None:
        """Send what `handle` yields to whoever iterates; return it as a list where nobody does."""
        outlet = call.outlet if isinstance(call, StreamCall) else Listed()

        async def put(item: Any) -> None:
            await outlet.put(self._written(given_by(item)))

        await produce(self._handler(*arguments), put, outlet.flush)
        return outlet.items if isinstance(outlet, Listed) else None

    def _output(self, result: Any) -> Any:
        return result if self._is_generator else self._written(result)  # what was yielded has been written already

    def _written(self, result: Any) -> Any:
        try:
            return unstructure(result) if self._simple_io is None else self._simple_io.write(result)
        except RecursionError:
            msg = "the result is nested too deep to be sent"
            raise RemoteError(msg) from None

    async def _handle_between_hooks(self, invocation: Invocation) -> Any:
        try:
            if await self._run_hook("accept") is False:
                self._audit.note(
                    AuditEvent.SERVICE,
                    AuditResult.DENIED,
                    cid=invocation.cid,
                    service=self._name,
                    reason="its own accept refused it",
                    **who_calls(invocation.call.caller),
                )
                msg = "the service does not accept this request"
                raise Forbidden(msg)
            arguments = self._arguments(invocation)
            await self._run_hook("validate_input")
            await self._run_hook_quietly("before_handle")
            result = await self._handle(invocation, arguments)
            if result is not None:
                invocation.response.payload = result
            await self._run_hook_quietly("after_handle")
            await self._run_hook("validate_output")
            return self._output(invocation.answer)
        finally:
            if "finalize_handle" in self._hooks:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + FINALIZE_TIMEOUT):
                    await self._run_hook_quietly("finalize_handle")

    async def _run_hook(self, name: str) -> Any:
        """Run a hook, where the service has it, and return what it says."""
        hook = self._hooks.get(name)
        if hook is None:
            return None
        return await (hook() if inspect.iscoroutinefunction(hook) else self._threads.run_sync(hook))

    async def _run_hook_quietly(self, name: str) -> None:
        try:
            await self._run_hook(name)
        except Exception as error:  # whatever a user's hook raises
            cid = current.get().cid
            self._log.error("hook failed", hook=name, cid=cid, error=f"{type(error).__name__}: {error}", exc_info=error)
