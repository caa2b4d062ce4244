"""Service: an actor that answers requests.

This module owns the life of an invocation: reading the input, running `handle` in its own or in its blocking
form, writing the output, and what `self.request`, `self.response` and `self.cid` mean meanwhile. What a service
can reach (`self.out`, `self.invoke`, `self.pubsub`) is in `actors.reach` and `actors.pubsub`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

import trio

from actors.actor import Actor
from actors.bunch import Bunch
from actors.call import Call, Caller
from actors.channel_events import ChannelEvent
from actors.declaration import check_names, reader_of
from actors.endpoint import Endpoint
from actors.envelope import Envelope
from actors.errors import AskTimeout, CallError, IsthmusError
from actors.failures import single
from actors.hooks import Closed, Connected, MessageReceived
from actors.invocation import Invocation, Request, Response, current
from actors.io import unstructure
from actors.ports import Clock, Entropy, Processes, Threads
from actors.pubsub import PubSub
from actors.reach import Out, Reach, invoke_service
from actors.simple_io import SimpleIODeclaration, parse_declaration
from actors.wsx import WSX, ChannelClients

__all__ = ["Service", "service"]

T = TypeVar("T")

_HOOK_EVENTS = (Connected, MessageReceived, Closed, ChannelEvent)


class Service(Actor):
    """An actor that answers requests.

    Override `handle`: `async def` runs on the event loop, `def` in a worker thread, where `self.invoke`,
    `client.invoke` and `self.pubsub.publish` block. It takes nothing, or one parameter whose annotation says
    what it is; what it returns is the response. An exception out of it is an answer, never a crash.
    """

    kind = "service"
    concurrency: ClassVar[int] = 100
    every: ClassVar[float | None] = None
    restart_on_error: ClassVar[bool] = False
    """Whether an exception out of `handle` also restarts the service, to have its state rebuilt; not a `CallError`."""
    services_allowed: ClassVar[tuple[str, ...]] = ()

    threads: Threads
    processes: Processes
    clock: Clock
    entropy: Entropy
    reach: Reach

    @classmethod
    def check_declaration(cls) -> None:
        """Check what can be checked before the service runs.

        Raises:
            TypeError: When `handle` takes anything but nothing or one parameter, or its annotation means nothing.
            ValueError: When `concurrency` or `every` cannot be.
        """
        check_names(cls, Service)
        _reader_of(cls)
        _simple_io_of(cls)
        if cls.concurrency < 1:
            msg = f"concurrency: expected 1 or more, got {cls.concurrency!r}"
            raise ValueError(msg)
        if cls.restart_on_error and cls.concurrency != 1:
            msg = f"restart_on_error: only a service with concurrency = 1 has state to rebuild, not {cls.concurrency!r}"
            raise ValueError(msg)
        if cls.every is not None and cls.every <= 0:
            msg = f"every: expected more than 0 seconds, got {cls.every!r}"
            raise ValueError(msg)

    def equip(
        self,
        *,
        threads: Threads,
        processes: Processes,
        clock: Clock,
        entropy: Entropy,
        endpoint: Endpoint | None = None,
    ) -> None:
        """Hand the service its ports; called once, before `run`."""
        self.threads = threads
        self.processes = processes
        self.clock = clock
        self.entropy = entropy
        position, caller = self._position, lambda: getattr(current.get(None), "caller", None)
        self.reach = Reach(self.directory, threads, entropy, position, caller, endpoint)
        self._read, self._takes_input = _reader_of(type(self))
        self._simple_io = _simple_io_of(type(self))
        self._under_way: dict[Envelope, trio.CancelScope] = {}
        self._idle = 0
        self._workers = 0
        self._became_idle = trio.Event()

    def handle(self, *args: Any, **kwargs: Any) -> Any:
        """Override to answer one request."""
        msg = f"service {self.name!r} has no handle method"
        raise IsthmusError(msg)

    @property
    def request(self) -> Request:
        """The invocation's input."""
        return current.get().request

    @property
    def response(self) -> Response:
        """The invocation's output, used where `handle` returns None."""
        return current.get().response

    @property
    def cid(self) -> str:
        """The invocation's correlation id, the same in the logs of both clusters."""
        return current.get().cid

    @property
    def deadline(self) -> float:
        """When nobody waits any more, in Trio's time; infinite where that is unknown."""
        return current.get().deadline

    @property
    def caller(self) -> Caller | None:
        """The peer that invoked the service over a link, or None."""
        return current.get().caller

    @property
    def out(self) -> Out:
        """The outgoing connections: `self.out.wsx.get(name).conn.client()`."""
        return self.reach.out

    @property
    def pubsub(self) -> PubSub:
        """Topics: `self.pubsub.publish(topic, data)`."""
        return PubSub(self.reach)

    @property
    def wsx(self) -> WSX:
        """The clients of the cluster's channels: `self.wsx.channel.invoke(channel_name=name, request=data)`."""
        return WSX(ChannelClients(self.reach))

    @property
    def logger(self) -> Any:
        """A logger that names the service, and within an invocation its cid."""
        invocation = current.get(None)
        return self._log if invocation is None or not invocation.cid else self._log.bind(cid=invocation.cid)

    def invoke(self, name: str, payload: object = None, *, timeout: float = 30.0) -> Any:
        """Invoke a service of this cluster; await it, or in a blocking service take its result.

        Raises:
            CallError: When there is no such service, it failed, or it did not answer in time.
        """
        return self.reach.bridge(lambda: invoke_service(self.reach, name, payload, timeout=timeout))

    async def run_sync(self, function: Callable[..., T], *args: Any) -> T:
        """Run blocking code in a worker thread; cancellation waits for its end."""
        return await self.threads.run_sync(lambda: function(*args))

    async def run_cpu(self, function: Callable[..., T], *args: Any) -> T:
        """Run heavy code in a worker process, which is killed when the invocation is cancelled.

        Args:
            function: A function at the top level of a module; the worker loads that module anew.
            *args: What it is called with; they and the result are copied between the processes.

        Raises:
            Exception: What the function raised.
        """
        return await self.processes.run_cpu(function, *args)

    def _position(self) -> tuple[str, float]:
        invocation = current.get(None)
        return ("", float("inf")) if invocation is None else (invocation.cid, invocation.deadline)

    async def run(self) -> None:
        """Answer requests, `concurrency` at once; when asked to stop, finish those in hand."""
        self.progress.measure("overdue", self._overdue)
        async with trio.open_nursery() as nursery:
            if self.every is not None:
                nursery.start_soon(self._invoke_at_intervals, self.every)
            self._add_worker(nursery)
            await self.stopping.wait()
            while self._idle < self._workers:
                await self._became_idle.wait()
            nursery.cancel_scope.cancel()

    async def _invoke_at_intervals(self, interval: float) -> None:
        while True:
            await trio.sleep(interval)
            if not len(self.mailbox):
                self.mailbox.put_nowait(Envelope(Call(), cid=self.entropy.hex_id()))

    def _add_worker(self, nursery: trio.Nursery) -> None:
        self._workers += 1
        self._idle += 1
        nursery.start_soon(self._work, nursery)

    async def _work(self, nursery: trio.Nursery) -> None:
        """Handle requests one after the other; the last idle worker calls in another before it starts one."""
        while not self.stopping.is_set():
            envelope = await self.mailbox.get()
            self._idle -= 1
            if not self._idle and self._workers < self.concurrency:
                self._add_worker(nursery)
            try:
                if envelope.is_wanted:
                    await self._answer(envelope)
            finally:
                self._idle += 1
                self._became_idle.set()
                self._became_idle = trio.Event()

    async def _answer(self, envelope: Envelope) -> None:
        """Handle one request and settle its slot; cancelled when nobody waits any more."""
        slot, run = envelope.reply, envelope.run
        if run is not None:
            run.begin()
        try:
            with trio.CancelScope(deadline=envelope.deadline) as scope:
                if slot is not None:
                    slot.on_abandoned(scope.cancel)
                self._under_way[envelope] = scope
                await self._handle(envelope)
        except BaseException as error:  # the service is being stopped, or worse
            if slot is not None:
                slot.fail(self.ended_over(error))
            raise
        finally:
            del self._under_way[envelope]
            if run is not None:
                run.end()
        if scope.cancelled_caught and slot is not None:
            slot.fail(AskTimeout("the time for the answer is over"))
        self.progress.count("handled")

    async def _handle(self, envelope: Envelope) -> None:
        slot = envelope.reply
        try:
            result = await self._invoke_handle(envelope)
            if envelope.run is not None:
                envelope.run.has_succeeded = True
            if slot is not None:
                slot.answer(result)
        except Exception as error:  # an exception out of handle is an answer
            self._note_failure(envelope, error)
            if slot is not None:
                slot.fail(single(error))
            if self.restart_on_error and not isinstance(single(error), CallError):
                raise
        except BaseExceptionGroup as group:
            cancelled, rest = group.split(trio.Cancelled)
            if isinstance(rest, Exception):
                self._note_failure(envelope, rest)
            raise (cancelled or group) from None

    def _overdue(self) -> list[str]:
        """Return the cids of handlers that go on although they have been cancelled: shielded, or in a thread."""
        return [envelope.cid for envelope, scope in self._under_way.items() if scope.cancel_called]

    def _note_failure(self, envelope: Envelope, error: Exception) -> None:
        cause = single(error)
        log = self._log.bind(cid=envelope.cid)
        if isinstance(cause, CallError):
            log.info("answered with an error", status=cause.status, error=str(cause))
        else:
            log.error("handle failed", error=f"{type(cause).__name__}: {cause}", exc_info=cause)

    async def _invoke_handle(self, envelope: Envelope) -> Any:
        call: Call = envelope.payload
        request = Request(input=self._input_of(call.data), payload=call.data)
        invocation = Invocation(
            request, Response(), envelope.cid or self.entropy.hex_id(), envelope.deadline, call.caller
        )
        token = current.set(invocation)
        try:
            arguments = (self._read(_hook_event(call.data)),) if self._takes_input else ()
            if inspect.iscoroutinefunction(self.handle):
                result = await self.handle(*arguments)
            else:
                result = await self.threads.run_sync(lambda: self.handle(*arguments))
        finally:
            current.reset(token)
        return self._output_of(invocation.response.payload if result is None else result)

    def _input_of(self, data: object) -> object:
        return data if self._simple_io is None else self._simple_io.read(data)

    def _output_of(self, result: object) -> object:
        if self._simple_io is not None and self._simple_io.has_output:
            return self._simple_io.write(result)
        return None if isinstance(result, Bunch) and not result else unstructure(result)


