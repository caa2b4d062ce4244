"""Actor: a supervised task with a mailbox.

This module owns the loop that takes messages and answers them. Who starts, restarts and stops an actor is
`runtime.supervisor`'s business; it attaches what an actor needs before it runs `run`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Protocol, Self

import trio

from actors.actor_log import ActorLog
from actors.audit import NO_AUDIT, Audit
from actors.envelope import Envelope
from actors.errors import ActorCrashed, ActorError, ActorStopped, IsthmusError
from actors.mailbox import Mailbox, MailboxLimits
from actors.pulse import Latch
from actors.ref import ActorRef, Directory, actor_name
from actors.signals import Signals
from actors.supervision import Backoff, Children, ChildSpec, Intensity, Restart, Strategy

__all__ = ["Actor", "Progress"]


def default_name(module: str, class_name: str) -> str:
    """Return the name of an actor that declares none: the file's stem and the class, `emea.get-customer`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", class_name)
    return f"{module.rpartition('.')[2]}.{words}".replace("_", "-").lower()


class Progress(Protocol):
    """Where an actor shows how it is: the registry's entry of its name."""

    def show(self, state: str, **detail: object) -> None:
        """Show a state and facts of the actor's own; they replace those shown before."""
        ...

    def count(self, what: str, amount: int = 1) -> None:
        """Count something that happened: `handled`, `failed`, `ignored`."""
        ...

    def measure(self, what: str, function: Callable[[], object]) -> None:
        """Say how to find out a fact that changes all the time; a new instance's function replaces the old one's."""
        ...


class Actor:
    """A task with a mailbox, supervised.

    Subclass it and override `receive`; `setup` and `teardown` bracket its life. An exception out of any of the
    three is a crash: the supervisor restarts the actor, the message then in hand is answered with
    `ActorCrashed` and never handled again, and the others wait in the mailbox for the new instance.

    Each actor in a service module is started with the cluster, unless it says `autostart = False` because it is
    some other actor's child. Class attributes say how the actor is supervised (`restart`, `backoff`,
    `shutdown_timeout`), how much may wait for it (`mailbox_limits`), and how it supervises its own children
    (`child_specs`, `strategy`, `intensity`).
    """

    kind: ClassVar[str] = "actor"
    name: ClassVar[str] = ""
    autostart: ClassVar[bool] = True
    restart: ClassVar[Restart] = Restart.PERMANENT
    backoff: ClassVar[Backoff] = Backoff()
    shutdown_timeout: ClassVar[float] = 5.0
    mailbox_limits: ClassVar[MailboxLimits] = MailboxLimits()
    strategy: ClassVar[Strategy] = Strategy.ONE_FOR_ONE
    intensity: ClassVar[Intensity | None] = Intensity()
    """How many restarts of its children are too many; None for no limit."""
    has_children: ClassVar[bool] = True
    """Whether it may have any; of many actors that never do, the room for them adds up."""
    answers_with: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors out of `receive` that answer the one who asked, instead of crashing the actor."""

    actor: str
    mailbox: Mailbox
    directory: Directory
    children: Children
    progress: Progress
    config: Mapping[str, Any]
    signals: Signals | None = None
    """What it tells of its work, where somebody looks."""
    audit: Audit = NO_AUDIT

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = default_name(cls.__module__, cls.__name__)

    def attach(
        self,
        *,
        name: str,
        mailbox: Mailbox,
        directory: Directory,
        children: Children,
        progress: Progress,
    ) -> None:
        """Give the actor its place; the supervisor calls it once, before `run`."""
        self.actor = name
        self.mailbox = mailbox
        self.directory = directory
        self.children = children
        self.progress = progress
        self._stopping = Latch()
        self._log = ActorLog(self.kind, name)

    @property
    def logger(self) -> Any:
        """A logger that names the actor in each line; `%s` arguments work as in the standard library's."""
        return self._log

    def ref(self, kind: str, name: str) -> ActorRef:
        """Return a reference to another actor of the cluster, whether it runs already or not."""
        return ActorRef(actor_name(kind, name), self.directory)

    @property
    def stopping(self) -> Latch:
        """Set when the actor has been asked to end."""
        return self._stopping

    async def setup(self) -> None:
        """Override to prepare; runs before the first message, again after each restart."""

    def child_specs(self) -> Sequence[ChildSpec]:
        """Override to have children: started in this order after `setup`, each when the one before is up."""
        return ()

    def adopt(self, newer: Self) -> None:
        """Override to go on with what a newer instance was made with, which never runs: changed settings."""

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
        mailbox = self.mailbox
        while True:
            await mailbox.drain()
            while (envelope := mailbox.take_lent()) is not None:
                if envelope.reply is None or envelope.is_wanted:
                    await self.handle_envelope(envelope)

    def handle_messages_in(self, nursery: trio.Nursery | None) -> None:
        """Handle messages by a task of a nursery, which begins with the first of them; None ends that beginning.

        For actors to which mostly nothing is said, in `run`.
        """
        begin = None if nursery is None else partial(nursery.start_soon, self.handle_messages)
        self.mailbox.when_waiting(begin)

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
        self.progress.count("handled")
        if envelope.reply is not None:
            envelope.reply.answer(result)

    def ended_over(self, error: BaseException) -> ActorError:
        """Return what to answer a message with that the actor had in hand when `error` ended it."""
        name = actor_name(self.kind, self.actor)
        if isinstance(error, trio.Cancelled):
            return ActorStopped(f"{name!r} was stopped before it answered")
        return ActorCrashed(f"{name!r} crashed over the message: {type(error).__name__}: {error}")
