"""The distribution as users get it: a wheel in an environment of its own, far from the repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from tests.processes import ROOT, free_port

DEPLOY = ROOT / "examples" / "deploy"
SOMEBODY = 10001


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it, as `pip install .` makes one, which everybody may read."""
    folder = Path(tmp_path_factory.mktemp("wheel"))
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "constraints.txt"):
        shutil.copy(ROOT / name, source)
    for name in ("actors", "runtime"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([python_for_everybody() or sys.executable, "-m", "venv", folder / "isthmus"], check=True)
    pip = [folder / "isthmus" / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    steps = (
        ["wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source],
        ["install", "--quiet", "--constraint", source / "constraints.txt", "WHEEL"],
    )
    for step in steps:
        wheel = next(folder.glob("*.whl"), None)
        done = subprocess.run(
            [*pip, *(wheel if one == "WHEEL" else one for one in step)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no package index is in reach: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    shutil.rmtree(source)
    open_to_everybody(folder)
    return folder


def python_for_everybody() -> str | None:
    """Return an interpreter that other users may run, too; the one of the tests may be in somebody's home."""
    for one in (Path(sys.executable).resolve(), Path("/usr/bin/python3").resolve()):
        may_be_run = one.exists() and all(part.stat().st_mode & 0o001 for part in (one, *one.parents))
        new_enough = "import sys, venv; sys.exit(sys.version_info < (3, 11))"
        if may_be_run and subprocess.run([one, "-c", new_enough], check=False, capture_output=True).returncode == 0:
            return str(one)
    return None


def open_to_everybody(folder: Path) -> None:
    """Let others in that have no business in a test's folder otherwise, nor in those above it."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for one in (folder.resolve(), *folder.resolve().parents):
        if temporary in one.parents:
            one.chmod(one.stat().st_mode | 0o055)


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [installed / "isthmus" / "bin" / "isthmus", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]}
    )


def test_all_that_is_needed_is_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    """Nothing of the tests, and every file of a new project; each command can say what it does."""
    [wheel] = installed.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"actors", "runtime"}
    assert run(installed, tmp_path, "new", "shop").returncode == 0
    checked = run(installed, tmp_path / "shop", "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    overview = run(installed, tmp_path, "--help").stdout
    commands = re.findall(r"^│ ([a-z][a-z-]+) ", overview, re.MULTILINE)
    assert len(commands) > 15
    every = "import sys; from runtime.cli.app import run_app; sys.exit(max(run_app([one, '--help']) for one in sys.argv[1:]))"
    helped = subprocess.run(
        [installed / "isthmus" / "bin" / "python", "-c", every, *commands],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout.count("Usage: ") == len(commands)


class Deployed:
    """The example of `examples/deploy`, with the paths of a test in place of those of a machine."""

    def __init__(self, installed: Path, folder: Path) -> None:
        self.program = installed / "isthmus" / "bin" / "isthmus"
        self.config, self.state = folder / "etc", folder / "state"
        self.port = free_port()
        (self.config / "secrets").mkdir(parents=True)
        self.state.mkdir()
        (self.config / "secrets" / "apac-password").write_text("planted")
        text = (DEPLOY / "clusters.toml").read_text()
        text = text.replace("wss://0.0.0.0:47043/", f"ws://127.0.0.1:{self.port}/").replace(
            "/var/lib/isthmus", str(self.state)
        )
        text = "".join(line for line in text.splitlines(True) if not line.startswith("tls_"))
        (self.config / "clusters.toml").write_text(text)
        shutil.copy(DEPLOY / "services.py", self.config)

    def command(self, key: str) -> list[str]:
        """Return a command of the unit, for the cluster emea."""
        found = re.search(rf"^{key}=(.*)$", (DEPLOY / "isthmus@.service").read_text(), re.MULTILINE)
        assert found is not None
        text = found[1].replace("/opt/isthmus/bin/isthmus", str(self.program)).replace("%i", "emea")
        return text.replace("/etc/isthmus", str(self.config)).split()


@pytest.fixture
def deployed(installed: Path, tmp_path: Path) -> Deployed:
    return Deployed(installed, tmp_path)


def test_the_unit_s_commands_run_what_they_say(deployed: Deployed, tmp_path: Path) -> None:
    """ExecStart is ready, ExecReload changes it, SIGTERM ends it with 0."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(tmp_path / "notify")}
        server = subprocess.Popen(deployed.command("ExecStart"), cwd="/", env=environment)
        try:
            while b"READY=1" not in manager.recv(10_000):
                pass
            file = deployed.config / "clusters.toml"
            file.write_text(file.read_text() + '\n[clusters.emea.topics."/other"]\n')
            reload = subprocess.run(
                deployed.command("ExecReload"), cwd="/", capture_output=True, text=True, check=False
            )
            assert reload.returncode == 0, reload.stderr
            assert "emea: 1 of 1 steps taken" in reload.stdout
            while b"RELOADING=1" not in manager.recv(10_000):
                pass
            server.terminate()
            while b"STOPPING=1" not in manager.recv(10_000):
                pass
            assert server.wait(60) == 0
        finally:
            server.kill()
            server.wait()


def test_it_runs_as_somebody_else(deployed: Deployed) -> None:
    """As the Containerfile has it: no rights, everything read-only but one folder, and SIGTERM to the process itself."""
    if os.getuid() != 0 or python_for_everybody() is None:
        pytest.skip("only root may become somebody else and mount, and there has to be a Python that others may run")
    steps = " && ".join(
        (
            "mount --make-rprivate /",
            f"mount --bind {deployed.state} {deployed.state}",
            "mount -o remount,bind,ro /",
            f'exec setpriv --reuid={SOMEBODY} --regid={SOMEBODY} --clear-groups --no-new-privs --bounding-set=-all "$@"',
        )
    )
    isolated = ["unshare", "--mount", "--", "sh", "-c", steps, "sh"]
    if not all(map(shutil.which, ("unshare", "setpriv"))):
        pytest.skip("unshare and setpriv are not installed")
    tried = subprocess.run([*isolated, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"this system lets nobody mount: {tried.stderr.strip()}")
    os.chown(deployed.state, SOMEBODY, SOMEBODY)
    open_to_everybody(deployed.config)
    forbidden = subprocess.run([*isolated, "touch", str(deployed.config / "x")], capture_output=True, check=False)
    assert forbidden.returncode != 0

    server = subprocess.Popen(
        [*isolated, str(deployed.program), "run"],
        cwd=deployed.config,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        events = (json.loads(line) for line in server.stderr)
        ready = next(one for one in events if one["event"] == "listening" and one.get("actor") == "gateway")
        assert ready["cluster"] == "emea"
        socket.create_connection(("127.0.0.1", deployed.port)).close()
        assert (deployed.state / "emea" / "store.db").stat().st_uid == SOMEBODY
        server.send_signal(signal.SIGTERM)
        rest = server.stderr.read()
        assert server.wait(60) == 0, rest
        assert "error" not in {json.loads(line).get("level") for line in rest.splitlines()}
    finally:
        server.kill()
        server.wait()
        assert server.stderr is not None
        server.stderr.close()
