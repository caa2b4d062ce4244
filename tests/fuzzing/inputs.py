"""What the fuzzer sends, decided by a seed: nonsense, and messages that are right but for something."""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Callable
from typing import Any

import msgspec

from actors.messages import (
    CREDIT,
    Acknowledge,
    Cancel,
    Confirm,
    Confirmed,
    Credit,
    CreditLimit,
    Deliver,
    Denied,
    Extend,
    Failure,
    FailurePart,
    Goodbye,
    Hello,
    Invoke,
    Message,
    OpenStream,
    Publication,
    PublishTo,
    Refuse,
    Reply,
    StreamEnd,
    StreamItems,
    SubscribeTo,
    UnsubscribeFrom,
    Welcome,
)
from runtime.wire import Frame
from runtime.wire.compression import Compressed, zstd
from tests.planted import PASSWORD

__all__ = ["FORMATS", "ROLES", "Inputs"]

FORMATS = ("zato", "native")
ROLES = ("client", "server")
NOW = "2018-09-03T10:49:00.540024"
PLACE = "@@here@@"

ODD_JSON = (
    "null",
    "true",
    "0",
    "-1",
    "18446744073709551616",
    "1" + "0" * 400,
    "1" + "0" * 5000,
    "1e308",
    "1e999",
    "-0.0",
    "NaN",
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"' + "x" * 300 + '"',
    '"' + "x" * 20_000 + '"',
    '"ä\u202e\U0001f600"',
    "[]",
    "{}",
    '[["a"], {"b": null}]',
    '{"": {"": []}}',
    "[" * 700 + "]" * 700,
    "[" * 5000 + "]" * 5000,
    '{"a":' * 700 + "1" + "}" * 700,
    "[" + "0," * 5000 + "0]",
    '"create-session"',
    '"client-response"',
    '"zwsx.rspa"',
    '"zwsx.merr"',
    '"a=1;b=true\\n#c;=;;=="',
)
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("demo.echo", {"a": [1, "x"]}),
    ("zato.ping", {}),
    ("zato.pubsub.pubapi.publish-message", {"topic_name": "/order/new", "data": "x", "priority": 5, "expiration": 60}),
    ("zato.pubsub.pubapi.publish-message", {"topic_name": "/order/new", "data": {"a": 1}, "msg_id": "id1"}),
    ("zato.pubsub.pubapi.subscribe-wsx", {"topic_name": "/customer/new", "unsub_on_wsx_close": True}),
    ("zato.pubsub.subscription.create-wsx-subscription", {"topic_name": "/customer/new", "ack_timeout": 5.0}),
    ("zato.pubsub.subscription.create-wsx-subscription", {"topic_name_list": ["/customer/new"]}),
    ("zato.pubsub.pubapi.unsubscribe", {"topic_name": "/customer/new", "sub_key": "zpsk.1"}),
    ("zato.pubsub.pubapi.get-messages", {"topic_name": "/customer/new", "sub_key": "zpsk.1", "limit": 5}),
    ("zato.pubsub.resume-wsx-subscription", {"sub_key": "zpsk.1"}),
)
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    2**64 - 1,
    float("inf"),
    float("nan"),
    "",
    "x" * 300,
    "x" * 20_000,
    b"\x00\xff",
    [],
    {},
    [[]] * 50,
    {"a": {1: 2}},
    ["hello"],
    msgspec.msgpack.Ext(5, b"x"),
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
)


