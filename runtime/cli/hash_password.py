"""`isthmus hash-password`."""

from __future__ import annotations

import getpass
import sys

from runtime.cli.failure import Failed
from runtime.cli.options import Json
from runtime.cli.tables import show_fact
from runtime.security.passwords import hash_of

__all__ = ["hash_password"]


def hash_password(*, json_: Json = False) -> None:
    """Ask for a password, or read it from standard input, and print its argon2 hash.

    The hash takes the place of the password in clusters.toml, or in the file that it names. It is never read from the
    command line, which others on this machine can see.

    Args:
        json_: Print JSON.
    """
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Once more: "):
            raise Failed("the passwords differ")
    else:
        password = sys.stdin.read().rstrip("\r\n")
    if not password:
        raise Failed("the password is empty", status=2)
    made = hash_of(password)
    show_fact({"hash": made}, made, as_json=json_)
