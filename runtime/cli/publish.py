"""`isthmus publish`: messages from arguments, a file or standard input."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import trio
from attrs import asdict, define, field, frozen
from cyclopts import Parameter

from actors.errors import InvokeTimeout, NotFound
from runtime.admin.client import AdminClient, NotRunning, connect
from runtime.cli.failure import Failed
from runtime.cli.interrupts import on_interrupt
from runtime.cli.lines import read_lines
from runtime.cli.options import DEFAULT_CONFIG, Cluster, Flag, Json, Topic
from runtime.cli.progress import progress_bar
from runtime.cli.publishing import Item, Publishing
from runtime.cli.reach import data_dir_of, not_running
from runtime.cli.tables import print_json

__all__ = ["publish"]

STANDARD_INPUT = Path("-")

Guaranteed: TypeAlias = Annotated[bool | None, Parameter(negative="--not-guaranteed")]
SubKeys: TypeAlias = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]


def publish(
    cluster: Cluster,
    topic: Topic,
    /,
    *data: str,
    file: Path | None = None,
    as_json: Flag = False,
    msg_id: str | None = None,
    guaranteed: Guaranteed = None,
    priority: int | None = None,
    expiration: int | None = None,
    mime_type: str | None = None,
    correl_id: str | None = None,
    in_reply_to: str | None = None,
    ext_client_id: str | None = None,
    ext_pub_time: str | None = None,
    reply_to_sk: SubKeys = (),
    deliver_to_sk: SubKeys = (),
    user_ctx: str | None = None,
    json_: Json = False,
    config: Path = DEFAULT_CONFIG,
) -> int:
    """Publish messages, from arguments, a file or standard input.

    The ids of those that are arguments are printed, and of lines how many were published. Each that was not published
    is named with the reason, and the status is 1 then. Ctrl-C ends after what is under way, and says how far that is.

    Args:
        cluster: The cluster that has the topic.
        topic: The topic's name.
        data: The messages, each an argument; without any, the lines of standard input.
        file: A file with a message a line; - is standard input.
        as_json: Each message is JSON, and not text.
        msg_id: Its id; of several messages ID-1, ID-2 and so on by their lines, so that to publish them again
            publishes only those that are missing.
        guaranteed: On disk before it counts as published; else what the topic says.
        priority: From 1 to 9, the most urgent.
        expiration: In how many seconds it expires.
        mime_type: The type of its data.
        correl_id: The correlation id.
        in_reply_to: The message that it answers.
        ext_client_id: Who says so elsewhere.
        ext_pub_time: When it was published elsewhere, such as 2026-01-31T12:00:00.
        reply_to_sk: A subscription that answers go to; may be given several times.
        deliver_to_sk: The only subscription that it goes to; may be given several times.
        user_ctx: What else subscribers are told, as JSON.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    if data and file is not None:
        raise Failed("there are messages as arguments and in a file; say one of the two", status=2)
    given = {
        "msg_id": msg_id,
        "has_gd": guaranteed,
        "priority": priority,
        "expiration": expiration,
        "mime_type": mime_type,
        "correl_id": correl_id,
        "in_reply_to": in_reply_to,
        "ext_client_id": ext_client_id,
        "ext_pub_time": ext_pub_time,
        "reply_to_sk": list(reply_to_sk) or None,
        "deliver_to_sk": list(deliver_to_sk) or None,
        "user_ctx": _read_json(user_ctx),
    }
    options = {name: value for name, value in given.items() if value is not None}
    run = _Run(
        Publishing(topic, options, as_json, is_numbered=len(data) != 1),
        data_dir_of(config, cluster),
        shows_ids=bool(data),
        as_json=json_,
    )
    with _source(data, file) as source:
        try:
            trio.run(run.publish, source)
        except NotRunning as error:
            if not run.has_begun:
                raise not_running(cluster) from None
            run.why_ended = f"cluster {cluster!r} went away: {error}"
    return run.report()


