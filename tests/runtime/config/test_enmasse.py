"""Enmasse exports: what becomes of each object, and files that are none or mean harm."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.config.enmasse import NotAnExport, convert, read_export
from runtime.config.enmasse.writing import text_of
from tests.runtime.config.enmasse_export import PASSWORD, export_of, yaml_of


def converted(**options: Any) -> tuple[dict[str, Any], dict[tuple[str, str, str], str], dict[str, str]]:
    """Return the cluster as TOML says it, the reasons for what is not in it, and its secrets."""
    found = convert(read_export(yaml_of(47000).encode()), **options)
    text = text_of(found, "zato", "export.yaml")
    assert PASSWORD not in text + str(found.report)
    reasons = {(one.section, one.name, one.key): one.reason for one in found.report.not_carried}
    return tomllib.loads(text)["clusters"]["zato"], reasons, found.report.secrets


def test_links_become_channels_and_connections() -> None:
    """With their options; TLS, hosts beyond this machine and inactive definitions are minded."""
    cluster, _reasons, _secrets = converted()
    assert cluster["channels"] == {
        "gateway": {
            "address": "ws://127.0.0.1:47000/zato.wsx.gateway", "service": "helpers.web-sockets-gateway",
            "security": "APAC", "new_token_wait_time": 10.0, "token_ttl": 7200.0, "ping_interval": 45.0,
            "pings_missed_threshold": 2, "max_len_messages_sent": 20, "is_audit_log_sent_active": True,
        },
        "second": {
            "address": "ws://0.0.0.0:47001/x", "service": "crm.events", "security": "none", "active": False,
            "plain_text": True, "extra_properties": {"StoreCtx": True},
        },
        "tls": {
            "address": "ws://127.0.0.1:47002/x", "service": "helpers.web-sockets-gateway", "security": "Gone",
            "active": False,
        },
        "keyed": {
            "address": "ws://127.0.0.1:47003/x", "service": "helpers.web-sockets-gateway", "security": "Key",
        },
        "signed": {
            "address": "ws://127.0.0.1:47005/x", "service": "helpers.web-sockets-gateway", "security": "Token",
        },
    }  # fmt: skip
    assert cluster["outgoing"] == {
        "Self": {
            "address": "ws://127.0.0.1:47000/zato.wsx.gateway", "username": "apac", "password": "$APAC_PASSWORD",
            "on_connect": "crm.events", "on_message": "crm.events", "on_close": "crm.events",
            "subscribe": ["/customer/new", "/customer/changed"], "ping_interval": 30.0, "socket_read_timeout": 60.0,
        },
        "Feed": {
            "address": "ws://127.0.0.1:9/feed?key=x", "remote": "websocket", "active": False, "data_format": "json",
        },
        "Keyed": {"address": "ws://127.0.0.1:9/", "active": False},
        "Deaf": {"address": "ws://127.0.0.1:9/", "active": False},
        "Older": {"address": "ws://127.0.0.1:9/", "active": False, "has_auto_reconnect": False},
    }  # fmt: skip


def test_topics_endpoints_and_subscriptions() -> None:
    """Patterns mean what was meant by them."""
    cluster, _reasons, _secrets = converted()
    assert len(cluster["topics"]) == 16
    assert cluster["topics"]["/customer/new"] == {
        "guaranteed": True, "max_depth_gd": 10000, "limit_retention": 86400.0, "on_no_subs": "accept",
    }  # fmt: skip
    assert cluster["topics"]["/customer/changed"] == {"is_api_sub_allowed": True, "hook_service": "crm.topic-hook"}
    assert cluster["endpoints"] == {
        "by-channel": {
            "channel": "gateway", "role": "pub-sub", "publish": ["/order/*"], "subscribe": ["/customer/*"],
        },
        "by-service": {"service": "crm.subscriber", "publish": ["/**"], "subscribe": ["/**"]},
    }  # fmt: skip
    assert cluster["subscriptions"] == {
        "Subscription.1": {
            "service": "crm.subscriber", "topics": ["/topic/0", "/topic/1"], "delivery": {"delivery_batch_size": 1},
        }
    }  # fmt: skip


def test_passwords_are_references() -> None:
    """One of its own for each definition, from the environment or made at first use; what is in a variable stays."""
    cluster, _reasons, secrets = converted()
    kept = {name: one.get("password") or one["key"] for name, one in cluster["security"].items()}
    assert kept == secrets == {
        "APAC": "$APAC_PASSWORD", "LATAM": "$LATAM_SECRET", "la tam": "$LA_TAM_PASSWORD",
        "la-tam": "$LA_TAM_PASSWORD2", "Gone": "$GONE_PASSWORD", "Key": "$KEY_KEY", "Partner Key": "$PARTNER",
        "Token": "$TOKEN_KEY",
    }  # fmt: skip
    cluster, _reasons, secrets = converted(is_local=True)
    assert secrets["la-tam"] == "local:la-tam2"
    assert cluster["outgoing"]["Self"]["password"] == "local:APAC"


def test_keys_and_tokens_are_definitions_of_their_types() -> None:
    """With the header of a key; what a token is signed with is new, since Zato's secret is in no export."""
    security = converted()[0]["security"]
    assert security["Key"] == {"type": "apikey", "key": "$KEY_KEY"}
    assert security["Partner Key"] == {
        "type": "apikey", "username": "partner", "key": "$PARTNER", "header": "X-Partner",
    }  # fmt: skip
    assert security["Token"] == {"type": "jwt", "username": "t", "key": "$TOKEN_KEY"}


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (("security", "APAC", "realm"), "WebSocket log-ins have no realm"),
        (("security", "Gone", "is_active"), "definitions are always active"),
        (("security", "Token", "password"), "Zato gave out tokens for it"),
        (("security", "Token", "ttl"), "a token has an end of its own"),
        (("security", "Old", ""), "ntlm: WebSocket channels of Zato did not take it"),
        (("web_socket", "gateway", "services_allowed"), "a gateway invokes nothing that is not listed"),
        (("web_socket", "gateway", "is_internal"), "there are no internal ones"),
        (("web_socket", "tls", "address"), "Zato left TLS to a proxy"),
        (("web_socket", "odd", ""), "its security definition 'Old' is not carried over"),
        (("outgoing_wsx", "Keyed", "security_def"), "Zato's connections logged in with user name and password only"),
        (("web_socket", "admin", ""), "the channel of the admin socket is called 'admin'"),
        (("outgoing_wsx", "Self", "pool_size"), "one link carries any number of calls"),
        (("outgoing_wsx", "Feed", "security_def"), "Zato did not use it"),
        (("outgoing_wsx", "Feed", "socket_read_timeout"), "it is not longer than ping_interval"),
        (("outgoing_wsx", "Feed", "subscription_list"), "only clusters have topics"),
        (("outgoing_wsx", "Deaf", "subscription_list"), "there is no on_message service"),
        (("zato_generic_connection", "Older", "security_def"), "the security definition 'nobody' is not carried"),
        (("zato_generic_connection", "Mongo", ""), "connections of type outconn-mongodb have no place"),
        (("pubsub_topic", "/customer/new", "task_sync_interval"), "messages go out when they are there"),
        (("pubsub_topic", "no-slash", ""), "a topic's name starts with '/'"),
        (("pubsub_endpoint", "by-channel", "topic_patterns"), "expected pub=/PATTERN or sub=/PATTERN"),
        (("pubsub_endpoint", "by-rest", ""), "there is no place for endpoints of type rest"),
        (("pubsub_subscription", "Subscription.1", "delivery_server"), "a cluster delivers by itself"),
        (("pubsub_subscription", "Subscription.2", ""), "its endpoint 'by-rest' is none of a service"),
        (("channel_rest", "rest.3", ""), "there is no place for REST"),
        (("scheduler", "job", ""), "there is no place for jobs"),
        (("unheard_of", "x", ""), "no section of clusters.toml is like it"),
    ],
)
def test_what_is_not_carried_over_is_said(where: tuple[str, str, str], reason: str) -> None:
    """Each object and each key, with its reason."""
    assert converted()[1][where].startswith(reason)


