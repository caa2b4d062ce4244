"""Why keys and sections of an export have no place in clusters.toml."""

from __future__ import annotations

__all__ = ["KEYS", "reason_for_section"]

KEYS = {
    "cache_expiry": "results are not cached",
    "cluster_name": "a file describes the cluster under its own name",
    "data_encoding": "text is UTF-8",
    "delivery_data_format": "messages are JSON",
    "delivery_method": "messages go out when they are there",
    "delivery_server": "a cluster delivers by itself",
    "depth_check_freq": "depths are always known",
    "id": "things are known by name",
    "is_internal": "there are no internal ones",
    "is_staging_enabled": "there is no staging",
    "opaque1": "what it holds stands in keys of its own",
    "pool_size": "one link carries any number of calls",
    "pub_buffer_size_gd": "never did anything",
    "realm": "WebSocket log-ins have no realm",
    "sec_type": "the type is known",
    "sec_use_rbac": "there is no RBAC",
    "task_delivery_interval": "messages go out when they are there",
    "task_sync_interval": "messages go out when they are there",
    "token_format": "never did anything",
}

_SECTIONS = (
    ("rest", "REST"),
    ("http_soap", "REST and SOAP"),
    ("soap", "SOAP"),
    ("amqp", "AMQP"),
    ("jms", "JMS"),
    ("email", "mail"),
    ("ftp", "file transfer"),
    ("file", "file transfer"),
    ("sftp", "file transfer"),
    ("sms", "SMS"),
    ("scheduler", "jobs; a service with `every` runs at intervals"),
    ("sql", "SQL"),
    ("ldap", "LDAP"),
    ("vault", "Vault"),
    ("cache", "caches"),
    ("rbac", "RBAC"),
    ("search", "search engines"),
    ("odoo", "Odoo"),
    ("zmq", "ZeroMQ"),
)


def reason_for_section(section: str) -> str:
    """Return why objects of a section are not carried over."""
    found = next((what for part, what in _SECTIONS if part in section), None)
    return f"there is no place for {found}" if found else "no section of clusters.toml is like it"
