"""`[traces]` of clusters.toml: what is wrong with it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config import load, signal_checks
from tests.runtime.config.test_load import GOOD, problems_of

ENDPOINT = 'endpoint = "http://127.0.0.1:4318/v1/traces"\n'


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('endpoint = "127.0.0.1:4318"\n', "traces.endpoint: expected http://HOST:PORT/v1/traces, got '127.0.0.1:4318'"),
        ('endpoint = "http://me:pw@127.0.0.1:4318"\n', "traces.endpoint: expected http://HOST:PORT/v1/traces"),
        (f"{ENDPOINT}ratio = 1.5\n", "traces.ratio: expected a number from 0 to 1, got 1.5"),
        (f"{ENDPOINT}ratio = nan\n", "traces.ratio: expected a number that is not negative, got nan"),
        (f"{ENDPOINT}ratio = -1\n", "traces.ratio: expected a number that is not negative"),
        (f'{ENDPOINT}headers = {{ key = "$NO_SUCH_SECRET" }}\n', "traces.headers.key: the secret '$NO_SUCH_SECRET'"),
        (f"{ENDPOINT}headers = {{ key = 7 }}\n", "traces.headers.key: expected a text or a secret, got a whole number"),
        (f"{ENDPOINT}rate = 1\n", "traces.rate: unknown key; did you mean 'ratio'?"),
    ],
)
def test_what_cannot_be_is_named(keys: str, expected: str, tmp_path: Path) -> None:
    """With the key, what was expected, and no password."""
    [problem] = problems_of(f"{GOOD}\n[traces]\n{keys}", tmp_path)
    assert expected in problem
    assert "me:pw" not in problem


def test_what_can_be_is_taken(tmp_path: Path) -> None:
    """A text, a secret, and a share of traces."""
    path = tmp_path / "clusters.toml"
    path.write_text(f'{GOOD}\n[traces]\n{ENDPOINT}ratio = 0.1\nheaders = {{ a = "b", key = "local:collector" }}\n')
    traces = load(path).traces
    assert (traces.ratio, traces.headers["a"]) == (0.1, "b")
    assert "b" not in repr(traces)


def test_what_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how to install it, before anything starts."""
    monkeypatch.setattr(signal_checks, "find_spec", lambda _name: None)
    [problem] = problems_of(f"{GOOD}\n[traces]\n{ENDPOINT}", tmp_path)
    assert "traces need OpenTelemetry: pip install 'isthmus[traces]'" in problem
