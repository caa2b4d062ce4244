"""The peers that messages are pushed by, as they are measured: a server, a publisher, and a process for each subscriber."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from attrs import define

from tests.bench.call_rows import NATS
from tests.bench.cpu import CpuMeter
from tests.bench.peer import JETSTREAM, REDIS, Kind, Peer, Setting, program_version
from tests.bench.push import PUBLISHERS, PushRow
from tests.bench.rows import Figure, Load, Row, check_counts
from tests.bench.servers import together


def _core(program: str, folder: Path, port: int) -> Setting:
    folder.mkdir()
    command = [program, "--addr", "127.0.0.1", "--port", str(port)]
    return Setting(command, [f"{program_version(program)}; one publisher, which waits for no confirmation"])


CORE = Kind(NATS, "nats-server", "nats-py", "tests.bench.nats_core_worker", _core)

PUSH_PEERS: dict[str, Kind] = {kind.name: kind for kind in (CORE, JETSTREAM, REDIS)}


@define
class PushPeer(Peer):
    """A server whose last worker publishes while the others consume."""

    def knows(self, row: Row) -> bool:
        """Tell whether the row is about messages that are as safe as those of this peer."""
        return isinstance(row, PushRow) and not row.like and row.is_guaranteed == (self.name != CORE.name)

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return how many messages a second were consumed and acknowledged."""
        assert isinstance(row, PushRow)
        publisher, consumers = self.workers[-1], self.workers[: row.workers]
        messages, groups = row.messages(load), [f"group-{number + 1}" for number in range(row.workers)]
        await publisher.ask(do="prepare", stream=row.name, groups=groups, messages=0)
        meter = CpuMeter([self.server, publisher.pid, *(one.pid for one in consumers)])
        order = {"stream": row.name, "messages": messages}
        answers = await together(
            partial(publisher.ask, do="push", publishers=PUBLISHERS, consumers=row.workers, **order),
            *(
                partial(one.ask, do="consume", group=group, **order)
                for one, group in zip(consumers, groups, strict=True)
            ),
        )
        consumed = [answer for answer in answers if "count" in answer]
        (began_at,) = (answer["began_at"] for answer in answers if "count" not in answer)
        check_counts(consumed, messages)
        ended_at = max(answer["ended_at"] for answer in consumed)
        delivered = row.workers * messages
        return meter.figure(delivered / (ended_at - began_at), delivered)
