"""Runs every cluster of a file, a process each, and starts those anew that die.

Servers run in sessions of their own, so signals reach them through the launcher only; their standard input is a
pipe that closes when the launcher dies, however it dies.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import structlog
import trio

from actors.retry import BackoffState
from actors.supervision import Backoff
from runtime.config import Configuration
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
    return trio.run(_Launcher(configuration).run)


class _Launcher:
    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._processes: dict[str, trio.Process] = {}
        self._stopping = trio.Event()
        self._entropy = SystemEntropy()
        self._status = 0

    async def run(self) -> int:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pass_signals_on)
            async with trio.open_nursery() as servers:
                for name in self._configuration.clusters:
                    servers.start_soon(self._keep_running, name)
            nursery.cancel_scope.cancel()
        return self._status

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
                return
            backoff.succeeded_for(trio.current_time() - started_at)
            delay = backoff.next_delay(self._entropy.uniform)
            how = signal.Signals(-returncode).name if returncode < 0 else f"exit status {returncode}"
            _log.warning("server died", actor=cluster, how=how, restarting_in=round(delay, 1))
            with trio.move_on_after(delay):
                await self._stopping.wait()

    async def _run_once(self, cluster: str) -> int:
        command = [sys.executable, "-P", "-m", "runtime.cli", "run", "--cluster", cluster]
        command += ["--config", str(self._configuration.path), "--launched"]
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=sys.stderr, start_new_session=True
        )
        self._processes[cluster] = process
        _log.info("server started", actor=cluster, pid=process.pid)
        if self._stopping.is_set():  # the signal came while the process was being made
            process.terminate()
        try:
            return await process.wait()
        finally:
            del self._processes[cluster]
            if process.stdin is not None:
                await process.stdin.aclose()

    async def _pass_signals_on(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                async for number in signals:
                    _log.info("signal", signal=signal.Signals(number).name)
                    if not self._stopping.is_set():
                        self._stopping.set()
                        nursery.start_soon(self._kill_late_ones)
                    for process in list(self._processes.values()):
                        process.terminate()

    async def _kill_late_ones(self) -> None:
        timeouts = [one.shutdown_timeout for one in self._configuration.clusters.values()]
        await trio.sleep(max(timeouts) + KILL_AFTER)
        for cluster, process in list(self._processes.items()):
            _log.error("killed: it did not end in time", actor=cluster, pid=process.pid)
            process.kill()