def test_nothing_is_lost_silently() -> None:
    """Every object of the export is in the cluster, or in the list."""
    cluster, reasons, _secrets = converted()
    parts = ("security", "channels", "outgoing", "topics", "endpoints", "subscriptions")
    made = {name for part in parts for name in cluster[part]}
    lost = {name for _section, name, key in reasons if not key}
    objects = [one["name"] for section in export_of(1).values() for one in section]
    assert len(objects) >= 40
    assert set(objects) == made | lost


def test_json_is_read_too() -> None:
    """Enmasse exports in both formats."""
    assert read_export(json.dumps(export_of(1)).encode()) == export_of(1)


BOMB = "a: &a0 [x, x]\n" + "".join(f"b{n}: &a{n + 1} [*a{n}, *a{n}, *a{n}]\n" for n in range(30))
MERGES = "a: &a0 {x: 1}\n" + "".join(f"b{n}: &a{n + 1} {{<<: [*a{n}, *a{n}, *a{n}]}}\n" for n in range(30))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"x" * (10 * 1024 * 1024 + 1), "it has 10485761 bytes, and an export has 10485760 at most"),
        (BOMB.encode(), "aliases that stand for so many"),
        (MERGES.encode(), "aliases that stand for so many"),
        (b"a: &a [*a]\n", "aliases that stand for so many"),
        (b"[" * 100_000, "nested too deep"),
        (b"a: !!python/object/apply:os.system ['true']\n", "line 1: could not determine a constructor"),
        (b"a: [1\nb: 2\n", "line 2: expected"),
        (b"\xff\xfe\xff", "not YAML"),
        (b"a: 1\n---\nb: 2\n", "line 2: but found another document"),
        (b"- 1\n", "expected sections"),
        (b"security: 7\n", "section 'security': expected a list of objects"),
        (b"security: [7]\n", "section 'security': expected a list of objects"),
        (b"security: [{a: 2020-99-99}]\n", "not YAML"),
    ],
)
def test_what_is_no_export_is_refused(content: bytes, expected: str) -> None:
    """Too big, with objects of Python, with aliases that explode or have no end, of another shape: in a sentence."""
    with pytest.raises(NotAnExport) as caught:
        read_export(content)
    assert expected in str(caught.value)


SECTIONS = ["security", "web_socket", "outgoing_wsx", "pubsub_topic", "pubsub_endpoint", "pubsub_subscription", "x"]
KEYS = [
    "name", "address", "service", "sec_def", "type", "password", "topic_patterns", "endpoint_type", "ws_channel_name",
    "ping_interval", "token_ttl", "extra_properties", "subscription_list", "is_active", "topic_list", "type_",
    "max_depth_gd", "socket_read_timeout", "role", "service_name", "endpoint_name", "is_zato",
]  # fmt: skip
ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["/a", "wsx"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)
OBJECTS = st.lists(st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=8), max_size=3)


@given(st.dictionaries(st.sampled_from(SECTIONS), OBJECTS, max_size=4))
def test_any_export_becomes_toml(sections: dict[str, list[dict[str, Any]]]) -> None:
    """Whatever its keys say; nothing raises, and what comes out is TOML."""
    assert "zato" in tomllib.loads(text_of(convert(sections), "zato", "x.yaml"))["clusters"]
