"""The commands, by name; each is imported when it is used, so that the command line starts at once."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError, MissingArgumentError, UnusedCliTokensError

from runtime.cli.examples import shown_below
from runtime.cli.failure import Failed

__all__ = ["make_app", "run_app"]


_COMMANDS = {
    "run": ("runtime.cli.run:run", "Run every cluster of the file, a process each, until Ctrl-C."),
    "new": ("runtime.cli.new:new", "Make a project to start from: clusters, a service, a hook and a test."),
    "check": ("runtime.cli.check:check", "Check the file and import the services it names."),
    "schema": ("runtime.cli.schema:schema", "Print the JSON Schema of the file, for editors."),
    "hash-password": ("runtime.cli.hash_password:hash_password", "Print the argon2 hash of a password."),
    "add": ("runtime.cli.edit:add", "Add a channel, a connection, a topic or a cluster to the file."),
    "set": ("runtime.cli.edit:set_key", "Set a key in the file."),
    "remove": ("runtime.cli.edit:remove", "Remove a key, a channel, a topic or a cluster from the file."),
    "peer": ("runtime.cli.peer:peer", "Print what the other team needs to connect to a channel, without the secret."),
    "plan": ("runtime.cli.plan:plan", "Show what applying the file would change in the running clusters."),
    "apply": ("runtime.cli.plan:apply", "Change the running clusters to what the file says, and nothing else."),
    "import": ("runtime.cli.importing:import_app", "Make the file from a Zato enmasse export."),
    "status": ("runtime.cli.status:status", "Show the actors of running clusters, and how they are."),
    "invoke": ("runtime.cli.services:invoke", "Invoke a service and print its result as JSON."),
    "publish": ("runtime.cli.publish:publish", "Publish messages, from arguments, a file or standard input."),
    "topics": ("runtime.cli.topics:topics", "List the topics that were ever used, and what they keep."),
    "subscriptions": (
        "runtime.cli.subscriptions:subscriptions_app",
        "List the subscriptions, set how they deliver, end them.",
    ),
    "messages": ("runtime.cli.messages:messages_app", "List, show, edit, delete, clear and replay messages."),
    "message-log": ("runtime.cli.message_log:message_log", "Show the last messages of a session."),
    "sessions": (
        "runtime.cli.sessions:sessions_app",
        "List the clients of a cluster's channels; disconnect or call one.",
    ),
    "connect": ("runtime.cli.connect:connect", "Talk to a channel: log in, invoke, subscribe, publish."),
    "completion": ("runtime.cli.completion:completion", "Print what has a shell complete commands and names."),
    "store": ("runtime.cli.store:store_app", "Back up, verify and restore a cluster's store."),
    "subscribe": ("runtime.cli.subscribe:subscribe", "Follow a topic, from now on or from earlier."),
}
"""Where each command is, and what it does, which the overview shows without an import."""


def make_app(command: str = "") -> App:
    """Return the command line; what it says of all commands but one stands here, so that those are not imported."""
    app = App(
        name="isthmus",
        help="Clusters of services that invoke each other and exchange messages over WebSockets.",
        version=lambda: version("isthmus"),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for name, (place, purpose) in _COMMANDS.items():
        said: dict[str, str] = {} if name == command else {"help": purpose}
        if not place.endswith("_app"):
            said["help_epilogue"] = shown_below(name)
        app.command(place, name=name, **said)
    return app


def _sentence(error: CycloptsError, arguments: list[str]) -> str:
    """Say what is wrong with a command line, and where to read on."""
    command = next((one for one in arguments if one in _COMMANDS), "")
    match error:
        case MissingArgumentError(argument=argument) if argument is not None:
            what = f"{argument.name} {'needs a value' if argument.name.startswith('-') else 'is missing'}"
        case UnusedCliTokensError(unused_tokens=tokens) if tokens:
            what = f"there is no place for {' '.join(tokens)!r}"
        case _:
            what = str(error).rstrip(".")
    return f"{what}; see: isthmus {f'{command} ' if command else ''}--help"


def run_app(arguments: list[str]) -> int:
    """Run a command line; return the exit status."""
    try:
        result = make_app(next(iter(arguments), ""))(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        sys.stderr.write(f"isthmus: {_sentence(error, arguments)}\n")
        return 2
    except Failed as error:
        for line in error.lines:
            sys.stderr.write(f"{line}\n")
        return error.status
    except KeyboardInterrupt:  # of a command that had something else to do than to wait for it
        return 1
    except BaseExceptionGroup as group:  # the same, in one of several tasks
        if group.split((KeyboardInterrupt, BrokenPipeError))[1] is not None:
            raise
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be written has no reader
        return 0
    return result if isinstance(result, int) else 0