def _hook_event(data: object) -> object:
    """A hook's handler that takes a parameter is given the event itself."""
    if isinstance(data, dict) and isinstance(data.get("ctx"), _HOOK_EVENTS):
        return data["ctx"]
    return data


def _simple_io_of(cls: type) -> SimpleIODeclaration | None:
    declared = getattr(cls, "SimpleIO", None)
    return None if declared is None else parse_declaration(declared)


def _reader_of(cls: type[Service]) -> tuple[Callable[[object], object], bool]:
    """Return how to read the input for `handle`, and whether it takes any."""
    if issubclass(cls, _FunctionService):
        return reader_of(cls.function, is_method=False, as_it_is=_HOOK_EVENTS)
    return reader_of(cls.handle, is_method=True, as_it_is=_HOOK_EVENTS)


def service(
    name: str, *, concurrency: int = 100, every: float | None = None
) -> Callable[[Callable[..., Awaitable[Any] | Any]], type[Service]]:
    """Declare a service from a function, `async def` or `def`; its one parameter, if any, is the input."""

    def declare(function: Callable[..., Any]) -> type[Service]:
        return type(
            function.__name__,
            (_FunctionService,),
            {
                "__module__": function.__module__,
                "__doc__": function.__doc__,
                "name": name,
                "concurrency": concurrency,
                "every": every,
                "function": staticmethod(function),
                "handle": _method_of(function),
            },
        )

    return declare


class _FunctionService(Service):
    """What `@service` makes subclasses of; `function` is what was decorated."""

    function: ClassVar[Callable[..., Any]]


def _method_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` as a method that drops `self`, of the same colour."""

    async def wait_for_it(_self: Service, *data: Any) -> Any:
        return await function(*data)

    def call_it(_self: Service, *data: Any) -> Any:
        return function(*data)

    return wait_for_it if inspect.iscoroutinefunction(function) else call_it
