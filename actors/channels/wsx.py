"""What `self.wsx` of a service can do with the clients that are connected to the cluster's channels.

Everything here is called the same way from `async def handle`, where it gives something to await, and from
`def handle` in a worker thread, where it blocks and gives the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog
import trio
from attrs import frozen

from actors.channels.admission import CloseSession
from actors.channels.clients import ConnectedClient, FindClients
from actors.errors import (
    ActorCrashed,
    ActorError,
    ActorNotFound,
    ActorStopped,
    AskTimeout,
    BadInput,
    CallError,
    InvokeTimeout,
    LinkLost,
    MailboxFull,
    NotFound,
    Overloaded,
)
from actors.ref import actor_name
from actors.services.call import CallResponse, RemoteCall
from actors.services.reach import LOCAL_TIMEOUT, Reach

__all__ = ["WSX", "ChannelClients", "ClientAnswers", "OneChannel"]

CLIENT_TIMEOUT = 5.0

_DISCONNECTED = CloseSession(4005, "disconnected by the server")

_log = structlog.get_logger(kind="wsx")


class ClientAnswers(dict[str, Any]):
    """What several clients answered, by pub_client_id; `errors` has why each of the others gave no answer."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: dict[str, CallError] = {}


@frozen
class WSX:
    """What `self.wsx` holds."""

    channel: ChannelClients


