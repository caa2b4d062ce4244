"""What a service can reach from within an invocation: other services and outgoing connections; see also `pubsub`.

Everything here is called the same way from `async def handle`, where it gives something to await, and from
`def handle` in a worker thread, where it blocks and gives the result: `Reach.bridge` tells the two apart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import trio
from attrs import frozen
from msgspec.structs import replace

from actors.audit import NO_AUDIT, Audit
from actors.connections.remote_topics import RemotePublish, RemoteSubscribe, RemoteUnsubscribe
from actors.connections.unanswered import not_carried, too_late
from actors.deadlines import deadlines
from actors.envelope import AwaitedReply, Envelope
from actors.errors import (
    ActorError,
    ActorNotFound,
    AskTimeout,
    CallError,
    InvokeTimeout,
    MailboxFull,
    Overloaded,
    ServiceNotFound,
)
from actors.mailbox import Mailbox
from actors.messages import Publication
from actors.ports import Entropy, Threads
from actors.ref import ActorRef, Directory, actor_name
from actors.services.call import Call, Caller, CallResponse, RemoteCall
from actors.signals import Signals
from actors.streams.opening import remote_stream
from actors.streams.stream import Stream
from actors.topics.endpoint import Endpoint
from actors.topics.listed import listed

__all__ = ["Client", "Connection", "Out", "Reach", "invoke_service", "not_taken"]

LOCAL_TIMEOUT = 30.0
CALL_TIMEOUT = 5.0
"""Seconds that a call may take over a connection that does not exist yet."""


@frozen
class Reach:
    """A service's way to the rest of its cluster.

    Args:
        directory: Finds actors.
        threads: Blocking code, and its way back.
        entropy: Ids.
        position: Gives the cid and the deadline of the invocation that asks, so that both travel on;
            what follows from none has no deadline.
        caller: Gives the peer that invokes.
        endpoint: Which topics it may use; None for all.
        signals: What is told of calls, where somebody looks.
        audit: Told of what is denied.
    """

    directory: Directory
    threads: Threads
    entropy: Entropy
    position: Callable[[], tuple[str, float]] = lambda: ("", float("inf"))
    caller: Callable[[], Caller | None] = lambda: None
    endpoint: Endpoint | None = None
    signals: Signals | None = None
    audit: Audit = NO_AUDIT

    def bridge(self, function: Callable[..., Awaitable[Any]], *args: object) -> Any:
        """Run `function`: return its awaitable on the event loop, its result in a worker thread."""
        return self.threads.call_back(partial(function, *args)) if self.threads.inside() else function(*args)

    def ref(self, kind: str, name: str) -> ActorRef:
        """Return a reference to an actor."""
        return ActorRef(actor_name(kind, name), self.directory)

    def trace(self) -> str:
        """Return the traceparent of what is under way here; empty where nobody traces it."""
        return "" if self.signals is None else self.signals.trace()

    def followed(self, call: Call) -> Call:
        """Return a call as what follows from what is under way here, where somebody traces that."""
        trace = self.trace()
        return replace(call, trace=trace) if trace else call

    def time_left(self, timeout: float) -> float:
        """Return the time-out, or what is left of the invocation's own time where that is less."""
        return max(0.0, min(timeout, self.position()[1] - trio.current_time()))

    @property
    def out(self) -> Out:
        """The outgoing connections."""
        return Out(WebSockets(self))


async def invoke_service(
    reach: Reach,
    name: str,
    payload: object,
    *,
    timeout: float = LOCAL_TIMEOUT,
    call: Call | None = None,
    cid: str = "",
) -> Any:
    """Invoke a service of this cluster and return its result.

    Raises:
        ServiceNotFound: When no service has that name.
        InvokeTimeout: When it gave no answer in time.
        Overloaded: When too many calls of it wait.
        Exception: What its handler raised.
    """
    wait = reach.time_left(timeout)
    call = reach.followed(call or Call(payload))
    try:
        return await reach.ref("service", name).ask(call, timeout=wait, cid=cid or reach.position()[0])
    except AskTimeout:
        msg = f"service {name!r} gave no answer within {wait:g} s"
        raise InvokeTimeout(msg) from None
    except (ActorNotFound, MailboxFull) as error:
        raise not_taken(error, name) from None


