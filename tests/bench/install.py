"""What the peers need: their clients by pip, in the versions of constraints.txt, their servers by apt-get."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from attrs import frozen

from tests.bench.rows import Skipped
from tests.processes import ROOT


@frozen
class Installer:
    """Sees that programs and packages are there; installs what is missing, where it may."""

    may_install: bool = True

    def package(self, package: str) -> None:
        """See that a package is installed beside this Python.

        Raises:
            Skipped: When it cannot.
        """
        if self.may_install and not is_installed(package):
            _say(f"installing {package}")
            constraints = str(ROOT / "constraints.txt")
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*command, "-c", constraints, package], capture_output=True, check=False)
            importlib.invalidate_caches()
        if not is_installed(package):
            how = "pip could not install it" if self.may_install else "it is not installed"
            raise Skipped(f"the package {package}: {how}")

    def program(self, name: str, package: str = "") -> str:
        """Return the path of a program; its Debian package has its name where nothing else is said.

        Raises:
            Skipped: When it is not there.
        """
        found = _find(name)
        if found is None and self.may_install and os.geteuid() == 0 and shutil.which("apt-get"):
            _say(f"installing {package or name}")
            # in this runlevel Debian's scripts do not start what they install
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
            command = ["apt-get", "install", "--yes", "--no-install-recommends", package or name]
            subprocess.run(command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False)
            found = _find(name)
        if found is None:
            raise Skipped(f"{name} is not on the PATH, and apt-get did not install it")
        return found


def is_installed(package: str) -> bool:
    """Tell whether a package is installed beside this Python."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _find(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
