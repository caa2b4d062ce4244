"""What docs/protocol.md says of the native format: its bytes, its kinds and their fields, its states."""

from __future__ import annotations

import json
from itertools import pairwise, product
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from actors import errors
from actors.messages import (
    FEATURES,
    Confirmed,
    CreditLimit,
    Deliver,
    Delivered,
    FailurePart,
    Hello,
    Message,
    Publication,
    Refusal,
    StreamItems,
    Welcome,
)
from actors.topics.publication import Published
from runtime.wire import NativeWire, Role
from runtime.wire.compression import Compressed
from runtime.wire.parts import Drop, Part
from runtime.wire.session import SessionState, State
from tests.docs.markdown import Example, codes, examples, section, table

KINDS: dict[str, type] = {kind.__struct_config__.tag: kind for kind in get_args(Message)}
OF_FRAMES: dict[str, type] = {"part": Part, "drop": Drop, "zstd": Compressed}
"""Kinds that are no messages: the wire sends and takes them by itself."""

STRUCTURES: dict[str, type] = {
    "Confirmed": Confirmed,
    "CreditLimit": CreditLimit,
    "Delivered": Delivered,
    "FailurePart": FailurePart,
    "Publication": Publication,
    "Published": Published,
    "Refusal": Refusal,
}
DUMPS = [(one, after) for one, after in pairwise(examples()) if one.language == "hex"]
NOW = "2026-01-31T12:00:00.000000"


def test_the_dumps_are_there() -> None:
    """A frame of each kind is shown."""
    assert {kind for one, _ in DUMPS for kind in one.said["kind"].split(",")} == {*KINDS, *OF_FRAMES}


@pytest.mark.parametrize(("dump", "decoded"), DUMPS, ids=lambda one: f"{one.said.get('kind', 'decoded')}-{one.line}")
def test_the_dumps(dump: Example, decoded: Example) -> None:
    """The bytes are what the page says that they are, and the other end takes them for just these messages."""
    assert "decoded" in decoded.said
    if dump.said["kind"] in OF_FRAMES:
        check_of_frame(dump, decoded)
        return
    assert msgspec.msgpack.decode(dump.bytes) == decoded.data
    assert msgspec.msgpack.encode(decoded.data) == dump.bytes
    for part, meaning in dump.steps:
        check_step(part, meaning)
    receiver = native(Role.SERVER if dump.said["from"] == "client" else Role.CLIENT, dump.said["kind"])
    messages = receiver.receive(dump.bytes)
    assert [type(message) for message in messages] == [KINDS[kind] for kind in dump.said["kind"].split(",")]
    for message, said in zip(messages, decoded.data, strict=True):
        assert said[0] == type(message).__struct_config__.tag
        assert_begins(values_of(message), said[1:])


def check_of_frame(dump: Example, decoded: Example) -> None:
    """The bytes are what is shown, and the other end takes them, one after the other."""
    assert msgspec.msgpack.encode(msgspec.convert(decoded.data, list[Part | Drop | Compressed])) == dump.bytes
    receiver = native(Role.SERVER, dump.said["kind"])
    if dump.said["kind"] == "drop":
        receiver.receive(msgspec.msgpack.encode([Part(7, 0, b"x", 12)]))
    assert [values_of(one) for one in receiver.receive(dump.bytes)] == [fields[1:] for fields in inflated(dump)]


def inflated(dump: Example) -> Any:
    """Return what the page says that a compressed frame holds; nothing else holds messages."""
    if dump.said["kind"] != "zstd":
        return []
    return next(one for one in examples() if one.line > dump.line and "inflated" in one.said).data


def native(role: Role, kinds: str) -> NativeWire:
    """Return one end of a link, as far along as the kinds need it."""
    wire = NativeWire(role, timestamp=lambda: NOW, max_message_size=1 << 20, compresses=True)
    hello, welcome = Hello("h0"), Welcome("w0", "h0")
    if kinds == "hello":
        return wire
    other = NativeWire(
        Role.CLIENT if role is Role.SERVER else Role.SERVER, timestamp=lambda: NOW, max_message_size=1 << 20
    )
    client, server = (other, wire) if role is Role.SERVER else (wire, other)
    for frame in client.send([hello]):
        server.receive(frame)
    if kinds != "welcome":
        for frame in server.send([welcome]):
            client.receive(frame)
    return wire


def check_step(part: bytes, meaning: str) -> None:
    """An annotation is the value that its bytes stand for, or how many of what follow."""
    if meaning.startswith(("array of ", "map of ")):
        count = int(meaning.rpartition(" ")[2])
        filler = b"\xc0" * count if meaning.startswith("array") else b"".join(b"\xa2%02d\xc0" % n for n in range(count))
        assert len(msgspec.msgpack.decode(part + filler)) == count
    else:
        assert msgspec.msgpack.decode(part) == json.loads(meaning)