def not_taken(error: ActorError, service: str) -> CallError | ActorError:
    """Return what a caller is told of a service that could not take its call."""
    if isinstance(error, ActorNotFound):
        return ServiceNotFound(f"No such service {service!r}")
    if isinstance(error, MailboxFull):
        return Overloaded(f"service {service!r} is overloaded: {error}")
    return error


@frozen
class Out:
    """What `self.out` holds."""

    wsx: WebSockets


@frozen
class WebSockets:
    """The outgoing WebSocket connections, by name."""

    _reach: Reach

    def get(self, name: str) -> OutgoingHandle:
        """Return a connection; one that does not exist shows when it is used."""
        return OutgoingHandle(Connection(self._reach, name))

    __getitem__ = get


@frozen
class OutgoingHandle:
    """An outgoing connection as Zato's services know it."""

    conn: Connection


@frozen
class Connection:
    """An outgoing connection by name; `conn` of hook events, too."""

    _reach: Reach
    name: str

    def client(self) -> Client:
        """Return a client, to use with `async with` or, in a blocking service, `with`."""
        return Client(self._reach, self.name)

    def invoke(self, message: object, request: object = None, *, timeout: float | None = None) -> Any:
        """Invoke without asking for a client first; see `Client.invoke`."""
        return self.client().invoke(message, request, timeout=timeout)

    send = invoke


