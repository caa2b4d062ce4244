"""Certificates for tests, in files as users have them."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import trustme
from attrs import frozen

HOST = "127.0.0.1"


@frozen
class Certificate:
    """A certificate and its key."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """Its SHA-256, as users give it."""
        pem = self.certificate.read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
        digits = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
        return ":".join(digits[place : place + 2] for place in range(0, 64, 2))


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.path = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(self.path)

    def issue(self, file: str = "server", *names: str, common_name: str | None = None) -> Certificate:
        """Write a certificate for names, the server's address unless others are given."""
        leaf = self._authority.issue_cert(*(names or (HOST,)), common_name=common_name)
        found = Certificate(self._folder / f"{file}.pem", self._folder / f"{file}.key")
        leaf.private_key_pem.write_to_path(found.key)
        found.certificate.write_bytes(b"".join(one.bytes() for one in leaf.cert_chain_pems))
        return found
