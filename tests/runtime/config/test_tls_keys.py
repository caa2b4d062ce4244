"""TLS and proxies in clusters.toml: what is wrong with them is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config import load
from tests.certificates import Authority
from tests.runtime.config.test_load import GOOD, problems_of

CHANNEL = '[clusters.emea.channels.gateway]\naddress = "ws://127.0.0.1:47043'
OUTGOING = 'address = "ws://127.0.0.1:47043/zato.wsx.gateway"\nremote'
assert CHANNEL in GOOD


def channel(lines: str, scheme: str = "wss") -> str:
    return GOOD.replace(CHANNEL, CHANNEL.replace("ws:", f"{scheme}:").replace("]\n", f"]\n{lines}\n"), 1)


def outgoing(lines: str) -> str:
    table = '[clusters.apac.outgoing."My WSX Outconn"]\n'
    assert table in GOOD
    return GOOD.replace(table, f"{table}{lines}\n", 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (channel(""), "the key 'tls_certificate' is missing"),
        (channel('tls_certificate = "server.pem"'), "the key 'tls_key' is missing"),
        (channel('tls_certificate = "no.pem"\ntls_key = "no.key"'), "no.pem"),
        (channel('tls_certificate = "authority.pem"\ntls_key = "server.key"'), "tls_certificate: TLS: "),
        (channel('tls_certificate = "a"\ntls_key = "b"', "ws"), "only a channel whose address begins with wss://"),
        (channel("tls_client_certificate_optional = true"), "with tls_client_ca only"),
        (outgoing('tls_ca = "authority.pem"'), "only a connection to an address that begins with wss://"),
        (outgoing('tls_key = "server.key"'), "tls_certificate and tls_key go together"),
        (outgoing('tls_fingerprint = "12"'), "expected the 64 hexadecimal digits"),
        (outgoing('tls_ca = "no.pem"'), "tls_ca: TLS: "),
        (outgoing('proxy = "socks://a:1"'), "expected http://HOST:PORT"),
        (outgoing('proxy = "http://me:planted@a:1"'), "expected http://HOST:PORT"),
        (outgoing('proxy_username = "me"'), "proxy_username and proxy_password go together"),
    ],
)
def test_what_is_wrong_is_named(text: str, expected: str, tmp_path: Path) -> None:
    """Each problem names the key, files that are not there or not right among them."""
    Authority(tmp_path).issue()
    found = problems_of(text, tmp_path)
    assert any(expected in one for one in found), found
    assert "planted" not in str(found)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Certificates are found beside clusters.toml, wherever the process stands."""
    Authority(tmp_path).issue()
    path = tmp_path / "clusters.toml"
    path.write_text(channel('tls_certificate = "server.pem"\ntls_key = "server.key"'))
    assert load(path).clusters["emea"].channels["gateway"].tls_key == tmp_path / "server.key"
