"""What hooks see of their connection's settings, as `ctx.config`: everything but secrets."""

from __future__ import annotations

from enum import Enum
from typing import Any

from attrs import asdict

from actors.bunch import Bunch, bunchify
from actors.secret import HIDDEN, Secret, masked_address
from actors.settings import OutgoingSettings

__all__ = ["config_of"]


def config_of(settings: OutgoingSettings, name: str) -> Bunch:
    """Return a connection's settings by their names in clusters.toml, and its `name`; secrets read as `***`.

    Values of headers and of the address's query string are hidden, whether they were given as secrets or not.
    """

    def shown(_instance: object, _field: object, value: Any) -> Any:
        if isinstance(value, Secret):
            return HIDDEN
        return value.value if isinstance(value, Enum) else value

    config: Bunch = bunchify(asdict(settings, value_serializer=shown))
    config.name = name
    config.address = masked_address(settings.address)
    config.other_addresses = tuple(map(masked_address, settings.other_addresses))
    config.headers = Bunch(dict.fromkeys(settings.headers, HIDDEN))
    return config
