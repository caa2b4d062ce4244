"""Secrets of clusters.toml: `$NAME` from the environment, `file:PATH`, and `local:NAME`, made at first use."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from actors.secret import Secret

__all__ = ["FORMS", "is_reference", "secret_from"]

FORMS = '"$NAME" (an environment variable), "file:PATH" or "local:NAME" (made at first use)'


def is_reference(text: str) -> bool:
    """Tell whether a text names a secret."""
    return text.startswith(("$", "file:", "local:")) and not text.startswith("$$")


def secret_from(reference: str, folder: Path) -> Secret:
    """Return the secret that a reference names; it is read when it is used.

    Raises:
        ValueError: When the text is no reference; the message does not repeat it.

    An argon2 hash stands for itself: it is made to be kept where others may come to see it.
    """
    if reference.startswith("$argon2"):
        return Secret(lambda: reference, "an argon2 hash")
    kind, _, name = reference.partition(":")
    if reference.startswith("$") and len(reference) > 1:
        variable = reference[1:]
        return Secret(lambda: _from_environment(variable), reference)
    if kind == "file" and name:
        return Secret(lambda: (folder / name).read_text().rstrip("\r\n"), reference)
    if kind == "local" and re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
        return Secret(lambda: _local(folder / ".isthmus" / "secrets" / name), reference)
    msg = f"expected {FORMS}; secrets are never written in the open"
    raise ValueError(msg)


def _from_environment(variable: str) -> str:
    try:
        return os.environ[variable]
    except KeyError:
        msg = f"the environment variable {variable} is not set"
        raise LookupError(msg) from None


def _local(path: Path) -> str:
    """Return the secret in a file, made now where there is none: whoever is first decides for all."""
    try:
        return path.read_text()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):  # another process was first
            os.link(temporary, path)
    finally:
        temporary.unlink()
    return path.read_text()
