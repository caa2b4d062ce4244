"""`isthmus check` in a process of its own: all that is wrong in one go, for people and for programs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.processes import COMMAND, ROOT

GOOD = (ROOT / "clusters.toml").read_text()


def check(folder: Path, text: str | bytes, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "clusters.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    if not (folder / "examples").exists():
        (folder / "examples").symlink_to(ROOT / "examples")
    command = [*COMMAND, "check", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


WRONG = {
    'publish = ["/order/**"]': 'publish = [\n  "/order/**",\n  [7],\n]',
    "[clusters.apac.outgoing.": "[clusters.apac.outgoin.",
    'channel = "gateway"': 'channel = "gateway"\nrole = "pub-sup"\nchannel = "other"',
}


def test_problems_as_json(tmp_path: Path) -> None:
    """Each with its file, line, key, path and message; status 2, and nothing on stderr."""
    text = GOOD
    for old, new in WRONG.items():
        text = text.replace(old, new)
    done = check(tmp_path, text, "--json")
    assert (done.returncode, done.stderr) == (2, "")
    report = json.loads(done.stdout)
    assert (report["file"], report["is_ok"], report["warnings"]) == ("clusters.toml", False, [])
    lines = text.splitlines()
    endpoint = "clusters.emea.endpoints.apac"
    first = lines.index('channel = "gateway"') + 1
    assert report["problems"] == [
        {"file": "clusters.toml", "line": lines.index(line) + 1, "key": key, "path": path, "message": message}
        for line, key, path, message in [
            ('role = "pub-sup"', "role", f"{endpoint}.role",
             "expected one of 'pub-only', 'sub-only', 'pub-sub', got 'pub-sup'; did you mean 'pub-sub'?"),
            ('channel = "other"', "channel", f"{endpoint}.channel",
             f"given twice; it is in line {first} already"),
            ("publish = [", "publish", f"{endpoint}.publish[1]", "expected text, got an array"),
            ('[clusters.apac.outgoin."My WSX Outconn"]', "outgoin", "clusters.apac.outgoin",
             "unknown key; did you mean 'outgoing'?"),
        ]
    ]  # fmt: skip


def test_what_is_right_as_json(tmp_path: Path) -> None:
    """With its warnings, in the same form."""
    text = GOOD.replace('remote = "cluster"', 'remote = "cluster"\npool_size = 3')
    done = check(tmp_path, text, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    [warning] = report.pop("warnings")
    assert warning["path"] == 'clusters.apac.outgoing."My WSX Outconn".pool_size'
    assert report == {
        "file": "clusters.toml", "is_ok": True, "clusters": ["emea", "apac"], "services": 5, "problems": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("guaranteed = true", "guaranteed = yes"), ["clusters.toml:22: not TOML: invalid value"]),
        (
            "[clusters\n" + GOOD + "\nx =\n",
            [
                "clusters.toml:1: not TOML: expected ']' at the end of a table declaration",
                "clusters.toml:38: not TOML: invalid value",
            ],
        ),
        (GOOD.encode() + b"# \xff\n", ["clusters.toml:36: not TOML: the text is not UTF-8"]),
        (GOOD + "[cluster.x]\n", ["clusters.toml:36: cluster: unknown key; did you mean 'clusters'?"]),
    ],
)
def test_text_that_is_no_toml(text: str | bytes, expected: list[str], tmp_path: Path) -> None:
    """Each mistake has its line, and nothing else is said: what follows from a mistake is none."""
    done = check(tmp_path, text)
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (2, "", expected)


def test_only_one_cluster_s_secrets(tmp_path: Path) -> None:
    """A machine that runs one of the clusters can check the file, though it has no secrets of others."""
    at = GOOD.index("[clusters.apac]")
    text = GOOD[:at] + GOOD[at:].replace("local:emea-apac", "$ISTHMUS_TEST_NOT_SET")
    assert check(tmp_path, text, "--cluster", "emea").returncode == 0
    assert check(tmp_path, text, "--cluster", "apac").returncode == 2
    done = check(tmp_path, text, "--cluster", "apec")
    assert (done.returncode, done.stderr) == (2, "clusters.toml:1: there is no cluster 'apec'; did you mean 'apac'?\n")


PLANTED = "plantedSecret7"
LEAKS: dict[str, Any] = {
    "a password in the open": ('"local:emea-apac"', f'"{PLANTED}"'),
    "a list of them": ('"local:emea-apac"', f'["{PLANTED}"]'),
    "a table of them": ('"local:emea-apac"', f'{{a = "{PLANTED}"}}'),
    "in place of a definition": ("[clusters.emea.channels", f'[clusters.emea.security]\nb = "{PLANTED}"\n[clusters.emea.channels'),
    "under a wrong key": ('username = "apac"', f'username = "apac"\npasword = "{PLANTED}"'),
    "in an address": ("ws://127.0.0.1:47043", f"http://user:{PLANTED}@127.0.0.1:47043"),
    "in a query": ('remote = "cluster"', f'other_addresses = "ws://x/?token={PLANTED}"'),
    "in a header": ('remote = "cluster"', f'remote = "websocket"\nheaders = {{X-Api = "{PLANTED}\\n"}}'),
    "where a table belongs": ('remote = "cluster"', f'headers = "{PLANTED}"'),
    "in text that is no TOML": ('"local:emea-apac"', f'"{PLANTED}'),
    "twice": ('username = "apac"', f'username = "apac"\npassword = "{PLANTED}"'),
    "of a variable": ('"local:emea-apac"', '"$ISTHMUS_TEST_PLANTED"'),
}  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_secrets_never_appear(leak: str, form: tuple[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever one was written in the open, or taken from; what is wrong is said all the same."""
    monkeypatch.setenv("ISTHMUS_TEST_PLANTED", PLANTED)
    done = check(tmp_path, GOOD.replace(*LEAKS[leak]), *form)
    assert PLANTED not in done.stdout + done.stderr
    assert done.returncode == (0 if leak == "of a variable" else 2)
    if done.returncode and not form:
        assert "clusters.toml:" in done.stderr
