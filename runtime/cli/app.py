"""The commands, by name; each is imported when it is used, so that the command line starts at once."""

from __future__ import annotations

import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError

from runtime.cli.failure import Failed

__all__ = ["run_app"]


def _app() -> App:
    app = App(
        name="isthmus",
        help="Clusters of services that invoke each other and exchange messages over WebSockets.",
        version=lambda: version("isthmus"),
        result_action="return_value",
    )
    app.command("runtime.cli.run:run", name="run")
    app.command("runtime.cli.run:check", name="check")
    app.command("runtime.cli.status:status", name="status")
    app.command("runtime.cli.services:invoke", name="invoke")
    app.command("runtime.cli.topics:publish", name="publish")
    app.command("runtime.cli.topics:subscribe", name="subscribe")
    return app


def run_app(arguments: list[str]) -> int:
    """Run a command line; return the exit status."""
    try:
        result = _app()(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        sys.stderr.write(f"isthmus: {error}\n")
        return 2
    except Failed as error:
        for line in error.lines:
            sys.stderr.write(f"{line}\n")
        return error.status
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        return 0
    return result if isinstance(result, int) else 0
