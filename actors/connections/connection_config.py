"""What hooks see of their connection's settings, as `ctx.config`: everything but secrets."""

from __future__ import annotations

from enum import Enum
from typing import Any

from attrs import asdict

from actors.bunch import Bunch, bunchify
from actors.secret import HIDDEN, Secret, masked_address
from actors.settings import OutgoingSettings

__all__ = ["ShownConfig", "config_of"]


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


class ShownConfig:
    """A connection's settings as its hooks see them, which are not made before the first of them looks.

    Args:
        settings: The settings.
        name: The connection's name.
    """

    __slots__ = ("_config", "_name", "_settings")

    def __init__(self, settings: OutgoingSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._config: Bunch | None = None

    def __call__(self) -> Bunch:
        """Return them, the same object each time."""
        if self._config is None:
            self._config = config_of(self._settings, self._name)
        return self._config