@frozen
class Client:
    """Calls over one outgoing connection; any number of clients share its link."""

    _reach: Reach
    connection: str

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def invoke(self, message: object, request: object = None, *, timeout: float | None = None) -> Any:
        """Invoke a remote service and return its `CallResponse`; or send a frame and return None.

        With `remote = "websocket"`, `message` is one frame: text, bytes, or a dict or list to be sent as JSON. It is
        sent when this returns, and nothing is known of what becomes of it: what the server says goes to on_message.

        Args:
            message: `{"service": name, "request": data}`, the name of a service, or, for a channel mounted
                straight on a service, that service's input.
            request: The input, where `message` is a name.
            timeout: Seconds to wait for the answer, the wait for a link included; else those of the connection's own
                `timeout`; less where the invocation that calls has less left.

        Raises:
            InvokeTimeout: It was sent, and no answer came in time.
            LinkLost: The link broke meanwhile.
            LinkDown: There was no link in time, or there can be none.
            BadInput: The message cannot be sent: it is too big, or of a type that is no frame.
            CallError: What the remote answered: `BadInput`, `Forbidden`, `ServiceNotFound`, `RemoteError`...
        """
        data = {"service": message, "request": request} if isinstance(message, str) else message
        return self._call(RemoteCall(data, message if request is None else None), timeout)

    send = invoke

    def invoke_service(self, name: str, request: object = None, *, timeout: float | None = None) -> Any:
        """Invoke a remote service by name; see `invoke`."""
        return self._call(RemoteCall({"service": name, "request": request}), timeout)

    def stream(
        self,
        message: object,
        request: object = None,
        *,
        timeout: float | None = None,
        total_timeout: float = float("inf"),
    ) -> Stream:
        """Iterate over what a remote service yields: `async for item in client.stream(name, data)`.

        In a blocking service `for item in client.stream(name, data)`. The remote service runs only as far ahead as
        there is credit for; leaving the loop cancels it. Nothing is sent before the first item is asked for.

        Args:
            message: As for `invoke`.
            request: The input, where `message` is a name.
            timeout: Seconds to wait for each item, for the first one the wait for a link included; else those of the
                connection's own `timeout`.
            total_timeout: Seconds for all of them; never more than the invocation that iterates has left.
        """
        patience = _patience(self._mailbox(), timeout)
        return remote_stream(self._reach, self.connection, message, request, patience, total_timeout)

    def subscribe(self, topic: str, *, timeout: float | None = None, **options: Any) -> Any:
        """Subscribe over this connection; messages go to its on_message, the response's data has the `sub_key`.

        The subscription is not kept where the remote does not keep it beyond a link: list topics under `subscribe`.

        Args:
            topic: A topic of the remote cluster.
            timeout: Seconds to wait for the answer; else those of the connection's own `timeout`.
            options: What may be set of a subscription, by the names of clusters.toml.
        """
        return self._call(RemoteSubscribe(topic=topic, options=options), timeout)

    def unsubscribe(self, topic: str, sub_key: str = "", *, timeout: float | None = None) -> Any:
        """End a subscription of this connection, all of them to the topic without a sub_key.

        Args:
            topic: A topic of the remote cluster.
            sub_key: Which subscription.
            timeout: Seconds to wait for the answer; else those of the connection's own `timeout`.
        """
        return self._call(RemoteUnsubscribe(topic=topic, sub_key=sub_key), timeout)

    def publish(
        self,
        topic: str,
        data: object = "",
        *,
        data_list: Sequence[Mapping[str, Any]] | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Any:
        """Publish to a topic of the remote cluster; the response's data has the `msg_id`.

        Args:
            topic: A topic of the remote cluster.
            data: What is published. Zato turns what is not text into Python's own notation of it.
            data_list: Instead of `data`: dicts, each with `data` and options of its own. They are stored together, and
                the response's data has their `msg_ids`. Only clusters of Isthmus of this release or a newer one can.
            timeout: Seconds to wait for the answer; else those of the connection's own `timeout`.
            options: `priority`, `expiration`, `correl_id` and what else the remote takes; with `data_list`, what holds
                for those that say nothing else.

        Raises:
            NotSupported: When there is a `data_list`, and the remote takes one message at a time.
            CallError: What the remote answered, and as `invoke` does.
        """
        is_list = data_list is not None
        messages = [Publication(data, options)] if data_list is None else listed(data, data_list, options)
        return self._call(RemotePublish(topic=topic, messages=messages, is_list=is_list), timeout)

    def _call(self, call: RemoteCall, timeout: float | None) -> Any:
        signals = self._reach.signals
        if signals is None:
            return self._reach.bridge(self._ask, call, timeout)
        return self._reach.bridge(
            lambda: signals.call(self.connection, call, self._ask(call, timeout), self._reach.position()[0])
        )

    def _mailbox(self) -> Mailbox | None:
        return self._reach.directory.find_mailbox(actor_name("outgoing", self.connection))

    async def _ask(self, call: RemoteCall, timeout: float | None) -> CallResponse | None:
        cid, latest = self._reach.position()
        mailbox, timers = self._mailbox(), deadlines()
        slot, now = AwaitedReply(timers), timers.now()
        deadline = min(now + _patience(mailbox, timeout), latest)
        wait = max(0.0, deadline - now)
        try:
            if mailbox is None:
                raise ActorNotFound(self.connection)
            mailbox.put_nowait(Envelope(call, cid, deadline, slot))
            response: CallResponse | None = await slot.wait(deadline, wait)
        except AskTimeout:
            if not slot.is_late or mailbox is None:
                raise
            raise too_late(call, self.connection, mailbox, "sent, and no answer", wait) from None
        except ActorError as error:
            raise not_carried(error, self.connection) from None
        return response


def _patience(mailbox: Mailbox | None, timeout: float | None) -> float:
    """Return how long a call may take, as whoever makes it says, or else the connection."""
    if timeout is not None:
        return timeout
    return CALL_TIMEOUT if mailbox is None else mailbox.answer_timeout
