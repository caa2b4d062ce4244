"""`isthmus store`: backups of a cluster's store, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import outcome
import trio
from attrs import asdict
from cyclopts import App
from rich.filesize import decimal

from actors.errors import CallError, LinkClosed
from runtime.admin.client import NotRunning, connect
from runtime.cli.auditing import audited
from runtime.cli.examples import shown_below
from runtime.cli.failure import Failed
from runtime.cli.options import DEFAULT_CONFIG, Cluster, Flag, Json
from runtime.cli.progress import progress_bar
from runtime.cli.reach import data_dir_of
from runtime.cli.tables import print_json
from runtime.data_dir import AlreadyRunning, lock, store_file
from runtime.store.backup import back_up
from runtime.store.backup import restore as put_back
from runtime.store.backup import verify as look_at
from runtime.store.files import OnStep, nothing
from runtime.store.integrity import DamagedStore, Report
from runtime.store.salvage import salvage as save

__all__ = ["store_app"]

LONGEST = 3600.0
"""Seconds that a server may take for a backup, which is the longest that it answers any call after."""

REFRESH = 0.2

store_app = App(
    name="store",
    help="Back up, verify, restore and salvage the store of a cluster.",
    help_epilogue=shown_below("store"),
)


@store_app.command(help_epilogue=shown_below("store backup"))
def backup(
    cluster: Cluster, file: Path, /, *, overwrite: Flag = False, json_: Json = False, config: Path = DEFAULT_CONFIG
) -> None:
    """Write all that a cluster's store holds now into a new file, which is verified; the cluster may run meanwhile.

    Args:
        cluster: The cluster.
        file: The new file.
        overwrite: Replace a file that is there.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    data_dir, target = data_dir_of(config, cluster), Path.cwd() / file
    with _one_sentence(cluster):
        try:
            made = trio.run(_backup_of_running, data_dir, target, overwrite)
        except NotRunning:
            store = _existing_store(data_dir, cluster)
            with lock(data_dir), audited(config, cluster, "store backup", file=str(target)), progress_bar() as on_step:
                made = asdict(back_up(store, target, is_open=False, overwrite=overwrite, on_step=on_step))
    _print(made, f"{file}: backed up: {_holds(made)}", as_json=json_)


@store_app.command(help_epilogue=shown_below("store verify"))
def verify(cluster: Cluster, /, *, file: Path | None = None, json_: Json = False, config: Path = DEFAULT_CONFIG) -> int:
    """Look for damage in a cluster's store, whether the cluster runs or not; the status is 1 where there is any.

    Args:
        cluster: The cluster.
        file: Look at this backup instead.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    data_dir = data_dir_of(config, cluster)
    with _one_sentence(cluster), progress_bar() as on_step:
        if file is not None:
            report = look_at(file, on_step=on_step)
        else:
            report = _look_at_store(_existing_store(data_dir, cluster), on_step)
    found = f"{report.path}: {'whole' if report.is_whole else 'DAMAGED'}: {_holds(asdict(report))}"
    lines = [found, *report.damage, *(f"the content of {one} is wrong" for one in report.lost)]
    _print(asdict(report), *lines, as_json=json_)
    return 0 if report.is_whole else 1


@store_app.command(help_epilogue=shown_below("store restore"))
def restore(cluster: Cluster, file: Path, /, *, json_: Json = False, config: Path = DEFAULT_CONFIG) -> None:
    """Put a backup in the place of a cluster's store, which is kept under another name; the cluster must not run.

    Args:
        cluster: The cluster.
        file: The backup, which is verified first.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    data_dir = data_dir_of(config, cluster)
    with _one_sentence(cluster, "stop it first"):
        if not file.is_file():
            raise Failed(f"{file}: there is no such file")
        with lock(data_dir), audited(config, cluster, "store restore", file=str(file)), progress_bar() as on_step:
            restored = put_back(store_file(data_dir), file, on_step=on_step)
    made = asdict(restored.report)
    aside = None if restored.aside is None else str(restored.aside)
    kept = "there was no store before" if aside is None else f"what was there is kept as {aside}"
    _print({**made, "aside": aside}, f"{made['path']}: restored: {_holds(made)}; {kept}", as_json=json_)


@store_app.command(help_epilogue=shown_below("store salvage"))
def salvage(cluster: Cluster, /, *, json_: Json = False, config: Path = DEFAULT_CONFIG) -> None:
    """Make a store of what can be read of a damaged one, and list what is lost; the cluster must not run.

    Args:
        cluster: The cluster; its damaged store is kept under another name.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    data_dir = data_dir_of(config, cluster)
    with _one_sentence(cluster, "stop it first"):
        store = _existing_store(data_dir, cluster)
        with lock(data_dir), audited(config, cluster, "store salvage"), progress_bar() as on_step:
            salvaged = save(store, on_step=on_step)
    made, lost = asdict(salvaged.report), [f"lost: {one}" for one in salvaged.lost]
    first = f"{store}: salvaged: {_holds(made)}; the damaged store is kept as {salvaged.aside}"
    _print({**made, "lost": salvaged.lost, "aside": str(salvaged.aside)}, first, *lost, as_json=json_)


def _existing_store(data_dir: Path, cluster: str) -> Path:
    store = store_file(data_dir)
    if not store.exists():
        raise Failed(f"cluster {cluster!r} has no store yet: there is no {store}")
    return store


def _look_at_store(store: Path, on_step: OnStep) -> Report:
    try:
        with lock(store.parent):
            return look_at(store, on_step=on_step)
    except AlreadyRunning:
        return look_at(store, is_open=True, on_step=on_step)


async def _backup_of_running(data_dir: Path, target: Path, overwrite: bool) -> dict[str, Any]:
    request = {"file": str(target), "overwrite": overwrite}
    async with connect(data_dir) as admin:
        with progress_bar() as on_step:
            async with trio.open_nursery() as nursery:
                if on_step is not nothing:
                    nursery.start_soon(_follow, data_dir, on_step)
                result = await outcome.acapture(admin.invoke, "isthmus.admin.back-up-store", request, timeout=LONGEST)
                nursery.cancel_scope.cancel()
    made: dict[str, Any] = result.unwrap()
    return made


async def _follow(data_dir: Path, on_step: OnStep) -> None:
    """Show how far a server has come with its backup, by a session of its own, as long as it says so."""
    try:
        async with connect(data_dir) as admin:
            while True:
                progress = await admin.invoke("isthmus.admin.backup-progress")
                on_step(progress["what"], progress["done"], progress["total"])
                await trio.sleep(REFRESH)
    except (CallError, LinkClosed, NotRunning):
        return


@contextmanager
def _one_sentence(cluster: str, remedy: str = "it does not answer yet, or no more: try again") -> Iterator[None]:
    try:
        yield
    except AlreadyRunning as error:
        raise Failed(f"cluster {cluster!r}: {error}; {remedy}") from None
    except (DamagedStore, CallError) as error:
        raise Failed(str(error)) from None


def _holds(report: dict[str, Any]) -> str:
    counts = ((report[one], one) for one in ("topics", "messages", "subscriptions"))
    words = ", ".join(f"{'?' if count is None else count} {one}" for count, one in counts)
    return f"{words}, version {report['version']}, {decimal(report['size'])}"


def _print(found: dict[str, Any], *lines: str, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print("\n".join(lines))  # noqa: T201
