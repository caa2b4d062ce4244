"""Zato's enmasse exports, read and turned into a clusters.toml."""

from runtime.config.enmasse.conversion import Converted, convert
from runtime.config.enmasse.export import NotAnExport, read_export

__all__ = ["Converted", "NotAnExport", "convert", "read_export"]