@frozen
class ChannelClients:
    """The clients of all channels; `[NAME]` and `get` give those of one."""

    _reach: Reach

    def __getitem__(self, name: str) -> OneChannel:
        channel = self.get(name)
        if channel is None:
            raise KeyError(name)
        return channel

    def get(self, name: str) -> OneChannel | None:
        """Return a channel, or None where there is none of that name."""
        if self._reach.directory.find_mailbox(actor_name("channel", name)) is None:
            return None
        return OneChannel(name, self)

    def invoke(
        self,
        cid: str = "",
        channel_name: str = "",
        pub_client_id: str | None = None,
        request: object = None,
        timeout: float = CLIENT_TIMEOUT,
        remove_wrapper: bool = True,
    ) -> Any:
        """Send a request to a client, or to each one of a channel, and return what it answers.

        Args:
            cid: The correlation id; that of the invocation where none is given.
            channel_name: The channel; any, where there is a `pub_client_id`.
            pub_client_id: Which client. Without one, all of the channel are asked side by side.
            request: What is sent; a str that is JSON is sent as what it says.
            timeout: Seconds to wait for an answer; less where the invocation has less left.
            remove_wrapper: Whether the answer is what the client's handler returned; False gives it under the key
                `response`, as clients send it on Zato's wire.

        Returns:
            The answer of one client, which was named or is the only one; of several, `ClientAnswers`.

        Raises:
            NotFound: When there is no such client, or none at all.
            InvokeTimeout: When the one that was asked gave no answer in time.
            LinkLost: When its link ended meanwhile.
            CallError: What else it answered.
        """
        return self._reach.bridge(
            lambda: self._invoke(cid, channel_name, pub_client_id or "", request, timeout, is_bare=remove_wrapper)
        )

    async def _invoke(
        self, cid: str, channel_name: str, pub_client_id: str, request: object, timeout: float, *, is_bare: bool
    ) -> Any:
        if not (channel_name or pub_client_id):
            msg = "channel_name: expected the name of a channel, or a pub_client_id"
            raise BadInput(msg)
        data = _to_be_sent(request)
        clients = await self._find(channel_name, FindClients(pub_client_id))
        if not clients:
            who = f"no client {pub_client_id!r}" if pub_client_id else "no client"
            where = f" to channel {channel_name!r}" if channel_name else ""
            msg = f"{who} is connected{where}"
            raise NotFound(msg)
        if len(clients) == 1:
            answer = await self._ask(clients[0], data, timeout, cid)
            return answer if is_bare else {"response": answer}
        answers = await self._ask_all(clients, data, timeout, cid)
        if not is_bare:
            answers.update({client: {"response": answer} for client, answer in answers.items()})
        return answers

    def invoke_by_attrs(
        self,
        cid: str = "",
        attrs: Mapping[str, Any] | None = None,
        request: object = None,
        timeout: float = CLIENT_TIMEOUT,
        *,
        channel_name: str = "",
    ) -> Any:
        """Send a request to each client whose attributes include all of these; return `ClientAnswers`, maybe empty.

        Args:
            cid: The correlation id; that of the invocation where none is given.
            attrs: What the clients must have said of themselves when they logged in.
            request: What is sent; a str that is JSON is sent as what it says.
            timeout: Seconds to wait for the answers.
            channel_name: Only clients of this channel.

        Raises:
            BadInput: When there are no attributes, or the request cannot be sent.
        """
        return self._reach.bridge(lambda: self._invoke_by_attrs(cid, attrs, request, timeout, channel_name))

    async def _invoke_by_attrs(
        self, cid: str, attrs: Mapping[str, Any] | None, request: object, timeout: float, channel_name: str
    ) -> ClientAnswers:
        if not isinstance(attrs, Mapping) or not attrs:
            msg = f"attrs: expected a dict of at least one attribute, got {attrs!r}"
            raise BadInput(msg)
        data = _to_be_sent(request)
        return await self._ask_all(await self._find(channel_name, FindClients(attrs=attrs)), data, timeout, cid)

    def broadcast(self, cid: str = "", request: object = None, channel_name: str = "") -> Any:
        """Send a request to each client of a channel, or without a name of all channels; return how many those are.

        Nobody waits for answers. A client that too many requests are under way to misses this one, which is logged.
        """
        return self._reach.bridge(lambda: self._broadcast(cid, request, channel_name))

    async def _broadcast(self, cid: str, request: object, channel_name: str) -> int:
        data = _to_be_sent(request)
        told = 0
        for client in await self._find(channel_name, FindClients()):
            session = self._reach.ref("session", client.caller.session)
            try:
                session.tell_nowait(RemoteCall(data), cid=cid or self._reach.position()[0])
            except ActorError as error:
                _log.warning("client not told", client=client.caller.session, error=str(error))
            else:
                told += 1
        return told

    def disconnect_client(self, cid: str = "", pub_client_id: str = "", channel_name: str = "") -> Any:
        """End a client's link with code 4005; its requests under way are cancelled.

        Raises:
            NotFound: When there is no such client.
        """
        return self._reach.bridge(lambda: self._disconnect(cid, pub_client_id, channel_name))

    async def _disconnect(self, cid: str, pub_client_id: str, channel_name: str) -> None:
        clients = await self._find(channel_name, FindClients(pub_client_id)) if pub_client_id else []
        if not clients:
            msg = f"no client {pub_client_id!r} is connected"
            raise NotFound(msg)
        session = self._reach.ref("session", clients[0].caller.session)
        try:
            await session.ask(_DISCONNECTED, timeout=self._reach.time_left(LOCAL_TIMEOUT), cid=cid)
        except ActorError as error:
            _log.debug("the client left by itself", client=session.name, error=str(error))

    def get_connection_list(self, channel_name: str = "") -> Any:
        """Return a dict for each client that is connected to a channel, or without a name to any.

        They have the keys `pub_client_id`, `ext_client_id`, `ext_client_name`, `channel_name`, `security`, `cluster`,
        `connection`, `peer_address`, `connection_time`, `wire`, `attrs` and `subscriptions`.

        Raises:
            NotFound: When there is no such channel.
        """
        return self._reach.bridge(lambda: self._list(channel_name))

    async def _list(self, channel_name: str) -> list[dict[str, Any]]:
        return [client.as_dict(self._is_subscription) for client in await self._find(channel_name, FindClients())]

    def _is_subscription(self, sub_key: str) -> bool:
        return self._reach.directory.find_mailbox(actor_name("subscription", sub_key)) is not None

    async def _find(self, channel_name: str, question: FindClients) -> list[ConnectedClient]:
        """Ask one channel, or all that there are."""
        found: list[ConnectedClient] = []
        for name in [channel_name] if channel_name else self._reach.directory.names("channel"):
            channel = self._reach.ref("channel", name)
            try:
                found += await channel.ask(question, timeout=self._reach.time_left(LOCAL_TIMEOUT))
            except ActorNotFound:
                if channel_name:
                    msg = f"there is no channel {channel_name!r}"
                    raise NotFound(msg) from None
            except ActorError as error:
                msg = f"channel {name!r} cannot tell who is connected: {error}"
                raise Overloaded(msg) from None
        return found

    async def _ask_all(
        self, clients: Sequence[ConnectedClient], data: object, timeout: float, cid: str
    ) -> ClientAnswers:
        answers = ClientAnswers()

        async def ask(client: ConnectedClient) -> None:
            client_id = client.caller.pub_client_id
            try:
                answers[client_id] = await self._ask(client, data, timeout, cid)
            except CallError as error:
                answers.errors[client_id] = error

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(ask, client)
        return answers

    async def _ask(self, client: ConnectedClient, data: object, timeout: float, cid: str) -> Any:
        """Send one client a request and return its answer."""
        reach, name = self._reach, client.caller.session
        wait = reach.time_left(timeout)
        try:
            response: CallResponse = await reach.ref("session", name).ask(
                RemoteCall(data), timeout=wait, cid=cid or reach.position()[0], wait_for_room=False
            )
        except ActorNotFound:
            msg = f"client {name!r} is not connected any more"
            raise NotFound(msg) from None
        except MailboxFull:
            msg = f"too much waits to be sent to client {name!r}"
            raise Overloaded(msg) from None
        except (ActorCrashed, ActorStopped):
            msg = f"{name!r}: link lost before the call was sent"
            raise LinkLost(msg, sent=False) from None
        except AskTimeout:
            msg = f"client {name!r} gave no answer within {wait:g} s"
            raise InvokeTimeout(msg) from None
        return response.data


@frozen
class OneChannel:
    """The clients of one channel."""

    name: str
    _clients: ChannelClients

    def broadcast(self, data: object) -> Any:
        """Send a request to each client; return how many those are. See `ChannelClients.broadcast`."""
        return self._clients.broadcast(request=data, channel_name=self.name)


def _to_be_sent(request: object) -> object:
    """Return what clients get of a request: the JSON that a str holds, or the request itself.

    Raises:
        BadInput: When it cannot be said in JSON.
    """
    try:
        if isinstance(request, str):
            return msgspec.json.decode(request)
        msgspec.json.encode(request)
    except msgspec.DecodeError:
        return request
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        msg = f"the request cannot be sent: {error}"
        raise BadInput(msg) from None
    return request
