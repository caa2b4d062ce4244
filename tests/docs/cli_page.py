"""Writes docs/cli.md from the commands: `python -m tests.docs.cli_page`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclopts import App

from runtime.cli.app import make_app
from runtime.cli.examples import EXAMPLES
from tests.docs.cli_words import HEAD, SHAPES

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def page() -> str:
    """Return docs/cli.md."""
    root = make_app()
    found = list(_commands(root))
    overview = ["| command | does |", "|---|---|"]
    overview += [f"| [`isthmus {name}`](#isthmus-{name}) | {_first(app.help)} |" for name, app in _named(root)]
    sections = [_section(" ".join(words), app) for words, app in found]
    return "\n".join([HEAD, *overview, "", *sections, SHAPES])


def _named(app: App) -> Iterator[tuple[str, App]]:
    for name in app:
        if not name.startswith("-") and app[name].show:
            yield name, app[name]


def _commands(app: App, *before: str) -> Iterator[tuple[tuple[str, ...], App]]:
    """Give each command in the order of the overview, those within it right behind it."""
    for name, one in _named(app):
        fresh = make_app(before[0] if before else name)
        for word in (*before, name):
            fresh = fresh[word]
        yield (*before, name), fresh
        yield from _commands(one, *before, name)


def _first(text: str) -> str:
    return inspect.cleandoc(text).partition("\n\n")[0].replace("\n", " ")


def _section(name: str, app: App) -> str:
    level = "##" if " " not in name else "###"
    lines = [f"{level} isthmus {name}", ""]
    command = app.default_command
    text = command.__doc__ or "" if command is not None else app.help
    lines.append(inspect.cleandoc(text).partition("\n\nArgs:")[0])
    lines += ["", "```", *EXAMPLES[name], "```", ""]
    if command is not None:
        arguments = list(app.assemble_argument_collection(parse_docstring=True))
        rows = [_row(one) for one in arguments if one.show]
        lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(argument: Any) -> str:
    names = [_shown(name, argument) for name in argument.names]
    meaning = " ".join((argument.parameter.help or "").split())
    default = argument.field_info.default
    if argument.show_default is True and default not in (None, inspect.Parameter.empty):
        meaning = f"{meaning} Unset: `{default}`."
    choices = argument.get_choices(force=True)
    if choices:
        meaning = f"{meaning} One of {', '.join(f'`{one}`' for one in choices)}."
    return f"| {', '.join(names)} | {meaning} |".replace("  ", " ")


def _shown(name: str, argument: Any) -> str:
    if name.startswith("-"):
        return f"`{name}`"
    is_needed = argument.required
    words = f"{name}..." if argument.field_info.kind is inspect.Parameter.VAR_POSITIONAL else name
    return f"`{words}`" if is_needed else f"`[{words}]`"


if __name__ == "__main__":
    PAGE.write_text(page())
