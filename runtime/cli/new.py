"""`isthmus new`: a project to start from, which runs and whose test passes as it is.

Its files are those of the folder `project` beside this module, with values in place of `@NAME@` and `@PORT@`.
"""

from __future__ import annotations

import errno
import re
import shlex
import socket
import unicodedata
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from runtime.cli.failure import Failed
from runtime.cli.options import Json
from runtime.cli.tables import print_json

__all__ = ["cluster_name", "new"]

FIRST_PORT = 47043
"""Where the search for a port begins that nobody listens on."""

LONGEST_NAME = 40

_FILES = {
    "clusters.toml": "clusters.toml",
    "services.py": "services.py",
    "hooks.py": "hooks.py",
    "tests/test_greeting.py": "tests/test_greeting.py",
    ".gitignore": "gitignore",
}
"""The files of a project, and which of the folder `project` each is made from."""


def new(directory: Path, /, *, port: int | None = None, json: Json = False) -> None:
    """Make a project to start from: two clusters, a service, a hook, and a test that passes.

    Args:
        directory: A folder that is empty, or is not there yet; the cluster is named after it.
        port: The port that the cluster listens on; else one that is free now.
        json: Print as JSON what was made.
    """
    if port is not None and not 0 < port < 65536:
        raise Failed(f"--port: expected 1 to 65535, got {port}", status=2)
    name = cluster_name(directory.resolve().name)
    port = port or _free_port()
    values = {"@NAME@": name, "@PORT@": str(port)}
    try:
        _make(directory, {path: _filled(template, values) for path, template in _FILES.items()})
    except OSError as error:
        raise Failed(f"{directory} cannot be made: {error.strerror or error}") from None
    steps = list(_next_steps(directory, name))
    if json:
        report = {"folder": str(directory), "cluster": name, "port": port, "files": list(_FILES), "next": steps}
        print_json(report)
        return
    print(f"made {directory}: {', '.join(_FILES)}\n\nNext:")  # noqa: T201
    for step in steps:
        print(f"  {step}")  # noqa: T201
    print('\nThe test needs: pip install "isthmus[testing]"')  # noqa: T201


def cluster_name(text: str) -> str:
    """Return a text as the name of a cluster: lower-case letters, digits and single hyphens, a letter first."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_NAME].strip("-")
    return name if name[:1].isalpha() else f"cluster-{name}".rstrip("-")


def _next_steps(directory: Path, name: str) -> Iterator[str]:
    if directory.resolve() != Path.cwd():
        yield f"cd {shlex.quote(str(directory))}"
    yield "isthmus check"
    yield "isthmus run"
    yield f"""isthmus invoke {name}-partner greeting.greet '{{"name": "Ada"}}' --via {name}"""
    yield "pytest"


def _filled(template: str, values: dict[str, str]) -> str:
    text = files("runtime.cli").joinpath("project", *template.split("/")).read_text("utf-8")
    for key, value in values.items():
        text = text.replace(key, value)
    return text


def _make(directory: Path, texts: dict[str, str]) -> None:
    """Write the files; where that fails nothing of them is left."""
    if directory.exists() and not directory.is_dir():
        raise Failed(f"{directory} is no folder")
    if directory.exists() and any(directory.iterdir()):
        raise Failed(f"{directory} is not empty, and is left as it is")
    made: list[Path] = []
    try:
        for path, text in texts.items():
            target = directory / path
            missing = [one for one in (target.parent, *target.parent.parents) if not one.exists()]
            for folder in reversed(missing):
                folder.mkdir()
                made.append(folder)
            with target.open("x", encoding="utf-8") as file:
                made.append(target)
                file.write(text)
    except BaseException:
        for one in reversed(made):
            one.rmdir() if one.is_dir() else one.unlink()
        raise


def _free_port() -> int:
    """Return a port that nobody listens on now, the same one each time where that is so."""
    for port in range(FIRST_PORT, 65536):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            else:
                return port
    raise Failed(f"no port from {FIRST_PORT} on is free; say --port")
