"""What `isthmus peer` prints for each kind of channel is right: connections that are made of it are let in."""

from __future__ import annotations

import json
import socket
import time
import tomllib
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml
from attrs import evolve

from actors.settings import ChannelSettings, EndpointRole, EndpointSettings, SecurityKind, SecuritySettings, WireFormat
from runtime.config import examine
from runtime.config.enmasse import convert, read_export
from runtime.config.peer import NoSuchPeer, client_steps, enmasse_block, facts_of, toml_block
from runtime.config.schema import ClusterSettings
from runtime.testing import Clusters
from tests.certificates import Authority
from tests.support import emea_settings

KEY = "a key that is known to both sides, long enough"
HOST = """
[clusters.emea.security.apac]
{security}
[clusters.emea.channels.gateway]
address = "{address}"
service = "helpers.web-sockets-gateway"
security = "apac"
services_allowed = ["demo.*"]
max_message_size = 2000000
{channel}
"""
CHANNEL_TLS = 'tls_certificate = "server.pem"\ntls_key = "server.key"\n'
PLAIN = "ws://127.0.0.1:47043/x"
SECURE = "wss://127.0.0.1:47043/x"
KINDS = {
    "basic": ('username = "apac"\npassword = "$EMEA_PASSWORD"', PLAIN, ""),
    "bearer": ('type = "bearer"\ntoken = "$EMEA_TOKEN"', PLAIN, ""),
    "apikey": ('type = "apikey"\nkey = "$EMEA_KEY"\nheader = "X-Own"', PLAIN, ""),
    "jwt": (
        'type = "jwt"\nkey = "$EMEA_KEY"\nissuer = "https://login"\naudience = "emea"',
        PLAIN,
        "",
    ),
    "tls": ('username = "apac"\npassword = "$EMEA_PASSWORD"', SECURE, CHANNEL_TLS),
    "certificate": (
        'type = "certificate"\ncertificate_name = "apac.example"',
        SECURE,
        f'{CHANNEL_TLS}tls_client_ca = "authority.pem"\n',
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_made_of_the_block_is_let_in(
    kind: str, clusters: Clusters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With each kind of credentials and over TLS; what has to be filled in are files and variables only."""
    for name in ("EMEA_PASSWORD", "EMEA_TOKEN", "EMEA_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.chdir(tmp_path)
    authority = Authority(tmp_path)
    own = authority.issue()
    authority.issue("emea", "apac.example", common_name="apac.example")  # the peer's, called as the block calls it
    authority.path.rename(tmp_path / "authority.pem")
    (tmp_path / "emea-authority.pem").write_bytes((tmp_path / "authority.pem").read_bytes())
    claims = {"iss": "https://login", "aud": "emea", "exp": time.time() + 3600, "sub": "apac"}
    (tmp_path / "emea.jwt").write_text(jwt.encode(claims, KEY, "HS256"))
    security, address, channel = KINDS[kind]
    text = HOST.format(security=security, address=address, channel=channel)
    configuration, problems = examine(tmp_path / "clusters.toml", text=text)
    assert problems == []

    block = toml_block(facts_of("emea", configuration.clusters["emea"], "gateway"), "apac")
    assert KEY not in block
    if channel:
        assert f'# tls_fingerprint = "{own.fingerprint.replace(":", "").lower()}"' in block
        block = block.replace("# tls_", "tls_")
    await clusters.start(text)
    await clusters.start(block)
    await clusters["apac"].until("outgoing", "emea", "ready")
    assert tomllib.loads(block)["clusters"]["apac"]["outgoing"]["emea"]["max_message_size"] == 2_000_000


def cluster(**channel: Any) -> ClusterSettings:
    return emea_settings(**channel)


def test_topics_and_permissions_are_told() -> None:
    """What may be invoked, published and subscribed to; only topics that it may subscribe to, by the endpoint's role."""
    settings = emea_settings(topics=("/customer/new", "/order/new", "/customer/**"))
    facts = facts_of("emea", settings, "gateway")
    assert facts.permissions == [
        "its service is helpers.web-sockets-gateway, which may invoke demo.*, test.*",
        "you may publish to /order/**",
        "you may subscribe to /customer/**",
    ]
    assert facts.topics == ("/customer/new",)
    block = toml_block(facts, "apac")
    assert '# subscribe = ["/customer/new"]\n# on_message = "your.service"\n' in block
    silent = evolve(settings.endpoints["apac"], role=EndpointRole.PUBLISH_ONLY)
    assert facts_of("emea", evolve(settings, endpoints={"apac": silent}), "gateway").topics == ()
    by_definition = EndpointSettings(security="apac", subscribe=("/order/*",))
    assert facts_of("emea", evolve(settings, endpoints={"a": by_definition}), "gateway").topics == ("/order/new",)
    narrow = evolve(settings.security["apac"], services_allowed=("demo.echo",))
    [first, *_] = facts_of("emea", evolve(settings, security={"apac": narrow}), "gateway").permissions
    assert first.endswith("which may invoke demo.*, test.*, and of these demo.echo")


def test_an_address_is_one_that_can_be_dialled() -> None:
    """Where the channel listens everywhere it is this machine's name unless one is given; what is to be minded is said."""
    everywhere = facts_of("emea", cluster(address="ws://0.0.0.0:1/x", plain_text=True), "gateway")
    assert everywhere.address == f"ws://{socket.gethostname()}:1/x"
    assert "you may have to dial another name" in everywhere.remarks[0]
    named = facts_of("emea", cluster(address="ws://[::]:1/x"), "gateway", host="emea.example")
    assert (named.address, named.remarks) == ("ws://emea.example:1/x", ())
    hidden = facts_of("emea", cluster(address="ws://10.0.0.1:1/x?key=planted", active=False), "gateway")
    assert hidden.address == "ws://10.0.0.1:1/x?key=***"
    assert hidden.remarks == (
        "the channel is not active, so nothing listens there now",
        "what is hidden in the address you have to be told",
    )


def test_who_cannot_connect_is_told_why() -> None:
    """Names that are not there, a definition that is not said, and formats that the other side does not speak."""
    settings = cluster()
    for arguments, options, expected in (
        (("gatewya",), {}, "cluster 'emea' has no channel 'gatewya'; did you mean 'gateway'?"),
        (("x",), {}, "cluster 'emea' has no channel 'x'; there are: gateway"),
        (
            ("gateway",),
            {"definition": "other"},
            "channel 'gateway' has no security definition 'other'; there are: apac",
        ),
    ):
        with pytest.raises(NoSuchPeer) as caught:
            facts_of("emea", settings, *arguments, **options)
        assert str(caught.value) == expected
    two = {"apac": settings.security["apac"], "key": SecuritySettings(type=SecurityKind.API_KEY)}
    both = evolve(
        settings, security=two, channels={"c": ChannelSettings("ws://127.0.0.1:1/", "demo.echo", ("apac", "key"))}
    )
    with pytest.raises(NoSuchPeer, match=r"say which one: --security apac \| key"):
        facts_of("emea", both, "c")
    keyed = facts_of("emea", both, "c", definition="key")
    with pytest.raises(NoSuchPeer, match="asks for type = 'apikey'"):
        enmasse_block(keyed)
    assert client_steps(keyed).log_in["meta"]["secret"] == "SECRET"
    assert "username" not in client_steps(keyed).log_in["meta"]
    native = facts_of("emea", cluster(wire=WireFormat.NATIVE), "gateway")
    for block in (enmasse_block, client_steps):
        with pytest.raises(NoSuchPeer, match=r"speaks isthmus\.1 only"):
            block(native)


def test_what_zato_is_told_is_an_export() -> None:
    """As the importer reads one: as it is, and with its comments taken away."""
    block = enmasse_block(facts_of("emea", cluster(), "gateway"))
    assert "right" not in json.dumps(yaml.safe_load(block))  # the password
    listening = "\n".join(
        f"  {line.removeprefix('  # ')}" if line.startswith("  # ") else line for line in block.splitlines()
    )
    listening = listening.replace("  To receive messages name one of your services:\n", "")
    made = convert(read_export(listening.encode()))
    assert made.report.secrets == {"emea": "$EMEA_PASSWORD"}
    assert made.tables["outgoing"]["emea"] == {
        "address": "ws://127.0.0.1:47043/zato.wsx.gateway",
        "username": "apac",
        "password": "$EMEA_PASSWORD",
        "on_message": "your.service",
        "subscribe": ["/customer/new"],
    }
    anybody = facts_of("emea", cluster(), "gateway")
    open_to_all = evolve(anybody, security=None, definition="")
    assert list(yaml.safe_load(enmasse_block(open_to_all))) == ["outgoing_wsx"]
