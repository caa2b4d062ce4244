"""`monitoring` of a cluster in clusters.toml: what is wrong with it is named, and nobody looks in unawares."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config import load
from tests.runtime.config.test_load import GOOD, problems_of

CERTIFICATE = '[clusters.emea.security.tls]\ntype = "certificate"\ncertificate_name = "x"\n'


def monitoring(address: str, security: str = "") -> str:
    named = f'security = "{security}"\n' if security else ""
    return f'{GOOD}\n{CERTIFICATE}[clusters.emea.monitoring]\naddress = "{address}"\n{named}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (monitoring("127.0.0.1:9464"), "address: expected http://HOST:PORT, got '127.0.0.1:9464'"),
        (monitoring("https://127.0.0.1:9464"), "expected http://HOST:PORT"),
        (monitoring("http://127.0.0.1"), "expected http://HOST:PORT"),
        (monitoring("http://127.0.0.1:99999"), "expected http://HOST:PORT"),
        (monitoring("http://127.0.0.1:9464/metrics"), "expected http://HOST:PORT"),
        (monitoring("http://10.0.0.5:9464"), "address: beyond this machine anybody could read it: name a security"),
        (monitoring("http://0.0.0.0:9464"), 'or say security = "none"'),
        (monitoring("http://127.0.0.1:9464", "apec"), "there is no security definition 'apec'; did you mean 'apac'?"),
        (monitoring("http://127.0.0.1:9464", "tls"), "certificates are shown over TLS, which http:// is not"),
        (monitoring("http://127.0.0.1:47043"), "port 47043 is used by clusters.emea.channels.gateway, too"),
        (
            f'{monitoring("http://127.0.0.1:9464")}[clusters.apac.monitoring]\naddress = "http://127.0.0.1:9464"\n',
            "clusters.apac.monitoring.address: port 9464 is used by clusters.emea.monitoring, too",
        ),
    ],
)
def test_what_cannot_be_is_named(text: str, expected: str, tmp_path: Path) -> None:
    """With the key, and what was expected."""
    [problem] = problems_of(text, tmp_path)
    assert expected in problem


@pytest.mark.parametrize(
    ("address", "security"),
    [
        ("http://127.0.0.1:9464", ""),
        ("http://localhost:9464", ""),
        ("http://[::1]:9464", ""),
        ("http://10.0.0.5:9464", "apac"),
        ("http://0.0.0.0:9464", "none"),
    ],
)
def test_what_can_be_is_taken(address: str, security: str, tmp_path: Path) -> None:
    """This machine alone needs no credentials; beyond it they are named, or it is said that there are none."""
    path = tmp_path / "clusters.toml"
    path.write_text(monitoring(address, security))
    settings = load(path).clusters["emea"].monitoring
    assert (settings.address, settings.security or "") == (address, security)
