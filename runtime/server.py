"""One server of a cluster in this process: from its configuration to its exit status."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import structlog
import trio

from actors.actor import Actor
from actors.builtin import BUILTIN_SERVICES
from actors.errors import ConfigurationError
from actors.signals import Tracer
from actors.topics.catalogue import Catalogue
from runtime.applying import Applier
from runtime.cluster import SERVER, Cluster, Ports, Stores
from runtime.config import Configuration, check_service_names, examine
from runtime.config.signals import TraceSettings
from runtime.data_dir import AlreadyRunning
from runtime.deployer import Deployment
from runtime.descriptors import raise_limit
from runtime.loading import check_declarations, load_classes
from runtime.modules import Modules
from runtime.notify import Notifier, Reporting
from runtime.observe.logs import configure
from runtime.observe.readiness import Readiness
from runtime.observe.watched import MakeMonitor, Watching
from runtime.opening import OpenedStore, open_data_dir
from runtime.opening_audit import OpenedAudit, open_audit
from runtime.ports import SystemClock, SystemEntropy, SystemThreads
from runtime.processes import open_processes
from runtime.store.group import SystemStoreThread
from runtime.store.schema import DamagedStore
from runtime.store.sqlite import SqliteStore
from runtime.transport.tcp import TcpNetwork
from runtime.transport.unix import UnixNetwork, socket_path
from runtime.watchdog import watch_loop

__all__ = ["load_all", "serve"]

KILL_AFTER = 5.0
"""Seconds that a server may still run after its second signal."""

COLLECTOR_THRESHOLDS = 10_000, 20, 100
"""How many new objects, and collections of the younger generations, there are before each collection."""

_log = structlog.get_logger(kind="server")


def load_all(
    path: Path,
    clusters: Collection[str] | None = None,
    *,
    text: str | None = None,
    more: Callable[[str], Sequence[type[Actor]]] = lambda _cluster: (),
) -> tuple[Configuration, dict[str, list[type[Actor]]]]:
    """Read the configuration and load the services it names.

    Args:
        path: The configuration.
        clusters: Those to be started; None for all.
        text: What stands in the file, where it is not to be read.
        more: Gives a cluster's classes beside those that the configuration names; it may name their services, too.

    Returns:
        The configuration, and the actor classes of each cluster that is to be started, without `more`.

    Raises:
        ConfigurationError: With everything that is wrong with the file, with the modules and with their services.
    """
    configuration, problems = examine(path, clusters, text=text)
    loaded: dict[str, list[type[Actor]]] = {}
    for name, settings in configuration.clusters.items():
        if clusters is not None and name not in clusters:
            continue
        classes, failures = load_classes(settings.services, configuration.folder)
        problems += check_classes(configuration, name, [*classes, *more(name)], failures)
        loaded[name] = classes
    if problems:
        raise ConfigurationError(list(dict.fromkeys(problems)))
    return configuration, loaded


def check_classes(
    configuration: Configuration, cluster: str, classes: Sequence[type[Actor]], failures: Sequence[str] = ()
) -> list[str]:
    """Return what is wrong with a cluster's classes, or missing of what its configuration names.

    Args:
        configuration: The configuration.
        cluster: The cluster's name.
        classes: All classes that were found.
        failures: Why others may be missing, which is returned first.
    """
    problems = [*failures, *check_declarations(classes)]
    known = {cls.name for cls in (*BUILTIN_SERVICES, *classes) if cls.name}
    return problems + check_service_names(configuration, cluster, known, is_complete=not problems)


def serve(path: Path, cluster: str, *, is_launched: bool = False) -> int:
    """Run a cluster until a signal ends it; return the exit status.

    Args:
        path: The configuration.
        cluster: Which cluster of it.
        is_launched: Whether a launcher started this process; then the end of standard input is its death.
    """
    configure(cluster)
    try:
        configuration, loaded = load_all(path, [cluster])
    except ConfigurationError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)  # noqa: T201
        return 2
    log_events = configure(cluster, configuration.log, server=SERVER)
    settings = configuration.clusters[cluster]
    raise_limit(settings)
    data_dir = configuration.data_dir(cluster)
    launcher = os.getppid() if is_launched else None
    notifier = Notifier.of_launcher(0, os.environ) if is_launched else Notifier.of_service_manager(os.environ)
    notifier.tell("STATUS=opening the store")
    try:
        with (
            open_data_dir(
                data_dir, settings.store, launcher=launcher, wait=settings.shutdown_timeout + KILL_AFTER
            ) as opened,
            open_audit(configuration, cluster, SERVER) as audit,
            _tracing(configuration.traces, cluster) as tracer,
        ):
            watching = Watching(None if settings.monitoring.address is None else _monitor(log_events), tracer)
            trio.run(_run, configuration, cluster, loaded[cluster], opened, audit, notifier, is_launched, watching)
    except (AlreadyRunning, DamagedStore) as error:
        print(f"cluster {cluster!r}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        notifier.close()
    return 0


async def _run(
    configuration: Configuration,
    name: str,
    classes: Sequence[type[Actor]],
    opened: OpenedStore,
    audit: OpenedAudit,
    notifier: Notifier,
    is_launched: bool,
    watching: Watching,
) -> None:
    settings = configuration.clusters[name]
    clock, entropy, catalogue = SystemClock(), SystemEntropy(), Catalogue(settings.topics)
    store = SqliteStore(
        opened.database,
        thread=SystemStoreThread(),
        clock=clock,
        entropy=entropy,
        catalogue=catalogue,
        cluster=name,
        not_durable=opened.not_durable,
    )
    async with open_processes(settings.services, configuration.folder) as processes, trio.open_nursery() as nursery:
        deployment = Deployment(
            Modules(settings.services, configuration.folder, classes),
            lambda classes: applier.check(classes),
            processes.renew,
        )
        threads = SystemThreads()
        stores = Stores.of(store, catalogue, opened.path)
        reporting = Reporting(notifier, lambda: _missing(readiness))
        applier = Applier(
            configuration, name, deployment, processes.relist, check_classes, threads, reporting.reloading
        )
        ports = Ports(
            network=TcpNetwork(),
            clock=clock,
            entropy=entropy,
            threads=threads,
            processes=processes,
            stores=stores,
            deployment=deployment,
            applier=applier,
            audit=audit.trail,
            audit_writer=audit.writer,
            admin_network=UnixNetwork(socket_path(configuration.data_dir(name))) if opened.has_folder else None,
            monitor=watching.monitor,
            tracer=watching.tracer,
        )
        server = Cluster(name, settings, classes, ports)
        readiness = Readiness(lambda: server.settings, server.registry, stores.gauges, lambda: server.phase)
        await nursery.start(watch_loop)

        async def stop() -> None:
            reporting.stopping(settings.shutdown_timeout + KILL_AFTER)
            await server.stop()
            nursery.cancel_scope.cancel()

        nursery.start_soon(_stop_on_signals, stop, nursery.cancel_scope)
        await nursery.start(server.run)
        _spare_the_collector()
        nursery.start_soon(reporting.run)
        if is_launched:
            nursery.start_soon(_stop_without_launcher, stop)


async def _missing(readiness: Readiness) -> list[str]:
    """Return in words what a server waits for before it is ready."""
    return [str(one) for one in await readiness.missing()]


def _monitor(log_events: Mapping[str, int]) -> MakeMonitor:
    """Return what makes the monitor; what serves HTTP is loaded only where somebody watches."""
    from runtime.observe.monitoring import monitor_spec

    return partial(monitor_spec, log_events=log_events)


def _tracing(settings: TraceSettings, cluster: str) -> AbstractContextManager[Tracer | None]:
    """Return what makes spans within its context; OpenTelemetry is loaded only where they are to go somewhere."""
    if settings.endpoint is None:
        return nullcontext()
    from runtime.observe.traces import tracing

    return tracing(settings, cluster, SERVER)


def _spare_the_collector() -> None:
    """Have the garbage collector look less often, and never again at what was loaded before the server was up.

    Calls make many objects and hardly a cycle of them; at Python's own thresholds a tenth of the time goes there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


async def _stop_on_signals(stop: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
    """Stop in order at the first signal, and cancel everything at the second."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            is_stopping = False
            async for number in signals:
                if is_stopping:
                    _log.warning("cancelled by a second signal")
                    _die_later()
                    scope.cancel()
                else:
                    _log.info("signal", signal=signal.Signals(number).name)
                    is_stopping = True
                    nursery.start_soon(stop)


async def _stop_without_launcher(stop: Callable[[], Awaitable[None]]) -> None:
    """Stop in order when the launcher's end of standard input closes."""
    async with trio.lowlevel.FdStream(os.dup(0)) as lifeline:
        try:
            while await lifeline.receive_some():
                pass
        except trio.BrokenResourceError:  # it died before it had read all that this one said
            pass
    _log.warning("the launcher is gone")
    await stop()


def _die_later() -> None:
    """End the process where cancelled code will not end."""
    timer = threading.Timer(KILL_AFTER, lambda: os._exit(1))
    timer.daemon = True
    timer.start()
