"""The commands, by name; each is imported when it is used, so that the command line starts at once."""

from __future__ import annotations

import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError, MissingArgumentError, UnusedCliTokensError

from runtime.cli.examples import epilogue_of
from runtime.cli.failure import Failed

__all__ = ["run_app"]


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
    "publish": ("runtime.cli.topics:publish", "Publish a message and print its id."),
    "topics": ("runtime.cli.messages:topics", "List the topics that were ever used, and what they keep."),
    "subscriptions": (
        "runtime.cli.messages:subscriptions_app",
        "List the subscriptions, set how they deliver, end them.",
    ),
    "messages": ("runtime.cli.messages:messages_app", "List, show, edit, delete, clear and replay messages."),
    "message-log": ("runtime.cli.message_log:message_log", "Show the last messages of a session."),
    "sessions": (
        "runtime.cli.sessions:sessions_app",
        "List the clients of a cluster's channels; disconnect or call one.",
    ),
    "store": ("runtime.cli.store:store_app", "Back up, verify and restore a cluster's store."),
    "subscribe": ("runtime.cli.topics:subscribe", "Follow a topic; alone on it, take what waits, too."),
}
"""Where each command is, and what it does, which the overview shows without an import."""


def _app() -> App:
    app = App(
        name="isthmus",
        help="Clusters of services that invoke each other and exchange messages over WebSockets.",
        version=lambda: version("isthmus"),
        result_action="return_value",
    )
    for name, (place, purpose) in _COMMANDS.items():
        examples = epilogue_of(name)
        app.command(place, name=name, help=purpose, **({} if examples is None else {"help_epilogue": examples}))
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
        result = _app()(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        sys.stderr.write(f"isthmus: {_sentence(error, arguments)}\n")
        return 2
    except Failed as error:
        for line in error.lines:
            sys.stderr.write(f"{line}\n")
        return error.status
    except KeyboardInterrupt:
        return 0
    except BaseExceptionGroup as group:  # Ctrl-C in one of several tasks
        _interrupts, rest = group.split(KeyboardInterrupt)
        if rest is not None:
            raise
        return 0
    except BrokenPipeError:
        return 0
    return result if isinstance(result, int) else 0
