"""What a channel of Zato says, as JSON written by hand from what was observed of one; nothing here is shared with ours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from random import Random
from typing import Any

__all__ = ["ABSENT", "FORBIDDEN", "Frames", "Release", "Shape"]

ABSENT: Any = object()
"""Stands for data that a frame does not have."""

FORBIDDEN = "You are not authorized to access this resource"


class Release(Enum):
    OLD = "3.0"
    NEW = "3.2"


class Shape(Enum):
    """In what a gateway wraps its result; all four have been seen."""

    BARE = "bare"
    GATEWAY = "zato_gateway_response"
    RESPONSE = "response"
    BOTH = "response of zato_gateway_response"

    def wrap(self, result: Any) -> Any:
        match self:
            case Shape.BARE:
                return result
            case Shape.GATEWAY:
                return {"zato_gateway_response": result}
            case Shape.RESPONSE:
                return {"response": result}
            case Shape.BOTH:
                return {"response": {"zato_gateway_response": result}}


class Frames:
    """Makes the text of each frame.

    Args:
        release: Whose shapes they have.
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        self._random = Random("zato")

    def hex_id(self, bits: int = 96) -> str:
        """Return up to 24 digits: leading zeros are dropped."""
        return f"{self._random.getrandbits(bits):x}"

    @staticmethod
    def time() -> str:
        return "2026-01-01T00:00:00.123456"

    @staticmethod
    def text(meta: dict[str, Any], data: Any = ABSENT) -> str:
        """Return indented JSON in which each slash is escaped."""
        document = {"meta": meta} if data is ABSENT else {"meta": meta, "data": data}
        return json.dumps(document, indent=4).replace("/", "\\/")

    def meta(self, msg_type: str, **more: Any) -> dict[str, Any]:
        return {"id": self.hex_id(), "timestamp": self.time(), "msg_type": f"zwsx.{msg_type}", **more}

    def new_token(self) -> str:
        return ("zwsxt." if self.release is Release.NEW else "ws.token.") + self.hex_id()

    def session(self, in_reply_to: str, token: str) -> str:
        return self.text(self.meta("rspa", in_reply_to=in_reply_to, status=200), {"token": token})

    def result(self, in_reply_to: str, data: Any) -> str:
        """The key of a result that is falsy is left out."""
        return self.text(self.meta("rspok", in_reply_to=in_reply_to, status=200), data or ABSENT)

    def error(self, in_reply_to: str, status: int, message: str) -> str:
        meta = self.meta("rsperr", in_reply_to=in_reply_to, status=status, error_message=message)
        return self.text(meta, {"cid": meta["id"]})

    def denial(self) -> str:
        """A refusal of the session, which names no message that it is about."""
        return self.text(self.meta("merr", status=403), FORBIDDEN)

    def request(self, data: Any, message_id: str = "") -> str:
        meta = self.meta("rqc")
        return self.text(meta | {"id": message_id or meta["id"]}, data or ABSENT)

    def ping(self) -> tuple[str, bytes]:
        """Return the id and the payload of a ping: compact JSON."""
        meta = self.meta("rqc")
        return meta["id"], json.dumps({"meta": meta}, separators=(",", ":")).encode()

    def delivery(self, messages: Sequence[dict[str, Any]]) -> str:
        """One message is an object whose id the frame has; several are a list."""
        meta = self.meta("psrq")
        reply_to = [one["ctx"]["reply_to_sk"] for one in messages if "ctx" in one]
        if len(messages) == 1:
            [message] = messages
            context = {"ctx": message["ctx"]} if reply_to else {}
            return self.text(meta | {"id": message["msg_id"], **context}, message)
        return self.text(meta | ({"ctx": {"": reply_to}} if reply_to else {}), list(messages))

    def message(self, topic: str, data: Any, *, sub_key: str, **more: Any) -> dict[str, Any]:
        """Return a message as the release delivers it."""
        old = {"has_gd": True, "is_in_sub_queue": True, "server_name": "server1", "server_pid": 1}
        new = {"recv_time_iso": self.time(), "ext_pub_time_iso": ""}
        return {
            "msg_id": f"zpsm{self.hex_id()}",
            "topic_name": topic,
            "sub_key": sub_key,
            "data": data,
            "size": len(json.dumps(data)),
            "mime_type": "application/json",
            "priority": 5,
            "expiration": 86400,
            "delivery_count": 1,
            "position_in_group": 1,
            "pub_time_iso": self.time(),
            "expiration_time_iso": self.time(),
            "ext_client_id": "",
            **(new if self.release is Release.NEW else old),
            **more,
        }

    def sub_key(self, client_id: str) -> str:
        return f"zpsk.wsx.{client_id}.{self.hex_id(24 if self.release is Release.NEW else 96)}"
