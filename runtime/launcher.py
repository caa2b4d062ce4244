"""Runs every cluster of a file, a process each, and starts those anew that die.

Servers run in sessions of their own, so signals reach them through the launcher only; their standard input is a
stream that closes when the launcher dies, however it dies. Over it they say how they are, which the launcher passes on
to the service manager, as one state of all.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

import structlog
import trio

from actors.retry import BackoffState
from actors.supervision import Backoff
from runtime.config import Configuration
from runtime.notify import Gathered, Notifier
from runtime.observe.logs import configure
from runtime.ports import SystemEntropy

__all__ = ["launch"]

KILL_AFTER = 10.0
"""Seconds beyond `shutdown_timeout` after which a server that still runs is killed."""

CONFIGURATION_FAULT = 2

_log = structlog.get_logger(kind="launcher")


def launch(configuration: Configuration) -> int:
    """Run all clusters until a signal ends them; return the exit status."""
    configure("-", configuration.log)
    notifier = Notifier.of_service_manager(os.environ)
    try:
        return trio.run(_Launcher(configuration, notifier).run)
    finally:
        notifier.close()


class _Launcher:
    def __init__(self, configuration: Configuration, notifier: Notifier) -> None:
        self._configuration = configuration
        self._notifier = notifier
        self._gathered = Gathered(configuration.clusters)
        self._told: tuple[str, ...] = ()
        self._processes: dict[str, trio.Process] = {}
        self._stopping = trio.Event()
        self._entropy = SystemEntropy()
        self._status = 0

    async def run(self) -> int:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pass_signals_on)
            if self._notifier.watchdog is not None:
                nursery.start_soon(self._say_that_they_live, self._notifier.watchdog)
            async with trio.open_nursery() as servers:
                for name in self._configuration.clusters:
                    servers.start_soon(self._keep_running, name)
            nursery.cancel_scope.cancel()
        return self._status

    @property
    def _patience(self) -> float:
        """Seconds after which a server that is to end is killed."""
        return max(one.shutdown_timeout for one in self._configuration.clusters.values()) + KILL_AFTER

    async def _keep_running(self, cluster: str) -> None:
        backoff = BackoffState(Backoff())
        while not self._stopping.is_set():
            started_at = trio.current_time()
            returncode = await self._run_once(cluster)
            if self._stopping.is_set():
                return
            if returncode == CONFIGURATION_FAULT:
                self._status = CONFIGURATION_FAULT
                _log.error("not restarted: its configuration is wrong", actor=cluster)
                self._gathered.ended(cluster, "not restarted: its configuration is wrong")
                self._tell()
                return
            backoff.succeeded_for(trio.current_time() - started_at)
            delay = backoff.next_delay(self._entropy.uniform)
            how = signal.Signals(-returncode).name if returncode < 0 else f"exit status {returncode}"
            _log.warning("server died", actor=cluster, how=how, restarting_in=round(delay, 1))
            self._gathered.ended(cluster, f"died: {how}")
            self._tell()
            with trio.move_on_after(delay):
                await self._stopping.wait()

    async def _run_once(self, cluster: str) -> int:
        command = [sys.executable, "-P", "-m", "runtime.cli", "run", "--cluster", cluster]
        command += ["--config", str(self._configuration.path), "--launched"]
        own, theirs = socket.socketpair()
        async with trio.SocketStream(trio.socket.from_stdlib_socket(own)) as stream, trio.open_nursery() as nursery:
            with theirs:
                process = await trio.lowlevel.open_process(
                    command, stdin=theirs, stdout=sys.stderr, start_new_session=True, env=self._environment()
                )
            self._processes[cluster] = process
            _log.info("server started", actor=cluster, pid=process.pid)
            self._gathered.started(cluster)
            if self._stopping.is_set():  # the signal came while the process was being made
                process.terminate()
            nursery.start_soon(self._listen, cluster, stream)
            try:
                return await process.wait()
            finally:
                del self._processes[cluster]
                nursery.cancel_scope.cancel()
        raise AssertionError  # a nursery that is cancelled swallows no return

    def _environment(self) -> dict[str, str]:
        """Return that of a server, which says that it lives as often as the launcher has to."""
        watchdog = self._notifier.watchdog
        return {**os.environ, **({} if watchdog is None else {"WATCHDOG_USEC": str(int(watchdog * 1_000_000))})}

    async def _listen(self, cluster: str, stream: trio.SocketStream) -> None:
        """Take up what a server says, until it ends."""
        rest = b""
        try:
            async for data in stream:
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._gathered.heard(cluster, line.decode(errors="replace"), trio.current_time())
                self._tell()
        except trio.BrokenResourceError:
            pass

    def _tell(self) -> None:
        """Tell the service manager what is new about all servers."""
        lines = (f"STATUS={self._gathered.status}", *(("READY=1",) if self._gathered.are_ready else ()))
        if lines != self._told and not self._stopping.is_set() and self._notifier.tell(*lines):
            self._told = lines

    async def _say_that_they_live(self, period: float) -> None:
        """Say so as long as no server has stopped saying so; one that is dead is started again, which is enough."""
        while True:
            if self._gathered.are_alive(trio.current_time(), period):
                self._notifier.tell("WATCHDOG=1")
            await trio.sleep(period / 2)

    async def _pass_signals_on(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                async for number in signals:
                    _log.info("signal", signal=signal.Signals(number).name)
                    if not self._stopping.is_set():
                        self._stopping.set()
                        self._notifier.tell(
                            "STOPPING=1", "STATUS=stopping", f"EXTEND_TIMEOUT_USEC={int(self._patience * 1_000_000)}"
                        )
                        nursery.start_soon(self._kill_late_ones)
                    for process in list(self._processes.values()):
                        process.terminate()

    async def _kill_late_ones(self) -> None:
        await trio.sleep(self._patience)
        for cluster, process in list(self._processes.items()):
            _log.error("killed: it did not end in time", actor=cluster, pid=process.pid)
            process.kill()
