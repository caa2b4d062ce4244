"""`isthmus hash-password`."""

from __future__ import annotations

import getpass
import sys

from runtime.cli.failure import Failed
from runtime.security.passwords import hash_of

__all__ = ["hash_password"]


def hash_password() -> None:
    """Ask for a password, or read it from standard input, and print its argon2 hash.

    The hash takes the place of the password in clusters.toml, or in the file that it names. It is never read from the
    command line, which others on this machine can see. Example: `isthmus hash-password < password.txt`.
    """
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Once more: "):
            raise Failed("the passwords differ")
    else:
        password = sys.stdin.read().rstrip("\r\n")
    if not password:
        raise Failed("the password is empty", status=2)
    print(hash_of(password))  # noqa: T201
