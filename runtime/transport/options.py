"""The limits and intervals of a link, and the codes by which a link ends."""

from __future__ import annotations

import math

from attrs import frozen

__all__ = ["CLOSE_TIMEOUT", "GOODBYE_TIMEOUT", "PROTOCOL_ERRORS", "CloseCode", "LinkOptions", "short_reason"]

CLOSE_TIMEOUT = 2.0
GOODBYE_TIMEOUT = 10.0
"""Seconds after its goodbye in which a peer closes the link."""
PROTOCOL_ERRORS = (1002, 1007)
"""What the library says of a peer that breaks RFC 6455."""
_MAX_REASON = 120


class CloseCode:
    """The codes of close frames that a link uses by itself."""

    NORMAL = 1000
    ABNORMAL = 1006
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    TRY_AGAIN_LATER = 1013
    PINGS_MISSED = 4002


@frozen
class LinkOptions:
    """The limits and intervals of a link: seconds and bytes.

    Args:
        ping_interval: Without any bytes, before a ping.
        ping_timeout: For the answer to a ping.
        pings_missed_threshold: How many missed answers end the link.
        max_message_size: Of one message.
        handshake_timeout: For TLS and the upgrade.
        read_timeout: Without any bytes, after which the link ends.
        write_timeout: In which the peer takes none of the bytes that wait for it, after which the link ends.
        message_timeout: For a message, from its first byte to its last.
        max_unsent: How many messages may wait for the peer to read before nothing more is read from it.
    """

    ping_interval: float = 10.0
    ping_timeout: float = 5.0
    pings_missed_threshold: int = 1
    max_message_size: int = 1024 * 1024
    handshake_timeout: float = 10.0
    read_timeout: float = math.inf
    write_timeout: float = math.inf
    message_timeout: float = math.inf
    max_unsent: float = math.inf
    max_messages_per_second: float = math.inf
    max_bytes_per_second: float = math.inf

    @property
    def rates(self) -> str:
        """What may come in a second, in words; empty where that is as much as there is."""
        limits = ((self.max_messages_per_second, "messages"), (self.max_bytes_per_second, "bytes"))
        return " or ".join(f"{limit:.0f} {what} a second" for limit, what in limits if limit < math.inf)


def short_reason(reason: str) -> str:
    """Return as much of a reason as a close frame has room for."""
    return reason.encode()[:_MAX_REASON].decode(errors="ignore")
