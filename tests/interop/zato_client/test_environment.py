"""The environment of Zato's client: made once, and where it cannot be made the reason is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.zato_client import environment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(environment, "FOLDER", tmp_path)
    return tmp_path


def test_without_an_index_the_reason_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are skipped with pip's own last word and the place of its log; the next run tries again."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    with pytest.raises(environment.Unavailable, match=r"No matching distribution found.*zato-client\.log"):
        environment.interpreter.__wrapped__()
    assert "ERROR" in (folder / "zato-client.log").read_text()
    assert not (folder / "zato-client.stamp").exists()


def test_it_is_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time nothing is run, until the requirements change."""
    commands: list[str] = []
    monkeypatch.setattr(environment, "_run", lambda _what, *command: commands.append(command[-1]))
    python = folder / "zato-client" / "bin" / "python"
    environment.interpreter.__wrapped__()
    assert commands[-1] == str(environment.REQUIREMENTS)
    commands.clear()
    python.parent.mkdir(parents=True)
    python.touch()
    assert environment.interpreter.__wrapped__() == python
    assert commands == []
    changed = folder / "requirements.txt"
    changed.write_text("six==1.17.0\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", changed)
    environment.interpreter.__wrapped__()
    assert commands[-1] == str(changed)
