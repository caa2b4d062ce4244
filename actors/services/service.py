"""Service: an actor that answers requests.

This module owns what a service declares, its life and what its code calls on `self`. How many requests are handled at
once is in `actors.services.workers`, the way of one through the service in `actors.services.pipeline`, what the code
knows of it in `actors.services.context`, and what it can reach in `actors.services.reach`, `actors.services.invoking`
and `actors.topics.pubsub`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

import trio

from actors.actor import Actor
from actors.channels.wsx import WSX, ChannelClients
from actors.envelope import Envelope
from actors.errors import CallError, IsthmusError
from actors.ports import Clock, Entropy, Processes, Threads
from actors.services.call import Call, Caller, Origin
from actors.services.context import InvocationContext
from actors.services.declaration import check_handler, check_names, reader_of
from actors.services.invocation import current
from actors.services.invoking import Invoker, ServiceName, input_of
from actors.services.payload import without_secrets
from actors.services.pipeline import EVENTS, Pipeline
from actors.services.reach import Out, Reach
from actors.services.service_hooks import ServiceHooks
from actors.services.service_time import ServiceTime
from actors.services.simple_io import declaration_of
from actors.services.streaming import Streaming
from actors.services.workers import Workers
from actors.topics.endpoint import Endpoint
from actors.topics.pubsub import PubSub

__all__ = ["Service"]

T = TypeVar("T")

_SCHEDULER = Origin("scheduler")


class Service(InvocationContext, ServiceHooks, Streaming, Actor):
    """An actor that answers requests.

    Override `handle`: `async def` runs on the event loop, `def` in a worker thread, where `self.invoke`,
    `client.invoke` and `self.pubsub.publish` block. It takes nothing, or one parameter whose annotation says
    what it is; what it returns is the response. An exception out of it is an answer, never a crash. An `async def` that
    yields is a stream, which callers iterate over.
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
            TypeError: When `handle` takes anything but nothing or one parameter, or a declaration means nothing.
            ValueError: When `concurrency` or `every` cannot be.
        """
        check_names(cls, Service)
        check_handler(cls.handler())
        cls.read_input_with()
        declaration_of(cls)
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
        self.reach = Reach(
            self.directory, threads, entropy, _position, _caller, endpoint, signals=self.signals, audit=self.audit
        )
        self._pubsub = PubSub(self.reach)
        self._invoker = Invoker(self.actor, self.reach, self._log)
        cls = type(self)
        self._pipeline = Pipeline(
            self.actor,
            self.handle,
            self.own_hooks(),
            cls.read_input_with(),
            declaration_of(cls),
            threads=threads,
            entropy=entropy,
            audit=self.audit,
            log=self._log,
            is_generator=inspect.isasyncgenfunction(cls.handler()),
        )

    @classmethod
    def handler(cls) -> Callable[..., Any]:
        """Return the function that answers a request."""
        return cls.handle

    @classmethod
    def read_input_with(cls) -> Callable[[object], object] | None:
        """Return how to read the input for `handle`; None where it takes none."""
        return reader_of(cls.handle, is_method=True, as_it_is=EVENTS)

    def handle(self, *args: Any, **kwargs: Any) -> Any:
        """Override to answer one request."""
        msg = f"service {self.name!r} has no handle method"
        raise IsthmusError(msg)

    # What it can reach

    @property
    def out(self) -> Out:
        """The outgoing connections: `self.out.wsx.get(name).conn.client()`."""
        return self.reach.out

    @property
    def outgoing(self) -> Out:
        """The same as `out`."""
        return self.reach.out

    @property
    def pubsub(self) -> PubSub:
        """Topics: `self.pubsub.publish(topic, data)`."""
        return self._pubsub

    @property
    def wsx(self) -> WSX:
        """The clients of the cluster's channels: `self.wsx.channel.invoke(channel_name=name, request=data)`."""
        return WSX(ChannelClients(self.reach))

    @property
    def time(self) -> ServiceTime:
        """The time now: `self.time.utcnow()`."""
        return ServiceTime(self.clock)

    @property
    def user_config(self) -> Mapping[str, Any]:
        """The same as `config`: the cluster's `[clusters.C.config]`."""
        return self.config

    @property
    def usage(self) -> int:
        """How many requests this instance has begun."""
        return self._pipeline.usage

    @property
    def logger(self) -> Any:
        """A logger that names the service, and within an invocation its cid."""
        invocation = current.get(None)
        return self._log if invocation is None or not invocation.cid else self._log.bind(cid=invocation.cid)

    def invoke(
        self,
        name: ServiceName,
        payload: Any = None,
        *,
        timeout: float | None = None,
        raise_timeout: bool = True,
        as_bunch: bool = False,
        serialize: bool = False,
        skip_response_elem: bool = False,
        cid: str = "",
        channel: str = "invoke",
        data_format: str = "dict",
        transport: str = "",
        wsgi_environ: Mapping[str, Any] | None = None,
        **elements: Any,
    ) -> Any:
        """Invoke another service of this cluster; await it, or in a blocking service take its result.

        Args:
            name: Its name or class.
            payload: Its input.
            timeout: Seconds to wait, 30 by default and without limit for 0; less where this invocation has less left.
                After them the service is cancelled.
            raise_timeout: Whether that is an error; else the result is None.
            as_bunch: Whether dicts of the result read as attributes.
            serialize: Whether the result is given as JSON text.
            skip_response_elem: Whether to take the result out of its response element, where it has one.
            cid: Its correlation id; the one of this invocation where nothing is said.
            channel: What it sees as `self.channel.type`.
            data_format: What it sees as `self.data_format`.
            transport: What it sees as `self.transport`.
            wsgi_environ: What it sees as `self.wsgi_environ`.
            **elements: Its input by elements, instead of `payload`.

        Raises:
            CallError: When there is no such service, it failed, or it did not answer in time.
            IsthmusError: When it is this service itself.
        """
        call = Call(
            input_of(payload, elements), origin=Origin(channel, data_format, transport, environ=wsgi_environ or {})
        )
        return self.reach.bridge(
            lambda: self._invoker.invoke(
                name,
                call,
                cid=cid,
                timeout=timeout,
                raise_timeout=raise_timeout,
                as_bunch=as_bunch,
                serialize=serialize,
                skip_response_elem=skip_response_elem,
            )
        )

    def invoke_async(
        self,
        name: ServiceName,
        payload: Any = None,
        *,
        callback: ServiceName | Iterable[ServiceName] | None = None,
        cid: str = "",
        expiration: float | None = None,
        to_json_string: bool = False,
        channel: str = "invoke-async",
        data_format: str = "dict",
        transport: str = "",
        environ: Mapping[str, Any] | None = None,
        **elements: Any,
    ) -> Any:
        """Have a service of this cluster invoked, and return the cid of that without waiting for it to begin.

        It does not end with this invocation. What it fails with is logged. When the cluster stops, what has begun is
        finished, within `shutdown_timeout` of the service, and what waits is given up, which is logged.

        Args:
            name: Its name or class.
            payload: Its input.
            callback: A service, or several, invoked with the result; `self.in_reply_to` is the cid there. Where
                nothing is said, the service `NAME-async-callback`, if there is one.
            cid: Its correlation id; a new one where nothing is said.
            expiration: Seconds within which it must begin.
            to_json_string: Whether its input is JSON text.
            channel: What it sees as `self.channel.type`.
            data_format: What it sees as `self.data_format`.
            transport: What it sees as `self.transport`.
            environ: What it sees as `self.environ`.
            **elements: Its input by elements, instead of `payload`.

        Raises:
            ServiceNotFound: When there is no such service or callback.
            Overloaded: When too much waits for it.
        """
        call = Call(input_of(payload, elements), origin=Origin(channel, data_format, transport, environ=environ or {}))
        return self.reach.bridge(
            lambda: self._invoker.invoke_async(
                name,
                call,
                cid=cid,
                expiration=expiration,
                callback=callback,
                to_json_string=to_json_string,
            )
        )

    def sleep(self, seconds: float = 1.0) -> Any:
        """Let time pass; await it, or in a blocking service call it."""

        async def sleep() -> None:
            await trio.sleep(seconds)

        return self.reach.bridge(sleep)

    def log_input(self, user_msg: str = "") -> None:
        """Log what the invocation was given, without its secrets."""
        self.logger.info(user_msg or "input", input=without_secrets(self.request.input), channel=self.channel.type)

    def log_output(self, user_msg: str = "") -> None:
        """Log what the service set as its answer, without its secrets."""
        self.logger.info(user_msg or "output", output=without_secrets(current.get().answer, self._pipeline.secrets))

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

    # Its life

    def passing(self) -> Callable[[Envelope], bool] | None:
        """Return what gives requests to other services without waiting for their answers; gateways have that."""
        return None

    async def run(self) -> None:
        """Answer requests, `concurrency` at once; when asked to stop, finish those in hand."""
        passing, invoke = self.passing(), self._pipeline.invoke
        workers = Workers(
            self.mailbox,
            invoke if self.signals is None else self.signals.invoking(self.actor, invoke),
            concurrency=self.concurrency,
            stopping=self.stopping,
            progress=self.progress,
            log=self._log,
            ended_over=self.ended_over,
            is_crash=lambda error: self.restart_on_error and not isinstance(error, CallError),
            pass_on=passing,
        )
        self.progress.measure("overdue", workers.overdue)
        self.mailbox.take_at_once(passing)
        try:
            async with trio.open_nursery() as nursery:
                if self.every is not None:
                    nursery.start_soon(self._invoke_at_intervals, self.every)
                await workers.run(nursery)
        finally:
            self.mailbox.take_at_once(None)

    async def _invoke_at_intervals(self, interval: float) -> None:
        while True:
            await trio.sleep(interval)
            if not len(self.mailbox):
                self.mailbox.put_nowait(Envelope(Call(origin=_SCHEDULER), cid=self.entropy.hex_id()))


def _position() -> tuple[str, float]:
    invocation = current.get(None)
    return ("", float("inf")) if invocation is None else (invocation.cid, invocation.deadline)


def _caller() -> Caller | None:
    invocation = current.get(None)
    return None if invocation is None else invocation.call.caller
