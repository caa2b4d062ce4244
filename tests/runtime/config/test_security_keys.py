"""Security definitions in clusters.toml: what is wrong with them is named."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from actors.settings import SecurityKind
from runtime.cli.app import run_app
from runtime.config import load
from tests.runtime.config.test_load import GOOD, problems_of

OLD = 'username = "apac"\npassword = "local:emea-apac"\n'


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ('username = "apac"', "the key 'password' is missing"),
        ('password = "local:x"', "the key 'username' is missing"),
        ('type = "bearer"\nusername = "a"', "the key 'token' is missing"),
        (
            'type = "bearer"\ntoken = "local:x"\npassword = "local:y"',
            "password: a definition with type = 'bearer' has no",
        ),
        ('type = "apikey"\nkey = "local:x"\nheader = "a b"', "'a b' cannot be the name of a header"),
        ('type = "jwt"\nkey = "file:short"', "HS256 needs a secret of 32 bytes"),
        ('type = "jwt"\nalgorithm = "RS256"\nkey = "local:x"', "RS256 needs an RSA public key"),
        ('type = "jwt"\nalgorithm = "none"\nkey = "local:x"', "expected one of 'HS256', 'RS256'"),
        ('type = "certificate"', "who is meant?"),
        ('type = "certificate"\nfingerprint = "12:34"', "expected the 64 hexadecimal digits"),
        (
            'username = "a"\npassword = ["local:x", "local:y", "local:z"]',
            "expected one, or two while it is changed, got 3",
        ),
        ('username = "a"\npassword = ["local:x", "in the open"]', "secrets are never written in the open"),
        ('username = "a"\npassword = "$argon2id$broken"', "isthmus hash-password"),
    ],
)
def test_what_is_wrong_is_named(new: str, expected: str, tmp_path: Path) -> None:
    """Each problem names the key; no secret is shown."""
    (tmp_path / "short").write_text("planted-short")
    assert OLD in GOOD
    found = problems_of(GOOD.replace(OLD, new + "\n", 1), tmp_path)
    assert any(expected in one for one in found), found
    assert not any("planted-short" in one or "broken" in one for one in found)


def test_a_channel_names_definitions_or_none(tmp_path: Path) -> None:
    """Not both, not none at all, and not two of one user."""
    for given, expected in (
        ('["apac", "none"]', "not both"),
        ("[]", "expected a security definition"),
        ('["apac", "twin"]', "several of these definitions have the username 'apac'"),
    ):
        text = GOOD.replace('security = "apac"', f"security = {given}", 1)
        text += '\n[clusters.emea.security.twin]\nusername = "apac"\npassword = "local:twin"\n'
        assert any(expected in one for one in problems_of(text, tmp_path)), given


def test_a_hash_may_stand_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `isthmus hash-password` prints is taken as it is, one of two, and not shown again."""
    monkeypatch.setattr("sys.stdin", io.StringIO("planted-password\n"))
    assert run_app(["hash-password"]) == 0
    printed = capsys.readouterr().out.strip()
    path = tmp_path / "clusters.toml"
    path.write_text(GOOD.replace('password = "local:emea-apac"', f'password = ["{printed}", "local:other"]', 1))
    definition = load(path).clusters["emea"].security["apac"]
    assert definition.type is SecurityKind.BASIC
    assert definition.secrets[0].reveal() == printed
    assert printed not in repr(definition)
    assert "planted-password" not in printed
