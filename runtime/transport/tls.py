"""TLS over any network: contexts from files that are looked at again, names and fingerprints that are checked.

A context is made anew when its files have changed; links that are open keep the one that they began with.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
import trio
from attrs import Factory, define, field, frozen

from actors.channels.credentials import PeerCertificate
from actors.errors import DialFailed
from runtime.transport.network import Address, Network

__all__ = ["ClientTls", "ServerTls", "TlsNetwork", "certificate_of"]

TLS = "TLS"
_SYSTEM_AUTHORITIES_FOR = 3600.0
"""Seconds after which the system's authorities are read again."""

_log = structlog.get_logger(kind="tls")

_Mark = tuple[object, ...]


@define
class _Kept:
    """A context, and what its files were like when it was made."""

    make: Callable[[], ssl.SSLContext]
    files: tuple[Path, ...]
    mark: _Mark = ()
    context: ssl.SSLContext | None = None

    def get(self, also: object = None) -> ssl.SSLContext:
        """Return the context; where new files cannot be used, the old one stays.

        Raises:
            OSError: When there is none yet, and none can be made; `ssl.SSLError` is one.
        """
        try:
            mark = (also, *((one.stat().st_mtime_ns, one.stat().st_size, one.stat().st_ino) for one in self.files))
            if self.context is None or mark != self.mark:
                self.context = self.make()
        except (OSError, ValueError) as error:
            if self.context is None:
                raise OSError(getattr(error, "errno", None), _files_problem(self.files, error)) from None
            _log.error("certificates cannot be read again; the old ones stay", reason=_files_problem(self.files, error))
        else:
            self.mark = mark
        return self.context


def _files_problem(files: Sequence[Path], error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"{', '.join(map(os.fspath, files))}: {reason}"


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    # without a password given, OpenSSL would ask the terminal for that of an encrypted key
    context.load_cert_chain(certificate, key, password=lambda: "")


@frozen
class ServerTls:
    """What a channel proves itself with, and whose certificates it asks its peers for.

    Args:
        certificate: PEM, with those between it and its authority.
        key: The private key, PEM, not encrypted.
        client_ca: The authorities of peers' certificates; None: peers are asked for none.
        is_optional: Whether a peer may have no certificate.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    is_optional: bool = False
    _kept: _Kept = field(init=False, repr=False, eq=False, default=Factory(lambda self: self._keep(), takes_self=True))

    def _keep(self) -> _Kept:
        files = (self.certificate, self.key, *((self.client_ca,) if self.client_ca else ()))
        return _Kept(self._make, files)

    def context(self) -> ssl.SSLContext:
        """Return the context for the next peer; raise `OSError` where there is none."""
        return self._kept.get()

    def _make(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load_own(context, self.certificate, self.key)
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL if self.is_optional else ssl.CERT_REQUIRED
        return context


@frozen
class ClientTls:
    """Whom a connection trusts, and what it proves itself with.

    Args:
        ca: The authorities, PEM; None for the system's.
        certificate: Its own certificate, where the remote asks for one.
        key: The private key of that.
        fingerprints: SHA-256 of certificates in hexadecimal; the remote's must be one of them, too, if there are any.
        is_any_host: Whether a certificate of another host is taken.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    fingerprints: tuple[str, ...] = ()
    is_any_host: bool = False
    _kept: _Kept = field(init=False, repr=False, eq=False, default=Factory(lambda self: self._keep(), takes_self=True))

    def _keep(self) -> _Kept:
        return _Kept(self.make, tuple(one for one in (self.ca, self.certificate, self.key) if one))

    def context(self) -> ssl.SSLContext:
        """Return the context for the next dial; raise `OSError` where there is none."""
        return self._kept.get(int(trio.current_time() // _SYSTEM_AUTHORITIES_FOR))

    def make(self) -> ssl.SSLContext:
        """Return a context from the files as they are now; raise `OSError` or `ValueError` where they are not right."""
        context = ssl.create_default_context(cafile=self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = not self.is_any_host
        if self.certificate is not None and self.key is not None:
            _load_own(context, self.certificate, self.key)
        return context

    def check(self, stream: trio.SSLStream[trio.abc.Stream], host: str) -> None:
        """Raise `DialFailed` where the remote's certificate is none of those that are pinned."""
        pinned = {one.replace(":", "").lower() for one in self.fingerprints}
        found = hashlib.sha256(stream.getpeercert(binary_form=True) or b"").hexdigest()
        if pinned and found not in pinned:
            raise DialFailed(TLS, f"{host}: its certificate has the fingerprint {found}, which is not the pinned one")


class TlsNetwork:
    """Implements `Network`: TLS for addresses that say `wss`, over another network.

    Args:
        network: Carries the bytes.
        client: For dialling; None for the system's authorities.
        server: For listening; an address that says `wss` cannot be bound without.
    """

    def __init__(self, network: Network, *, client: ClientTls | None = None, server: ServerTls | None = None) -> None:
        self._network = network
        self._client = client or ClientTls()
        self._server = server

    async def connect(self, address: Address) -> trio.abc.Stream:
        """Open a stream; raise `DialFailed` with part `TLS` and the certificate's reason where it does not hold."""
        if address.scheme != "wss":
            return await self._network.connect(address)
        try:
            context = self._client.context()
        except OSError as error:
            raise DialFailed(TLS, error.strerror or str(error)) from None
        stream = await self._network.connect(address)
        secure = trio.SSLStream(stream, context, server_hostname=address.host, https_compatible=True)
        try:
            await secure.do_handshake()
            self._client.check(secure, address.host)
        except BaseException as error:
            await trio.aclose_forcefully(stream)
            if isinstance(error, trio.BrokenResourceError):
                raise DialFailed(TLS, f"{address.host}: {_reason(error)}") from None
            raise
        return secure

    async def listen(self, address: Address) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Bind the address; raise `OSError` when that is not possible, or there is no certificate."""
        if address.scheme != "wss":
            return await self._network.listen(address)
        if self._server is None:
            msg = f"{address}: there is no certificate"
            raise OSError(msg)
        self._server.context()
        listeners = await self._network.listen(address)
        return [_TlsListener(one, self._server) for one in listeners]


class _TlsListener(trio.abc.Listener[trio.abc.Stream]):
    """Wraps each peer's stream; the handshake comes with the first bytes that are read, within the upgrade's time."""

    def __init__(self, listener: trio.abc.Listener[trio.abc.Stream], tls: ServerTls) -> None:
        self._listener = listener
        self._tls = tls

    async def accept(self) -> trio.abc.Stream:
        stream = await self._listener.accept()
        return trio.SSLStream(stream, self._tls.context(), server_side=True, https_compatible=True)

    async def aclose(self) -> None:
        await self._listener.aclose()


def _reason(error: trio.BrokenResourceError) -> str:
    cause = error.__cause__
    return cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause or error)


def certificate_of(transport: trio.abc.Stream) -> PeerCertificate | None:
    """Return the certificate that a peer has shown and that was verified, or None."""
    if not isinstance(transport, trio.SSLStream):
        return None
    shown, encoded = transport.getpeercert(), transport.getpeercert(binary_form=True)
    if not shown or not encoded:
        return None
    names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    names += [value for kind, value in shown.get("subjectAltName", ()) if kind in ("DNS", "email", "URI")]
    return PeerCertificate(frozenset(names), hashlib.sha256(encoded).hexdigest())
