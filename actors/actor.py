"""Actor: a supervised task with a mailbox.

This module owns the loop that takes messages and answers them. Who starts, restarts and stops an actor is
`runtime.supervisor`'s business; it attaches what an actor needs before it runs `run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import structlog
import trio

from actors.envelope import Envelope
from actors.errors import ActorCrashed, ActorError, ActorStopped, IsthmusError
from actors.mailbox import Mailbox
from actors.ref import ActorRef, Directory, actor_name
from actors.supervision import Backoff, Children, Intensity, Restart

__all__ = ["Actor", "Progress"]


class Progress(Protocol):
    """Where an actor shows how it is: the registry's entry of its name."""

    def show(self, state: str, **detail: object) -> None:
        """Show a state and facts of the actor's own; they replace those shown before."""
        ...

    def count_handled(self) -> None:
        """Count a message that was handled."""
        ...


class Actor:
    """A task with a mailbox, supervised.

    Subclass it and override `receive`; `setup` and `teardown` bracket its life. An exception out of any of the
    three is a crash: the supervisor restarts the actor, the message then in hand is answered with
    `ActorCrashed` and never handled again, and the others wait in the mailbox for the new instance.

    Class attributes say how it is supervised where it is declared in a service module.
    """

    name: ClassVar[str] = ""
    restart: ClassVar[Restart] = Restart.PERMANENT
    backoff: ClassVar[Backoff] = Backoff()
    intensity: ClassVar[Intensity | None] = None
    max_mailbox: ClassVar[int] = 10_000
    answers_with: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors out of `receive` that answer the one who asked, instead of crashing the actor."""

    kind: str
    actor: str
    mailbox: Mailbox
    directory: Directory
    children: Children
    progress: Progress
    config: Mapping[str, Any]

    def attach(
        self,
        *,
        kind: str,
        name: str,
        mailbox: Mailbox,
        directory: Directory,
        children: Children,
        progress: Progress,
    ) -> None:
        """Give the actor its place; the supervisor calls it once, before `run`."""
        self.kind = kind
        self.actor = name
        self.mailbox = mailbox
        self.directory = directory
        self.children = children
        self.progress = progress
        self._stopping = trio.Event()
        self._log = structlog.get_logger().bind(kind=kind, actor=name)

    @property
    def logger(self) -> Any:
        """A logger that names the actor in each line; `%s` arguments work as in the standard library's."""
        return self._log

    def ref(self, kind: str, name: str) -> ActorRef:
        """Return a reference to another actor of the cluster, whether it runs already or not."""
        return ActorRef(actor_name(kind, name), self.directory)

    @property
    def stopping(self) -> trio.Event:
        """Set when the actor has been asked to end."""
        return self._stopping

    async def setup(self) -> None:
        """Override to prepare; runs before the first message, again after each restart."""

    async def receive(self, message: Any) -> Any:
        """Override to handle one message; what it returns answers an `ask`."""
        msg = f"{type(self).__name__} takes no messages"
        raise IsthmusError(msg)

    async def teardown(self) -> None:
        """Override to clean up; runs however the actor ends, shielded from cancellation for a bounded time."""

    async def run(self) -> None:
        """Live: by default, handle messages one by one until asked to stop."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_when_stopping, nursery.cancel_scope)
            await self.handle_messages()

    async def _cancel_when_stopping(self, scope: trio.CancelScope) -> None:
        await self._stopping.wait()
        scope.cancel()

    async def handle_messages(self) -> None:
        """Take messages in batches and handle them one by one, for ever."""
        while True:
            await self.mailbox.drain()
            while (envelope := self.mailbox.take_lent()) is not None:
                if envelope.is_wanted:
                    await self.handle_envelope(envelope)

    async def handle_envelope(self, envelope: Envelope) -> None:
        """Handle one message and answer it; a crash answers it, too, before it goes up."""
        try:
            result = await self.receive(envelope.payload)
        except self.answers_with as error:
            if envelope.reply is not None:
                envelope.reply.fail(error)
            return
        except BaseException as error:
            if envelope.reply is not None:
                envelope.reply.fail(self.ended_over(error))
            raise
        self.progress.count_handled()
        if envelope.reply is not None:
            envelope.reply.answer(result)

    def ended_over(self, error: BaseException) -> ActorError:
        """Return what to answer a message with that the actor had in hand when `error` ended it."""
        name = actor_name(self.kind, self.actor)
        if isinstance(error, trio.Cancelled):
            return ActorStopped(f"{name!r} was stopped before it answered")
        return ActorCrashed(f"{name!r} crashed over the message: {type(error).__name__}: {error}")
