"""How a correlation id travels on Zato's wire, which has no place of its own for it: within `meta.id`.

A request that belongs to an earlier one has the id `CID.ID`, so that whoever looks for the cid in the logs of the peer,
which print the id of the message, finds the line. Ids of others are left as they are.
"""

from __future__ import annotations

import re

__all__ = ["cid_of", "own_id_of", "with_cid"]

_HEX = "[0-9a-f]{24,40}"
_BOTH = re.compile(rf"({_HEX})\.({_HEX})")
_ONE = re.compile(_HEX)


def with_cid(message_id: str, cid: str) -> str:
    """Return the `meta.id` of a request; the cid is left out where it says no more, or is not of our making."""
    if cid in ("", message_id) or not _ONE.fullmatch(cid) or not _ONE.fullmatch(message_id):
        return message_id
    return f"{cid}.{message_id}"


def own_id_of(meta_id: str) -> str:
    """Return the id of the message that `with_cid` was given."""
    found = _BOTH.fullmatch(meta_id)
    return found[2] if found else meta_id


def cid_of(meta_id: str) -> str:
    """Return the cid that a `meta.id` carries: that of an earlier request, or else all of it."""
    found = _BOTH.fullmatch(meta_id)
    return found[1] if found else meta_id
