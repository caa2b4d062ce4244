"""`isthmus status --watch` at a terminal: a view of links, channels and topics that follows what happens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import trio
from rich.console import Console, Group
from rich.live import Live

from actors.errors import CallError
from runtime.admin.client import NotRunning, connect
from runtime.cli.interrupts import while_wanted
from runtime.cli.overview import View, overview_lines
from runtime.config import Configuration
from runtime.ports import SystemClock

__all__ = ["show_live"]

LOOK_INTERVAL = 1.0
"""Seconds between two looks at a cluster, whether it runs or not."""

REFRESH_INTERVAL = 0.5
"""Seconds between two pictures, for what counts down."""


def show_live(console: Console, configuration: Configuration, clusters: Sequence[str]) -> None:
    """Show clusters until interrupted; those that do not run, or go away, are shown from their start on."""
    trio.run(while_wanted, partial(_show, console, configuration, clusters))


async def _show(console: Console, configuration: Configuration, clusters: Sequence[str]) -> None:
    views = [View(name) for name in clusters]
    clock = SystemClock()

    def picture() -> Group:
        return Group(*overview_lines(views, clock.utc_now(), console.width, console.height - 1))

    with Live(console=console, screen=True, auto_refresh=False) as live:
        async with trio.open_nursery() as nursery:
            for view in views:
                nursery.start_soon(_follow, view, configuration)
            while True:
                live.update(picture(), refresh=True)
                await trio.sleep(REFRESH_INTERVAL)


async def _follow(view: View, configuration: Configuration) -> None:
    """Look at a cluster again and again, over its restarts."""
    while True:
        try:
            async with connect(configuration.data_dir(view.cluster)) as admin:
                while True:
                    view.seen(trio.current_time(), await admin.invoke("isthmus.admin.overview"))
                    await trio.sleep(LOOK_INTERVAL)
        except NotRunning:
            view.lost("not running")
        except CallError as error:
            view.lost(f"it does not say how it is: {error}")
        await trio.sleep(LOOK_INTERVAL)
