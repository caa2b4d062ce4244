"""A pytest plugin: secrets of tests are planted, and all that the suite puts out is searched for them at its end.

A planted secret has a mark in it that stands in nothing else. What is searched is what each test put out, the tracebacks
of those that failed, and every file that a test left behind (logs, audit logs, stores, status) but those that hold
secrets: files named `*.secret`, and what is below a folder `secrets`. The secrets that clusters made by themselves
(`local:NAME`) are in such a folder, and are searched for, too. One that is found fails the run. Where several processes
share the tests, each searches what its own put out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MARK = "pl4nted"


def planted(name: str) -> str:
    """Return a secret that is nowhere to be seen afterwards."""
    return f"{MARK}-{name}-7Qx2"


PASSWORD = planted("password")
"""What tests log in with that need just any password."""

_MADE = re.compile(rb"[0-9a-f]{64}")
"""What a secret is like that a cluster made."""


def _holds_secrets(path: Path) -> bool:
    return path.suffix == ".secret" or "secrets" in path.parts


class PlantedSecrets:
    """What the suite has put out.

    Args:
        config: Where pytest keeps its temporary folders.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._output: list[tuple[str, str]] = []
        self.found: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test has put out, and how it failed."""
        texts = [text for _name, text in report.sections] if report.when == "teardown" else []
        self._output += [(report.nodeid, text) for text in (*texts, report.longreprtext) if text]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Search; what is found fails the run."""
        folder = getattr(
            getattr(self._config, "_tmp_path_factory", None), "_basetemp", None
        )  # None: no test wanted any
        paths = sorted(folder.rglob("*")) if folder is not None else ()
        files = {path: _holds_secrets(path.relative_to(folder)) for path in paths if path.is_file()}
        secrets = {MARK.encode(), *self._made(files)}
        for where, text in self._output:
            self._search(where, text.encode(errors="replace"), secrets)
        for path, is_kept in files.items():
            if not is_kept:
                self._search(str(path), path.read_bytes(), secrets)
        if self.found:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if (told := getattr(self._config, "workeroutput", None)) is not None:
            told["planted"] = self.found

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what one of several processes has found."""
        self.found += getattr(node, "workeroutput", {}).get("planted", [])

    def _made(self, files: dict[Path, bool]) -> Iterator[bytes]:
        for path, is_kept in files.items():
            value = path.read_bytes().strip() if is_kept else b""
            if _MADE.fullmatch(value):
                yield value

    def _search(self, where: str, data: bytes, secrets: set[bytes]) -> None:
        self.found += [where for secret in secrets if secret in data]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where a secret was found, and not which."""
        for where in dict.fromkeys(self.found):
            terminalreporter.write_line(f"A SECRET WAS PUT OUT: {where}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Search the whole run."""
    config.pluginmanager.register(PlantedSecrets(config), "planted-secrets")
