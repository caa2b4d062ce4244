"""An enmasse export in the documented shape, of more than forty objects."""

from __future__ import annotations

from typing import Any

import yaml

PASSWORD = "plantedSecret7"
"""Stands in the export in the open, and must be nowhere else."""

GATEWAY = "helpers.web-sockets-gateway"


def export_of(port: int) -> dict[str, list[dict[str, Any]]]:
    """Return the sections; the first channel listens at a port, and an outgoing connection dials it."""
    address = f"ws://127.0.0.1:{port}/zato.wsx.gateway"
    return {
        "security": [
            {"name": "APAC", "type": "basic_auth", "username": "apac", "password": PASSWORD, "realm": "API"},
            {"name": "LATAM", "type": "basic_auth", "username": "latam", "password": "Zato_Enmasse_Env.LATAM_SECRET"},
            {"name": "la tam", "type": "basic_auth", "username": "latam2"},
            {"name": "la-tam", "type": "basic_auth", "username": "latam3", "password": f"gAAA{PASSWORD}"},
            {"name": "Gone", "type": "basic_auth", "username": "gone", "is_active": False},
            {"name": "Key", "type": "apikey", "password": PASSWORD},
            {"name": "Partner Key", "type": "apikey", "username": "partner", "password": "$PARTNER", "header": "X-Partner"},
            {"name": "Token", "type": "jwt", "username": "t", "password": PASSWORD, "ttl": 3600},
            {"name": "Old", "type": "ntlm", "username": "o", "password": PASSWORD},
        ],
        "web_socket": [
            {"name": "gateway", "address": address, "service": GATEWAY, "sec_def": "APAC", "is_active": True,
             "token_ttl": 7200, "new_token_wait_time": 10, "ping_interval": 45, "pings_missed_threshold": 2,
             "data_format": "json", "is_internal": False, "is_audit_log_sent_active": True, "max_len_messages_sent": 20},
            {"name": "second", "address": f"ws://0.0.0.0:{port + 1}/x", "service_name": "crm.events",
             "sec_def": "zato-no-security", "is_active": False, "extra_properties": '{"StoreCtx": true}'},
            {"name": "tls", "address": f"wss://127.0.0.1:{port + 2}/x", "service": GATEWAY, "sec_def": "Gone"},
            {"name": "keyed", "address": f"ws://127.0.0.1:{port + 3}/x", "service": GATEWAY, "sec_def": "Key"},
            {"name": "signed", "address": f"ws://127.0.0.1:{port + 5}/x", "service": GATEWAY, "sec_def": "Token"},
            {"name": "odd", "address": f"ws://127.0.0.1:{port + 6}/x", "service": GATEWAY, "sec_def": "Old"},
            {"name": "admin", "address": f"ws://127.0.0.1:{port + 4}/x", "service": GATEWAY},
        ],
        "outgoing_wsx": [
            {"name": "Self", "address": address, "is_zato": True, "has_auto_reconnect": True, "security_def": "APAC",
             "pool_size": 1, "subscription_list": "/customer/new\n/customer/changed\n", "data_format": "json",
             "on_connect_service_name": "crm.events", "on_message_service_name": "crm.events",
             "on_close_service_name": "crm.events", "ping_interval": 30, "socket_read_timeout": 60},
            {"name": "Feed", "address": "ws://127.0.0.1:9/feed?key=x", "is_zato": False, "is_active": False,
             "security_def": "APAC", "data_format": "json", "socket_read_timeout": 5, "subscription_list": "/x"},
            {"name": "Keyed", "address": "ws://127.0.0.1:9/", "is_active": False, "security_def": "Key"},
            {"name": "Deaf", "address": "ws://127.0.0.1:9/", "is_active": False, "subscription_list": ["/a", "/b"]},
        ],
        "zato_generic_connection": [
            {"name": "Older", "type_": "outconn-wsx", "address": "ws://127.0.0.1:9/", "is_active": False,
             "has_auto_reconnect": False, "security_def": "nobody"},
            {"name": "Mongo", "type_": "outconn-mongodb", "address": "x"},
        ],
        "pubsub_topic": [
            {"name": "/customer/new", "has_gd": True, "max_depth_gd": 10000, "limit_retention": 86400,
             "task_sync_interval": 500, "task_delivery_interval": 2000, "on_no_subs_pub": "accept"},
            {"name": "/customer/changed", "is_api_sub_allowed": True, "hook_service_name": "crm.topic-hook"},
            {"name": "no-slash"},
            *({"name": f"/topic/{number}", "has_gd": number % 2 == 0} for number in range(14)),
        ],
        "pubsub_endpoint": [
            {"name": "by-channel", "endpoint_type": "wsx", "ws_channel_name": "gateway", "role": "pub-sub",
             "topic_patterns": "pub=/order/*\nsub=/customer/*\nsub=customer\nnothing"},
            {"name": "by-service", "endpoint_type": "service", "service_name": "crm.subscriber"},
            {"name": "by-rest", "endpoint_type": "rest", "security_name": "APAC", "topic_patterns": "pub=/*"},
        ],
        "pubsub_subscription": [
            {"name": "Subscription.1", "endpoint_name": "by-service", "endpoint_type": "service",
             "delivery_server": "server1", "topic_list": ["/topic/0", "/topic/1"], "delivery_batch_size": 1,
             "delivery_max_retry": 123456789},
            {"name": "Subscription.2", "endpoint_name": "by-rest", "endpoint_type": "rest", "topic_list": ["/topic/2"]},
        ],
        "channel_rest": [{"name": f"rest.{number}", "service": "x", "url_path": "/x"} for number in range(4)],
        "scheduler": [{"name": "job", "service": "x", "seconds": 5}],
        "unheard_of": [{"name": "x"}],
    }  # fmt: skip


def yaml_of(port: int) -> str:
    return yaml.safe_dump(export_of(port), sort_keys=False)
