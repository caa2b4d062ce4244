"""How many files a server may have open: raised as far as it is allowed, and said where that is not enough."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from actors.settings import OutgoingSettings
from runtime.config.schema import ClusterSettings
from runtime.descriptors import OTHERS, needed_descriptors
from tests.processes import COMMAND, HANGS_AFTER, free_port
from tests.support import emea_settings

CONFIGURATION = """
[clusters.one.channels.gateway]
address = "ws://127.0.0.1:{port}/"
service = "helpers.echo"
security = "none"
max_sessions = {sessions}
"""


def test_what_is_needed_is_what_the_file_allows() -> None:
    """A descriptor for each session and connection, and some beside them; channels that do not listen need none."""
    settings = emea_settings(max_sessions=50)
    gateway = settings.channels["gateway"]
    more = {"gateway": gateway, "other": gateway, "off": evolve(gateway, active=False)}
    assert needed_descriptors(ClusterSettings()) == OTHERS
    assert needed_descriptors(settings) == OTHERS + 50
    outgoing = {"x": OutgoingSettings("ws://127.0.0.1:1/")}
    assert needed_descriptors(evolve(settings, channels=more, outgoing=outgoing)) == OTHERS + 101


@pytest.mark.parametrize(
    ("sessions", "soft", "hard", "limit", "is_warned"),
    [
        (1000, 300, 4000, 1000 + OTHERS, False),
        (1000, 300, 600, 600, True),
        (10, 300, 600, 300, False),
    ],
    ids=["raised", "raised as far as it may be", "enough"],
)
def test_a_server_raises_its_limit(
    sessions: int, soft: int, hard: int, limit: int, is_warned: bool, tmp_path: Path
) -> None:
    """To what its channels need; the warning names what it has, what it needs, and what to do."""
    (tmp_path / "clusters.toml").write_text(CONFIGURATION.format(port=free_port(), sessions=sessions))
    server = subprocess.Popen(
        ["sh", "-c", f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"', "sh", *COMMAND, "run", "--cluster", "one"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    try:
        assert server.stderr is not None
        for line in server.stderr:
            lines.append(line)
            if "gateway" in line and "listening" in line:
                break
        assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (limit, hard)
        warned = [line for line in lines if "too few files may be open" in line]
        assert bool(warned) == is_warned
        assert all(f"limit={limit}  needed={sessions + OTHERS}" in line and "LimitNOFILE" in line for line in warned)
    finally:
        server.terminate()
        assert server.stderr is not None
        server.stderr.read()
        assert server.wait(HANGS_AFTER) == 0
        server.stderr.close()
