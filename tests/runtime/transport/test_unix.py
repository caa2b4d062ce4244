"""The socket of administration: for its user alone, wherever the data_dir is, and replaced when nobody listens."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
import trio

from actors.errors import DialFailed
from actors.ports import Link
from runtime.transport.unix import UnixNetwork, socket_path
from tests.runtime.transport.support import ADDRESS, dial, goes_on, open_session, serving


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """A folder with a short name, which is also where temporary files go."""
    path = Path(tempfile.mkdtemp(prefix="i", dir="/tmp")).resolve()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    yield path
    shutil.rmtree(path)


async def check_link(path: Path) -> None:
    """Assert that a link over the socket works."""
    gives, takes = trio.open_memory_channel[Link](1)

    async def hold(link: Link) -> None:
        gives.send_nowait(link)
        await trio.sleep_forever()

    network = UnixNetwork(path)
    with gives, takes, trio.fail_after(30):
        async with serving(network, hold), dial(network) as client:
            server = await takes.receive()
            assert server.peer == "a local user"
            await open_session(client, server)
            await goes_on(client, server)


async def test_only_the_user_may_connect(folder: Path) -> None:
    """The socket has mode 0600 whatever the umask is, which is left as it was; closing removes the file."""
    path = folder / "admin.sock"
    before = os.umask(0)
    try:
        [listener] = await UnixNetwork(path).listen(ADDRESS)
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    status = path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    await listener.aclose()
    assert not path.exists()


async def test_a_link_works_in_a_data_dir_with_a_short_path(folder: Path) -> None:
    """The socket is in the data_dir itself."""
    path = socket_path(folder)
    assert path == folder / "admin.sock"
    await check_link(path)


async def test_a_link_works_for_a_data_dir_with_a_long_path(folder: Path) -> None:
    """Where the kernel would not take the path, the socket is in a folder of the user alone, one for each data_dir."""
    data_dirs = [folder / ("x" * 120) / name for name in ("emea", "apac")]
    paths = [socket_path(one) for one in data_dirs]
    assert len(set(paths)) == 2
    assert paths == [socket_path(one) for one in data_dirs]
    for path in paths:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        await check_link(path)


async def test_a_short_place_that_others_may_enter_is_refused(folder: Path) -> None:
    """A folder that somebody else could have prepared is not used."""
    long = folder / ("x" * 120)
    socket_path(long).parent.chmod(0o755)
    with pytest.raises(PermissionError, match="not a folder of this user alone"):
        socket_path(long)


async def test_a_short_place_that_is_a_link_is_refused(folder: Path) -> None:
    """A symbolic link to elsewhere is not followed."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (folder / f"isthmus-{os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(PermissionError):
        socket_path(folder / ("x" * 120))


async def test_a_stale_socket_is_replaced(folder: Path) -> None:
    """The file that a killed process left behind does not keep the next one from listening."""
    path = folder / "admin.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    assert path.exists()
    await check_link(path)


async def test_a_socket_that_somebody_listens_on_is_kept(folder: Path) -> None:
    """A second process is told that the address is in use, and the first one goes on."""
    path = folder / "admin.sock"
    [listener] = await UnixNetwork(path).listen(ADDRESS)
    with pytest.raises(OSError, match="in use"):
        await UnixNetwork(path).listen(ADDRESS)
    async with await UnixNetwork(path).connect(ADDRESS):
        pass
    await listener.aclose()


@pytest.mark.parametrize("is_left", [False, True])
async def test_what_does_not_run_is_named(folder: Path, is_left: bool) -> None:
    """Dialling where nobody listens fails at once and names the socket."""
    path = folder / "admin.sock"
    if is_left:
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(path))
    with pytest.raises(DialFailed) as failed:
        async with dial(UnixNetwork(path)):
            pass
    assert failed.value.part == "socket"
    assert str(path) in failed.value.reason
    expected = "Connection refused" if is_left else "No such file"
    assert expected in failed.value.reason
