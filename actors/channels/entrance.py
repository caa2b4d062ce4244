"""Entrance: a peer that has just connected says hello, and the channel decides whether it may stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from attrs import evolve, frozen

from actors.audit import Audit
from actors.channels.admission import Admit, Admitted, CloseSession, Older, Probe, note_refusal
from actors.channels.credentials import NOT_AUTHORIZED, Presented
from actors.errors import ActorError, Forbidden
from actors.messages import Denied, Hello
from actors.ports import Link
from actors.ref import ActorRef
from actors.services.call import Caller

__all__ = ["Entrance"]


@frozen
class Entrance:
    """Lets the peer of one session in.

    Args:
        newcomer: What is known of it before it has said anything.
        presented: What it showed when it connected.
        ref: Finds actors.
        log: The session's logger.
        audit: Told of whom it refuses by itself.
        wait_time: For how many seconds the peer may say nothing.
    """

    newcomer: Caller
    presented: Presented
    _ref: Callable[[str, str], ActorRef]
    _log: Any
    _audit: Audit
    wait_time: float

    async def admit(self, link: Link) -> Admitted | CloseSession:
        """Return what the channel grants, or how to end the link of a peer that it does not let in.

        Raises:
            LinkClosed: When the peer left.
        """
        hello = await self._hello(link)
        if hello is None:
            self._log.warning("no session was created in time", peer=link.peer, seconds=self.wait_time)
            note_refusal(self._audit, self.newcomer, "no session was created in time", None)
            return _deny(link, NOT_AUTHORIZED)
        try:
            return await self._ask_channel(link, hello)
        except Forbidden as error:
            return _deny(link, str(error))
        except ActorError as error:
            self._log.error("the peer could not be admitted", peer=link.peer, error=str(error))
            note_refusal(self._audit, self.newcomer, "the channel could not decide", hello)
            return CloseSession(1013, "Try again later")

    async def _hello(self, link: Link) -> Hello | None:
        with trio.move_on_after(self.wait_time):
            while True:
                for message in await link.receive():
                    if isinstance(message, Hello):
                        return message
        return None

    async def _ask_channel(self, link: Link, hello: Hello) -> Admitted:
        channel = self._ref("channel", self.newcomer.channel)
        admit = Admit(self.newcomer, hello, link.wire, self.presented)
        answer = await channel.ask(admit)
        if isinstance(answer, Older):
            if await self._is_alive(answer.session):
                self._log.warning("identity in use", peer=link.peer, session=answer.session)
                msg = f"identity in use: {hello.cluster}/{hello.connection} has a live session from another process"
                note_refusal(self._audit, self.newcomer, msg, hello)
                raise Forbidden(msg)
            answer = await channel.ask(evolve(admit, replaces=answer.session))
        if not isinstance(answer, Admitted):
            msg = "identity in use: another process was faster"
            note_refusal(self._audit, self.newcomer, msg, hello)
            raise Forbidden(msg)
        return answer

    async def _is_alive(self, session: str) -> bool:
        try:
            return bool(await self._ref("session", session).ask(Probe()))
        except ActorError:
            return False


def _deny(link: Link, reason: str) -> CloseSession:
    link.send_nowait(Denied("denied", reason))
    return CloseSession(1008, reason)
