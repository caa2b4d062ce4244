"""Small services for trying a channel out, under the names that Zato has for them."""

from __future__ import annotations

import json
from typing import Any

from actors.builtin.zato import Echo
from actors.errors import BadInput
from actors.redaction import shown
from actors.services.service import Service

__all__ = ["HelperEcho", "InputLogger", "JsonRawRequestLogger", "RawRequestLogger"]

_SHOWN_BYTES = 8192


class HelperEcho(Echo):
    """Returns its input."""

    name = "helpers.echo"


class InputLogger(Service):
    """Logs its input, without what its name says is a secret, and returns nothing."""

    name = "helpers.input-logger"

    async def handle(self, data: Any) -> None:
        """Log the input, cut where it is long."""
        text, size = shown(data, _SHOWN_BYTES)
        caller = self.caller
        self.logger.info(
            "input received",
            input=text,
            size=size,
            channel=None if caller is None else caller.channel,
            client=None if caller is None else caller.client_id,
        )


class RawRequestLogger(InputLogger):
    """Logs its request and returns nothing."""

    name = "helpers.raw-request-logger"


class JsonRawRequestLogger(InputLogger):
    """Logs its request, where text is to be JSON, and returns nothing."""

    name = "helpers.json-raw-request-logger"

    async def handle(self, data: Any) -> None:
        """Read text as JSON, then log it."""
        if isinstance(data, str):
            try:
                data = json.loads(data)
            except (ValueError, RecursionError) as error:
                msg = f"the request is not JSON: {error}"
                raise BadInput(msg) from None
        await super().handle(data)
