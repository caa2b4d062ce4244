"""Zato's format: a text frame is one JSON object with `meta` and, mostly, `data`.

The shapes, names and quirks are facts observed with Zato 3.0 and 3.2 and their clients; docs/protocol.md lists
them. `frames` owns the JSON that both ends share, `server` and `client` what is particular to each, and `results`
the shapes that the results of gateways come in.
"""

from runtime.wire.zato.client import ZatoClientWire
from runtime.wire.zato.server import ZatoServerWire

__all__ = ["ZatoClientWire", "ZatoServerWire"]
