"""The administrative service that shows the last messages of a session."""

from __future__ import annotations

from typing import Any

from attrs import asdict

from actors.builtin.gateway import ADMIN_PREFIX
from actors.channels.message_log import Direction, LoggedMessage, MessageLog, MessageLogs
from actors.errors import BadInput, NotFound
from actors.services.service import Service

__all__ = ["message_log_services"]

_MOST_MESSAGES = 10_000
_MOST_BYTES = 4 * 1024 * 1024


def message_log_services(logs: MessageLogs) -> tuple[type[Service], ...]:
    """Return the services that look into the logs of a cluster's sessions."""

    class ShowMessageLog(Service):
        """Shows the last messages of a session, or which sessions have a log."""

        name = f"{ADMIN_PREFIX}message-log"

        async def handle(self, request: dict[str, Any] | None) -> Any:
            """Return the messages of `session`, the oldest first; without it, how many each session has had.

            `direction` is `sent` or `received`, `limit` how many of the last ones, `max_bytes` of each at most.
            """
            given = request or {}
            session = given.get("session")
            if session is None:
                return [{"session": name, **_counts(log)} for name, log in sorted(logs.by_session.items())]
            name, log = _find(logs, str(session))
            limit = _number(given, "limit", 100, _MOST_MESSAGES)
            max_bytes = _number(given, "max_bytes", 2000, _MOST_BYTES)
            chosen = [one for one in log.messages() if _is_wanted(one, given.get("direction"))]
            return {"session": name, **_counts(log), "messages": _within_bounds(chosen[-limit:], max_bytes)}

    return (ShowMessageLog,)


def _counts(log: MessageLog) -> dict[str, int]:
    return {direction.value: count for direction, count in log.counts.items()}


def _find(logs: MessageLogs, session: str) -> tuple[str, MessageLog]:
    """Return the log of a session, which may be called by what follows the name of its channel."""
    for name, log in logs.by_session.items():
        if session in (name, name.rpartition("/")[2]):
            return name, log
    msg = f"no session {session!r} has a message log; its channel must say is_audit_log_sent_active or _received_active"
    raise NotFound(msg)


def _is_wanted(message: LoggedMessage, direction: object) -> bool:
    if direction is None:
        return True
    try:
        return message.direction is Direction(direction)
    except ValueError:
        msg = f"direction: expected 'sent' or 'received', got {direction!r}"
        raise BadInput(msg) from None


def _number(given: dict[str, Any], key: str, default: int, most: int) -> int:
    value = given.get(key, default)
    if type(value) is not int or not 1 <= value <= most:
        msg = f"{key}: expected a whole number from 1 to {most}, got {value!r}"
        raise BadInput(msg)
    return value


def _within_bounds(messages: list[LoggedMessage], max_bytes: int) -> list[dict[str, Any]]:
    """Return the last messages that fit into an answer, each cut."""
    result: list[dict[str, Any]] = []
    room = _MOST_BYTES
    for one in reversed(messages):
        cut = one.data.encode()[:max_bytes].decode(errors="ignore")
        room -= len(cut.encode())
        if room < 0 and result:
            break
        result.append({**asdict(one), "direction": one.direction.value, "data": cut})
    return result[::-1]
