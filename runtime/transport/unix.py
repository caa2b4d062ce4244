"""Unix sockets, for administration: reachable by the user who runs the server, and by nobody else."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

import trio

from actors.errors import DialFailed
from runtime.transport.network import Address

__all__ = ["UnixNetwork", "local_user_of", "socket_path"]

_MAX_PATH = 100
"""Bytes; the kernel's limit is 108 on Linux and 104 on macOS, the closing zero included."""


def socket_path(data_dir: Path) -> Path:
    """Return where a cluster's admin socket is: in its data_dir, or in a short place where that is too long.

    Raises:
        PermissionError: When the short place belongs to somebody else.
    """
    path = data_dir.resolve() / "admin.sock"
    if len(os.fsencode(path)) <= _MAX_PATH:
        return path
    folder = Path(tempfile.gettempdir()) / f"isthmus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        msg = f"{folder} is not a folder of this user alone"
        raise PermissionError(msg)
    return folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:24]}.sock"


def local_user_of(transport: trio.abc.Stream) -> str:
    """Return the user that the peer of a Unix socket runs as, as the kernel says; empty where it does not say."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None or not isinstance(transport, trio.SocketStream) or transport.socket.family != socket.AF_UNIX:
        return ""
    _pid, uid, _gid = struct.unpack("3i", transport.socket.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return f"uid {uid}"


class _UnixListener(trio.abc.Listener[trio.SocketStream]):
    """A listening Unix socket that removes its file when it closes."""

    def __init__(self, sock: trio.socket.SocketType, path: Path) -> None:
        self._listener = trio.SocketListener(sock)
        self._path = path

    async def accept(self) -> trio.SocketStream:
        return await self._listener.accept()

    async def aclose(self) -> None:
        self._path.unlink(missing_ok=True)
        await self._listener.aclose()


class UnixNetwork:
    """One Unix socket; host and port of addresses do not matter.

    Args:
        path: The socket's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def connect(self, address: Address) -> trio.abc.Stream:
        """Open a stream; raise `DialFailed` when nobody listens."""
        part = "socket"
        try:
            return await trio.open_unix_socket(self._path)
        except OSError as error:
            raise DialFailed(part, f"{self._path}: {error.strerror or error}") from None

    async def listen(self, address: Address) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Bind the socket with mode 0600 from its first moment; a file that nobody listens on is replaced."""
        if await self._is_stale():
            self._path.unlink(missing_ok=True)
        sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            await sock.bind(os.fspath(self._path))
        except BaseException:
            sock.close()
            raise
        finally:
            os.umask(before)
        sock.listen(64)
        return [_UnixListener(sock, self._path)]

    async def _is_stale(self) -> bool:
        try:
            stream = await trio.open_unix_socket(self._path)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        await stream.aclose()
        return False