def _read_json(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise Failed(f"--user-ctx: not JSON: {error}", status=2) from None


@frozen
class _Read:
    """What was read at once: items, blank lines beside them, how many bytes that was, and of how many, if known."""

    items: Sequence[Item]
    blank: int = 0
    size: int = 0
    total: int = 0


Source: TypeAlias = AsyncGenerator[_Read, None]


@contextmanager
def _source(data: Sequence[str], file: Path | None) -> Iterator[Source]:
    if data:
        yield _arguments(data)
        return
    if file is None and sys.stdin.isatty():
        raise Failed("isthmus: DATA is missing; see: isthmus publish --help", status=2)
    if file is None or file == STANDARD_INPUT:
        yield _lines(0, "line ")
        return
    try:
        opened = file.open("rb", buffering=0)
    except OSError as error:
        raise Failed(f"{file}: cannot be read: {error.strerror or error}", status=2) from None
    with opened:
        yield _lines(opened.fileno(), f"{file}:")


async def _arguments(data: Sequence[str]) -> Source:
    await trio.lowlevel.checkpoint()
    yield _Read([Item(f"message {number}", number, text) for number, text in enumerate(data, start=1)])


async def _lines(descriptor: int, place: str) -> Source:
    facts = os.fstat(descriptor)
    total = facts.st_size if stat.S_ISREG(facts.st_mode) else 0
    async for lines, size in read_lines(descriptor):
        wanted = [one for one in lines if one.text is None or one.text.strip()]
        items = [Item(f"{place}{one.number}", one.number, one.text, one.problem) for one in wanted]
        yield _Read(items, len(lines) - len(items), size, total)


@define
class _Run:
    """One run of the command.

    Args:
        publishing: What became of messages.
        data_dir: Where the cluster is.
        shows_ids: Whether each message's id is printed.
        as_json: Whether JSON is.
    """

    publishing: Publishing
    data_dir: Path
    shows_ids: bool
    as_json: bool
    has_begun: bool = False
    blank: int = 0
    why_ended: str = ""
    """Why not all was read, where that is so."""
    _reading: trio.CancelScope = field(factory=trio.CancelScope)
    _all: trio.CancelScope = field(factory=trio.CancelScope)

    async def publish(self, source: Source) -> None:
        """Publish what a source gives, until it ends or somebody interrupts."""
        async with connect(self.data_dir) as admin:
            self.has_begun = True
            with self._all, on_interrupt(self._interrupt), progress_bar() as on_step:
                done = 0
                async with aclosing(source):
                    while (read := await self._next(source)) is not None:
                        done += read.size
                        self.blank += read.blank
                        await self._publish(admin, read.items)
                        on_step(f"{len(self.publishing.msg_ids)} published", done, read.total)

    async def _next(self, source: Source) -> _Read | None:
        """Return what comes next; None at the end, which is also when nothing more is wanted."""
        if self.why_ended:
            return None
        with trio.CancelScope() as self._reading:
            return await anext(source, None)
        return None

    def _interrupt(self) -> None:
        """Read no more; the second time, do not wait for what is under way either."""
        if self.why_ended:
            self._all.cancel()
        self.why_ended = "interrupted"
        self._reading.cancel()

    async def _publish(self, admin: AdminClient, items: Sequence[Item]) -> None:
        """Publish items; what was not published is named at once."""
        if not items:
            return
        begun, named = len(self.publishing.msg_ids), len(self.publishing.unpublished)
        try:
            await self.publishing.publish(admin, items)
        except (InvokeTimeout, NotFound) as error:
            self.why_ended = str(error)
        finally:
            for one in self.publishing.unpublished[named:]:
                print(one, file=sys.stderr)  # noqa: T201
        if self.shows_ids and not self.as_json:
            for msg_id in self.publishing.msg_ids[begun:]:
                print(msg_id)  # noqa: T201

    def report(self) -> int:
        """Print what was published and what was not; return the exit status."""
        publishing = self.publishing
        if self.as_json:
            print_json(
                {
                    "published": len(publishing.msg_ids),
                    "msg_ids": publishing.msg_ids,
                    "skipped": publishing.skipped,
                    "blank": self.blank,
                    "failed": [asdict(one) for one in publishing.unpublished],
                    "ended_early": self.why_ended,
                }
            )
        elif not self.shows_ids:
            print(self._counts())  # noqa: T201
        if self.why_ended:
            last = publishing.last_place
            raise Failed(
                f"{self.why_ended}; {f'the last that was sent is {last}' if last else 'nothing was published'}"
            )
        return 1 if publishing.unpublished else 0

    def _counts(self) -> str:
        counts = {"published": len(self.publishing.msg_ids), "skipped by a hook": self.publishing.skipped}
        counts |= {"not published": len(self.publishing.unpublished), "blank": self.blank}
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "published")
