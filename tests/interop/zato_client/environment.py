"""The environment of Zato's client: made once under .interop/ in the repository, again when requirements change."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.processes import ROOT

__all__ = ["INSIDE", "Unavailable", "interpreter"]

HERE = Path(__file__).parent
INSIDE = HERE / "inside"
FOLDER = ROOT / ".interop"
REQUIREMENTS = HERE / "requirements.txt"
_TIMEOUT = 600.0


class Unavailable(Exception):
    """The environment cannot be made here; the text says why."""


@cache
def interpreter() -> Path:
    """Return the environment's Python; make the environment where there is none that is up to date.

    Raises:
        Unavailable: When it cannot be made.
    """
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:  # the system frees it with the process that holds it
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _made_interpreter()


def _made_interpreter() -> Path:
    environment, stamp = FOLDER / "zato-client", FOLDER / "zato-client.stamp"
    python = environment / "bin" / "python"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    stamp.unlink(missing_ok=True)
    shutil.rmtree(environment, ignore_errors=True)
    _run("making it", sys.executable, "-m", "venv", str(environment))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # the older packages build with what is in the environment: nothing newer is fetched for that
    _run("installing", *pip, "setuptools<70", "wheel", "packaging")
    _run("installing", *pip, "--no-build-isolation", "-r", str(REQUIREMENTS))
    stamp.write_text(wanted)
    return python


def _run(what: str, *command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        msg = f"{what} the environment of Zato's client took more than {_TIMEOUT:g} s"
        raise Unavailable(msg) from None
    if done.returncode:
        log = FOLDER / "zato-client.log"
        log.write_text(done.stdout + done.stderr)
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        msg = f"{what} the environment of Zato's client failed: {(errors or ['no reason given'])[-1]} (see {log})"
        raise Unavailable(msg)