class Inputs:
    """Makes inputs, the same ones for the same seed.

    Args:
        seed: Decides them.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._kinds: tuple[tuple[str, Callable[[str, str, str], Frame]], ...] = (
            ("random bytes", lambda _format, _role, _token: self._random.randbytes(self._length())),
            ("random text", lambda _format, _role, _token: self._text()),
            ("random data", self._random_data),
            ("deep nesting", self._deep),
            ("wrong type in a field", self._wrong_type),
            ("field left out or added", self._other_fields),
            ("odd value deep inside", self._odd_inside),
            ("mutated bytes", self._mutated),
            ("cut off", self._cut),
            ("compressed", self._compressed),
            ("as it should be", self._valid),
        )

    def next(self, format_: str, role: str, token: str = "") -> tuple[str, Frame]:
        """Return a kind and an input for an end of this role, which may bear the token of its session."""
        kind, make = self._random.choice(self._kinds)
        return kind, make(format_, role, token)

    def chance(self, probability: float) -> bool:
        """Return true as often as said."""
        return self._random.random() < probability

    def number(self, low: int, high: int) -> int:
        """Return a number between the two."""
        return self._random.randint(low, high)

    def _length(self) -> int:
        return self._random.choice((0, 1, 2, 10, 100, 1000, 10_000))

    def _text(self) -> str:
        alphabet = '{}[]":,\\ntruefalsenull0123456789.eE-+ \x00é\u2028\U0001f600meta"id"data'
        return "".join(self._random.choices(alphabet, k=self._length()))

    def _random_data(self, format_: str, _role: str, _token: str) -> Frame:
        data = self._data(4)
        return json.dumps(data) if format_ == "zato" else msgspec.msgpack.encode([data])

    def _data(self, depth: int) -> Any:
        choice = self._random.randrange(8 if depth else 6)
        match choice:
            case 6:
                return [self._data(depth - 1) for _ in range(self._random.randrange(5))]
            case 7:
                return {self._text()[:8]: self._data(depth - 1) for _ in range(self._random.randrange(5))}
        return self._random.choice((None, True, self._random.randrange(-(2**40), 2**40), self._random.random(), "id"))

    def _deep(self, format_: str, _role: str, _token: str) -> Frame:
        depth = self._random.choice((100, 500, 900, 1100, 20_000))
        if format_ == "zato":
            opening, closing = self._random.choice((("[", "]"), ('{"meta":', "}")))
            return opening * depth + "1" + closing * self._random.choice((depth, 0))
        return self._random.choice((b"\x91", b"\x81\xa1a")) * depth + b"\xc0"

    # Messages that are right but for something

    def _request(self) -> dict[str, Any]:
        service, request = self._random.choice(REQUESTS)
        return {"service": service, "request": dict(request)}

    def _odd_inside(self, format_: str, role: str, token: str) -> Frame:
        """Put an odd value somewhere into a request, or into a message that is delivered."""
        if role == "server":
            data: Any = self._request()
            inner, action = data["request"], "invoke-service"
        else:
            inner, action = {"msg_id": "m1", "sub_key": "zpsk.1", "data": "x", "topic_name": "/a", "priority": 5}, ""
            data = [inner]
        key = self._random.choice([*inner, "other"])
        if format_ == "zato":
            inner[key] = PLACE
            meta = {"id": "m1", "timestamp": NOW, "token": token, "action": action, "msg_type": "zwsx.psrq"}
            return json.dumps({"meta": meta, "data": data}).replace(f'"{PLACE}"', self._random.choice(ODD_JSON))
        inner[key] = self._random.choice(ODD_VALUES)
        message = Invoke("m1", data) if role == "server" else Deliver("m1", "zpsk.1", data, ack_timeout=1.0)
        return msgspec.msgpack.encode([message])

    def _document(self, role: str, token: str) -> dict[str, Any]:
        """Return a message of Zato's that an end of this role may be sent."""
        number = f"m{self._random.randrange(1000)}"
        meta: dict[str, Any] = {"id": number, "timestamp": NOW, "in_reply_to": f"m{self._random.randrange(1000)}"}
        if role == "server":
            action = self._random.choice(("create-session", "invoke-service", "client-response", "other"))
            meta |= {"action": action, "token": token, "client_id": "c", "client_name": {"a": 1}, "attrs": "a=1"}
            meta |= {"username": "apac", "secret": PASSWORD} if action == "create-session" else {}
            return {"meta": meta, "data": {**self._request(), "response": 1}}
        kind = self._random.choice(("zwsx.rspa", "zwsx.rspok", "zwsx.rsperr", "zwsx.rqc", "zwsx.psrq", "other"))
        if kind in ("zwsx.rqc", "zwsx.psrq"):
            del meta["in_reply_to"]
        meta |= {"msg_type": kind, "status": self._random.choice((200, 404, "200"))}
        message = {"msg_id": number, "sub_key": "zpsk.1", "data": "x", "topic_name": "/a"}
        data: Any = [message, message] if kind == "zwsx.psrq" else {"token": "zwsxt.1", "sub_data": "[{'a': 1}]"}
        return {"meta": meta, "data": data}

    def _native(self, role: str) -> list[Message]:
        """Return messages that an end of this role may be sent."""
        number, answered = f"m{self._random.randrange(1000)}", f"m{self._random.randrange(1000)}"
        either: list[Message] = [
            Invoke(number, self._request(), timeout=5.0, cid=number),
            Reply(number, answered, {"a": 1}),
            Failure(number, answered, 404, "no", "NotFound"),
            Failure(number, answered, 500, "no", "", details={"a": 1}, parts=[FailurePart(404, "no")]),
            Cancel(answered),
            Credit("", self._random.choice((0, 1, 2**53 - 1)), 1000),
        ]
        if role == "server":
            hello = Hello(number, username="apac", secret=PASSWORD, cluster="x", connection="y", incarnation="z")
            if self.chance(0.5):
                few = CreditLimit(self._random.choice((0, 1, 2**53 - 1)), self._random.choice((0, 1000)))
                hello = msgspec.structs.replace(hello, features=[CREDIT], requests=few, deliveries=few)
            stream = {"service": "demo.counts", "request": self._random.choice((0, 3, 1000, -1))}
            either += [
                OpenStream(number, stream, timeout=5.0, count=self._random.choice((0, 1, 128)), bytes=1000),
                Credit(answered, self._random.choice((0, 1, 2**53 - 1)), self._random.choice((0, 100, 2**53 - 1))),
            ]
            topic = self._random.choice(("/order/new", "/customer/new", "/unknown", ""))
            options = self._random.choice(({}, {"priority": 9}, {"priority": 0}, {"msg_id": "id1"}, {"other": [1]}))
            publications = [Publication("x", options)] * self._random.choice((0, 1, 3))
            either += [
                PublishTo(number, publications, timeout=5.0, cid=number, topic=topic),
                SubscribeTo(number, [topic], timeout=5.0, options=options),
                UnsubscribeFrom(number, topic, sub_key="zpsk.1"),
            ]
            either += [hello, Acknowledge(number, answered), Refuse(number, answered, "no"), Extend([answered])]
        else:
            one = {"msg_id": number, "sub_key": "zpsk.1", "data": "x"}
            either += [Deliver(number, "zpsk.1", [one, one]), Welcome(number, answered, token="t")]
            items = [msgspec.Raw(msgspec.msgpack.encode(item)) for item in ({"a": 1}, None, "x")]
            ids = self._random.choice(([], ["zpsm1"], [None, "zpsm1"]))
            either += [StreamItems(answered, items), StreamEnd(number, answered)]
            either += [Confirm([Confirmed(answered, ids), Confirmed(number, ids)])]
        if self.chance(0.02):
            either = [Goodbye(1000, "bye"), Denied(number, "no")]
        return self._random.sample(either, k=self._random.randint(1, min(3, len(either))))

    def _valid(self, format_: str, role: str, token: str) -> Frame:
        if format_ == "native":
            return msgspec.msgpack.encode(self._native(role))
        text = json.dumps(self._document(role, token))
        return text.encode() if self.chance(0.2) else text

    def _wrong_type(self, format_: str, role: str, token: str) -> Frame:
        if format_ == "native":
            messages: list[Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(self._native(role)))
            fields = self._random.choice(messages)
            fields[self._random.randrange(len(fields))] = self._random.choice(ODD_VALUES)
            return msgspec.msgpack.encode(messages)
        document = self._document(role, token)
        if self.chance(0.7):
            document["meta"][self._random.choice(list(document["meta"]))] = PLACE
        else:
            document[self._random.choice(list(document))] = PLACE
        return json.dumps(document).replace(f'"{PLACE}"', self._random.choice(ODD_JSON))

    def _other_fields(self, format_: str, role: str, token: str) -> Frame:
        if format_ == "native":
            messages: list[Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(self._native(role)))
            fields = self._random.choice(messages)
            if self.chance(0.5):
                del fields[self._random.randrange(len(fields)) :]
            else:
                fields += [self._random.choice(ODD_VALUES)] * self._random.randint(1, 5)
            return msgspec.msgpack.encode(messages)
        document = self._document(role, token)
        part = document["meta"] if self.chance(0.7) else document
        if self.chance(0.7):
            del part[self._random.choice(list(part))]
        else:
            part[self._text()[:20]] = self._data(2)
        return json.dumps(document)

    def _mutated(self, format_: str, role: str, token: str) -> Frame:
        raw = bytearray(self._bytes(format_, role, token))
        for _ in range(self._random.randint(1, 8)):
            place = self._random.randrange(len(raw) + 1)
            match self._random.randrange(3):
                case 0:
                    raw[place : place + 1] = self._random.randbytes(1)
                case 1:
                    raw[place : place + self._random.randint(0, 4)] = b""
                case _:
                    raw[place:place] = self._random.randbytes(self._random.randint(1, 4))
        return bytes(raw)

    def _cut(self, format_: str, role: str, token: str) -> Frame:
        raw = self._bytes(format_, role, token)
        return raw[: self._random.randrange(len(raw))]

    def _compressed(self, format_: str, role: str, token: str) -> Frame:
        """Compress messages, or what is none, well or not; on Zato's wire it is as random as anything."""
        inner = b"\0" * (1 << 22) if self.chance(0.05) else self._bytes(format_, role, token) * self.number(1, 3)
        raw = bytearray(zstd.compress(inner, 1))
        if self.chance(0.5):
            raw[self.number(0, len(raw) - 1)] = self.number(0, 255)
        data = bytes(raw[: self.number(0, len(raw))] if self.chance(0.1) else raw)
        return msgspec.msgpack.encode([Compressed(data)] * (2 if self.chance(0.05) else 1))

    def _bytes(self, format_: str, role: str, token: str) -> bytes:
        frame = self._valid(format_, role, token)
        return frame.encode() if isinstance(frame, str) else frame
