"""clusters.toml: its schema, reading and checking it."""

from runtime.config.checks import check_service_names
from runtime.config.load import examine, load
from runtime.config.schema import ClusterSettings, Configuration

__all__ = ["ClusterSettings", "Configuration", "check_service_names", "examine", "load"]