def values_of(value: Any) -> Any:
    """Return a message as the page shows it: structures as lists of their fields."""
    if isinstance(value, msgspec.Raw):
        data = msgspec.msgpack.decode(value)
        is_published = isinstance(data, list)  # what is shown of a stream are maps
        return values_of(msgspec.msgpack.decode(value, type=Published)) if is_published else data
    if isinstance(value, msgspec.Struct):
        return [values_of(getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, list | tuple):
        return [values_of(one) for one in value]
    return value


def assert_begins(fields: Any, said: Any) -> None:
    """All that was said is in the fields; what was left out at the end of structures is more."""
    if isinstance(said, list) and isinstance(fields, list):
        assert len(fields) >= len(said)
        for field, one in zip(fields, said, strict=False):
            assert_begins(field, one)
    else:
        assert fields == said


NAMED = {
    str: "text",
    bytes: "bytes",
    int: "int",
    float: "float",
    bool: "bool",
    type(None): "nil",
    msgspec.Raw: "`Published`",
    Any: "any",
}


def type_name(hint: Any) -> str:
    """Return how the page calls a type."""
    arguments = get_args(hint)
    if hint in NAMED:
        return NAMED[hint]
    if hint in STRUCTURES.values():
        return f"`{hint.__name__}`"
    if get_origin(hint) in (Union, UnionType):
        names = [type_name(one) for one in arguments]
        return f"{', '.join(names[:-1])} or {names[-1]}"
    if hint.__origin__ is dict:
        return f"map of {type_name(arguments[0])} to {type_name(arguments[1])}"
    return f"array of {type_name(arguments[0])}"


@pytest.mark.parametrize("name", [*KINDS, *OF_FRAMES, *STRUCTURES])
def test_the_fields_of_each_kind(name: str) -> None:
    """Each kind and structure has its fields in order, with their types and defaults."""
    struct = {**KINDS, **OF_FRAMES, **STRUCTURES}[name]
    heading = f"### `{name}`" if name not in STRUCTURES else f"#### `{name}`"
    hints = get_type_hints(struct)
    expected = []
    for number, one in enumerate(msgspec.structs.fields(struct), start=1):
        hint = hints[one.name]
        if (struct, one.name) == (Deliver, "messages"):
            hint = list[Delivered]  # the maps that it may have instead are in the last column
        if (struct, one.name) == (StreamItems, "items"):
            hint = list[Any]  # which is read when it is asked for
        value = one.default if one.default_factory is msgspec.NODEFAULT else one.default_factory()
        default = "" if value is msgspec.NODEFAULT else "nil" if value is None else f"`{json.dumps(value)}`"
        expected.append([str(number), f"`{one.name}`", type_name(hint), default])
    assert [row[:4] for row in table(section(heading), "#")] == expected


def test_the_features() -> None:
    """Each feature is in the table, under the name by which both ends say that they have it."""
    said = [name for row in table(section("# Part two"), "feature") for name in codes(row[0])]
    for message in (Hello("h", features=list(FEATURES)), Welcome("w", "h", features=list(FEATURES))):
        is_hello = isinstance(message, Hello)
        [frame] = native(*(Role.CLIENT, "hello") if is_hello else (Role.SERVER, "welcome")).send([message])
        [sent] = msgspec.msgpack.decode(frame, type=list[Hello | Welcome])
        assert sorted(sent.features) == sorted(said)


def test_the_kinds_of_failures() -> None:
    """Each error of a call has its name and status in the table."""
    kinds = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.CallError)}
    said = {(kind, int(row[1][:3])) for row in table(section("## Calls"), "kind") for kind in codes(row[0])}
    assert said == {(one.__name__, one.status) for one in kinds - {errors.CallError}}


def test_the_states_of_a_session() -> None:
    """The table lists what each end may send in each state, and nothing else is allowed."""
    said = set()
    for state, who, kinds, after in table(section("# Part two"), "state"):
        roles = ("client", "server") if who == "both" else (who,)
        said |= {(State(state), Role(role), kind, State(after)) for role, kind in product(roles, codes(kinds))}
    found = {(State.OPEN, role, kind, State.OPEN) for role, kind in product(Role, OF_FRAMES)}
    for state, role, (kind, struct) in product(State, Role, KINDS.items()):
        session = SessionState(role)
        session.state = state
        fields = msgspec.structs.fields(struct)
        needed = {one.encode_name: one.name for one in fields if one.required}
        message = struct(
            **{name: [] if name in ("messages", "in_reply_to", "items", "confirmed") else "" for name in needed}
        )
        try:
            found.add((state, role, kind, session.check_send(message)))
        except ValueError:
            continue
    assert said == found
