"""What docs/protocol.md says of both formats and of Zato's: its frames go through the wires, its tables are the code's."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import attrs
import msgspec

import actors
import runtime
from actors import errors, failures
from actors.builtin.gateway import ALWAYS_ALLOWED
from actors.builtin.pubsub import ORDINARY_LIMIT
from actors.messages import (
    Deliver,
    Denied,
    Failure,
    Hello,
    Invoke,
    Message,
    Reply,
    Welcome,
)
from actors.settings import ChannelSettings, Compat, DeliverySettings, OutgoingSettings
from actors.streams import flow, outlet
from actors.topics.publication import NEVER, Published
from actors.topics.publish_options import MAX_MSG_ID, OPTIONS
from actors.topics.received import delivered
from actors.topics.topic_access import MAX_HANDED_OUT
from runtime.listening import _COMPAT_PING, _NATIVE_PING
from runtime.transport.options import CLOSE_TIMEOUT, GOODBYE_TIMEOUT
from runtime.transport.pacer import OVER_LIMIT_TIMEOUT
from runtime.wire import Violation, ZatoClientWire, ZatoServerWire
from runtime.wire.parts import MAX_IN_PARTS, PART_TIMEOUT
from runtime.wire.session import MAX_ID
from runtime.wire.zato.frames import _MOST_REMEMBERED
from runtime.wire.zato.server import _KEPT_TOKENS
from tests.docs.markdown import TEXT, Example, codes, examples, section, table

KINDS: dict[str, type] = {kind.__struct_config__.tag: kind for kind in get_args(Message)}
JSON_FRAMES = [one for one in examples() if one.language == "json" and "from" in one.said]
NOW = "2026-01-31T12:00:00.000000"
SECRET = "the password"


def zato_ends() -> tuple[ZatoClientWire, ZatoServerWire]:
    return (
        ZatoClientWire(timestamp=lambda: NOW),
        ZatoServerWire(timestamp=lambda: NOW, now=lambda: 0.0, token_ttl=3600.0),
    )


def opened() -> tuple[ZatoClientWire, ZatoServerWire]:
    """Return both ends of a link with a session."""
    client, server = zato_ends()
    for frame in client.send([Hello("c.0")]):
        server.receive(frame)
    for frame in server.send([Welcome("s.0", "c.0", token="zwsxt.0")]):
        client.receive(frame)
    return client, server


# Part one


def test_the_examples_are_there() -> None:
    """A frame of each kind that the format has is shown."""
    kinds = {one.said["kind"] for one in JSON_FRAMES if "kind" in one.said}
    assert kinds == {"hello", "welcome", "denied", "invoke", "reply", "failure", "deliver", "acknowledge"}


def test_the_json_frames_are_one_conversation() -> None:
    """Each frame, in the order of the page, is understood by the other end, which would say the same itself."""
    client, server = zato_ends()
    for example in JSON_FRAMES:
        ends = opened() if "fresh" in example.said else (client, server)
        if example.said["from"] == "client":
            check_client_frame(example, *ends)
        else:
            check_server_frame(example, *ends)


def check_client_frame(example: Example, client: ZatoClientWire, server: ZatoServerWire) -> None:
    frame = example.data
    [message] = server.receive(example.text)
    if "violation" in example.said:
        assert isinstance(message, Violation), example
        assert message.answer is not None
        assert message.answer.status == int(example.said["violation"])  # type: ignore[union-attr]
        assert (message.close_code or 0) == int(example.said.get("close", 0))
        return
    check_kind(example, message)
    match message:
        case Hello():
            assert (message.username, message.secret) == ("apac", SECRET)
            assert message.client_id == frame["meta"]["client_id"]
            assert message.attrs == ({"role": "till", "floor": 2} if "attrs" in frame["meta"] else {})
        case Invoke():
            assert (message.data, message.cid) == (frame["data"], frame["meta"]["id"])
        case Reply():
            assert message.data == frame["data"]["response"]
    [own] = map(json.loads, client.send([message]))
    assert own["meta"]["token"] == frame["meta"].get("token", own["meta"]["token"])
    assert own["meta"]["action"] == frame["meta"]["action"]
    assert own.get("data") == frame.get("data", own.get("data"))


def check_server_frame(example: Example, client: ZatoClientWire, server: ZatoServerWire) -> None:
    frame = example.data
    [message] = client.receive(example.text)
    check_kind(example, message)
    match message:
        case Welcome():
            assert message.token == frame["data"]["token"]
        case Denied():
            assert (message.reason, message.status) == (frame["data"], frame["meta"]["status"])
        case Reply():
            assert message.data == frame["data"]["response"]["zato_gateway_response"]
            message = msgspec.structs.replace(message, data=frame["data"])  # the gateway wraps it
        case Failure():
            assert (message.status, message.message) == (frame["meta"]["status"], frame["meta"]["error_message"])
        case Invoke():
            assert message.data == frame["data"]
        case Deliver():
            assert (message.messages, message.sub_key) == (frame["data"], frame["data"][0]["sub_key"])
    assert [json.loads(one) for one in server.send([message])] == [frame]


def check_kind(example: Example, message: Any) -> None:
    """The message is of the kind that the page says, with the ids of the frame."""
    assert isinstance(message, KINDS[example.said["kind"]]), (str(example), message)
    meta = example.data["meta"]
    assert message.id == meta["id"]  # type: ignore[attr-defined]
    assert message.timestamp == meta["timestamp"]  # type: ignore[attr-defined]
    if "in_reply_to" in meta and not isinstance(message, Denied):
        assert message.in_reply_to == meta["in_reply_to"]  # type: ignore[attr-defined]


def test_the_keys_of_a_message() -> None:
    """The table has each key that on_message gets, and which of them a 3.0 channel sends."""
    published = Published(
        "/t",
        "zpsm1",
        {"a": 1},
        7,
        5,
        NEVER,
        True,
        "application/json",
        0.0,
        0.0,
        "c",
        "i",
        "e",
        NOW,
        ("k",),
        1,
        "/o",
        "r",
    )
    rows = table(section("### Deliveries"), "key")
    newest = {key for row in rows for key in codes(row[0])}
    assert newest == set(delivered(published, "k", 1, ""))
    assert {key for row in rows if row[2] == "yes" for key in codes(row[0])} == set(delivered(published, "k", 1, "3.0"))
    example = next(one for one in JSON_FRAMES if one.said.get("kind") == "deliver")
    assert set(example.data["data"][0]) < newest


def test_the_statuses() -> None:
    """Each status that an error of a call has is in the table."""
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.CallError)]
    said = {int(number) for row in table(section("## Invoking"), "status") for number in row[0].split(", ")}
    assert said == {422, *(one.status for one in kinds)}


def test_the_services_of_a_gateway() -> None:
    """What is always allowed is named, and so is each option of publishing and subscribing."""
    assert set(codes(section("## Invoking").partition("always these:")[2].partition("\n\n")[0])) == ALWAYS_ALLOWED
    rows = {codes(row[0])[0]: codes(row[1]) for row in table(section("## Publish and subscribe"), "service")}
    assert set(rows["zato.pubsub.pubapi.publish-message"]) == {"topic_name", "data", *OPTIONS}
    assert set(rows["zato.pubsub.subscription.create-wsx-subscription"]) == {
        "topic_name",
        "topic_name_list",
        "unsub_on_wsx_close",
        "label",
        *(one.name for one in attrs.fields(DeliverySettings)),
    }
    assert set(rows) == ALWAYS_ALLOWED - {"zato.ping"}
    assert f"1 to {MAX_HANDED_OUT:,}, {ORDINARY_LIMIT}" in TEXT


# Both parts


def test_the_limits() -> None:
    """Each limit has the default of the code, and no limit of a channel is left out."""
    fixed = {
        "characters of a message's id": MAX_ID,
        "seconds for a close frame": CLOSE_TIMEOUT,
        "seconds from a goodbye to the close frame": GOODBYE_TIMEOUT,
        "tokens of a session not used yet": _KEPT_TOKENS,
        "ids remembered a session": _MOST_REMEMBERED,
        "characters of a published msg_id": MAX_MSG_ID,
        "seconds over the limits of a second": OVER_LIMIT_TIMEOUT,
        "frames in parts at a time": MAX_IN_PARTS,
        "seconds to the next part of a frame": int(PART_TIMEOUT),
        "items of a stream granted at first": flow.MAX_ITEMS,
        "bytes of a stream granted at first": flow.MAX_BYTES,
        "items of a stream in one answer": outlet.MAX_LISTED,
        "bytes of a stream in one answer": outlet.MAX_LISTED_BYTES,
        "groups of errors within each other": failures.MAX_DEPTH,
        "errors of a group, inner ones included": failures.MAX_PARTS,
        "characters of an error's text": failures.MAX_TEXT,
        "characters of all texts of a failure": failures.MAX_CHARACTERS,
        "bytes of an error's details": failures.MAX_DETAILS,
    }
    settings: dict[str, type] = {"channel": ChannelSettings, "outgoing": OutgoingSettings}
    seen = set()
    for limit, owner, default, beyond in table(section("## Limits"), "limit"):
        name = limit.strip("`")
        if owner == "fixed":
            expected: Any = fixed.pop(name)
        else:
            expected = attrs.fields_dict(settings[owner])[name].default
            if expected is None:
                number = ("ping_interval", "pings_missed_threshold").index(name)
                expected = _NATIVE_PING[number]
                assert f'{_COMPAT_PING[number]:g} with `compat = "{Compat.ZATO_3_0.value}"`' in beyond
            seen.add((owner, name))
        assert float(default) == expected, name
    assert not fixed
    limits = {one.name for one in attrs.fields(ChannelSettings) if one.name.startswith(("max_", "ping"))}
    assert {name for owner, name in seen if owner == "channel"} >= {
        name for name in limits if not name.startswith(("max_len", "max_bytes"))
    }


def integers() -> Iterator[int]:
    """Give all whole numbers that the code has."""
    for package in (actors, runtime):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and type(node.value) is int:
                    yield node.value


def test_the_close_codes() -> None:
    """Each close code that the code knows is in the table, and no others."""
    assigned = {*range(1001, 1016), *range(4000, 4096)}  # 1000 is a number of many things, and 4096 a size
    assert {int(row[0]) for row in table(section("## Transport"), "code")} == {1000, *assigned.intersection(integers())}
