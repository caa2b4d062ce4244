"""Feeds both wires, in both roles and in every state of the session."""

from __future__ import annotations

import time
from typing import Any, get_args

from actors.messages import CREDIT, CreditLimit, Deliver, Denied, Goodbye, Hello, Invoke, Message, Reply, Welcome
from runtime.wire import Frame, NativeWire, Role, Violation, ZatoClientWire, ZatoServerWire
from tests.fuzzing.inputs import FORMATS, ROLES, Inputs
from tests.fuzzing.report import Report
from tests.planted import PASSWORD

__all__ = ["STATES", "check", "fuzz_wires", "make_wire"]

STATES = ("new", "greeted", "open", "closed")
TOKEN = "zwsxt.1"
TAKEN = CreditLimit(20, 1 << 20)
"""Credit of each end, which inputs that are not answered use up."""
NOW = "2018-09-03T10:49:00.540024"
SLOW = 2.0
MESSAGES = get_args(Message)
MOST_REMEMBERED = 10_000


def make_wire(format_: str, role: str, state: str) -> Any:
    """Return one end of a link whose session is in a state."""
    wires: dict[str, Any] = {one: _new_wire(format_, one) for one in ROLES}

    def carry(sender: str, *messages: Message) -> None:
        receiver = wires["server" if sender == "client" else "client"]
        for frame in wires[sender].send(messages):
            receiver.receive(frame)

    if state != "new":
        hello = Hello("h1", username="apac", secret=PASSWORD, features=[CREDIT], requests=TAKEN, deliveries=TAKEN)
        carry("client", hello)
    if state in ("open", "closed"):
        carry("server", Welcome("w1", "h1", token=TOKEN, features=[CREDIT], requests=TAKEN))
    if state == "open":
        carry("server", *(Invoke(f"m{number}", None) for number in range(5)))
        carry("server", *(Deliver(f"m{number}", "zpsk.1", []) for number in range(5, 10)))
    if state == "closed":
        ended = Goodbye(1000) if format_ == "native" else Denied("d1", "no")
        carry("server", ended)
    return wires[role]


def _new_wire(format_: str, role: str) -> Any:
    if format_ == "native":
        return NativeWire(Role(role), timestamp=lambda: NOW, max_message_size=1 << 20, compresses=True)
    if role == "client":
        return ZatoClientWire(timestamp=lambda: NOW)
    return ZatoServerWire(timestamp=lambda: NOW, now=lambda: 0.0, token_ttl=3600.0)


def check(wire: Any, frame: Frame) -> list[str]:
    """Feed a wire one input and answer what it gives, as a session would; return what came out.

    Raises:
        AssertionError: When that is anything but messages and violations, or the wire remembers without bound.
    """
    outcomes = []
    for item in wire.receive(frame):
        assert isinstance(item, (Violation, *MESSAGES)), f"{type(item).__name__} out of receive"
        outcomes.append(type(item).__name__)
        answer: Any = None
        if isinstance(item, Violation):
            assert isinstance(item.reason, str)
            answer = item.answer
        elif isinstance(item, Invoke):
            answer = Reply("r1", item.id, item.data)
        elif isinstance(item, Hello):
            answer = Welcome("w1", item.id, token=TOKEN)
        if answer is not None:
            try:
                frames = wire.send([answer])
            except (ValueError, TypeError):  # what `Wire.send` may raise
                frames = []
            assert all(isinstance(one, str | bytes) for one in frames)
    for table in ("_deliveries", "_requests", "_gateway_calls", "_tokens"):
        assert len(getattr(wire, table, ())) <= MOST_REMEMBERED, f"{table} grows without bound"
    return outcomes or ["nothing"]


def fuzz_wires(inputs: Inputs, report: Report, count: int) -> None:
    """Feed each wire, role and state so many inputs; a wire lives for all of them."""
    for format_ in FORMATS:
        for role in ROLES:
            for state in STATES:
                wire = make_wire(format_, role, state)
                for _ in range(count):
                    kind, frame = inputs.next(format_, role, TOKEN)
                    target = f"wire {format_} {role} {state}"
                    report.inputs[target] += 1
                    report.kinds[kind] += 1
                    began = time.perf_counter()
                    try:
                        outcomes = check(wire, frame)
                    except Exception as error:
                        report.problems.append(f"{target}: {type(error).__name__}: {error}: {frame[:300]!r}")
                        return
                    took = time.perf_counter() - began
                    report.took(took, f"{target}, {kind}")
                    if took > SLOW:
                        report.problems.append(f"{target}: {took:.1f} s for {frame[:300]!r}")
                    report.outcomes.update(outcomes)
                    if state == "open" and (wire._session.is_closed or getattr(wire, "_is_over", False)):
                        wire = make_wire(format_, role, state)
