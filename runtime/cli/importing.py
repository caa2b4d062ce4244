"""`isthmus import`: clusters.toml from what another system exports."""

from __future__ import annotations

import json as json_library
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import asdict
from cyclopts import App

from actors.errors import ConfigurationError
from runtime.cli.auditing import note_edit
from runtime.cli.examples import shown_below
from runtime.cli.failure import Failed
from runtime.cli.options import DEFAULT_CONFIG, Flag, Json
from runtime.cli.tables import printable
from runtime.config import examine
from runtime.config.enmasse import Converted, NotAnExport, convert, read_export
from runtime.config.enmasse.writing import text_of
from runtime.config.replacing import replace_text

__all__ = ["import_app"]

import_app = App(
    name="import",
    help="Make the file from a Zato enmasse export.",
    help_epilogue=shown_below("import"),
)


@import_app.command(help_epilogue=shown_below("import enmasse"))
def enmasse(
    file: Path,
    /,
    *,
    cluster: str = "zato",
    local: Flag = False,
    overwrite: Flag = False,
    json: Json = False,
    config: Path = DEFAULT_CONFIG,
) -> int:
    """Make a clusters.toml from an enmasse export of Zato, and say what was not carried over, and why.

    Passwords are never written: each is to come from an environment variable.

    Args:
        file: The export, YAML or JSON.
        cluster: The name of the cluster that it becomes.
        local: Passwords are made at first use, in place of environment variables.
        overwrite: Replace the file where there is one.
        json: Print as JSON what was made, and what was not carried over.
        config: The file to write.
    """
    if config.exists() and not overwrite:
        raise Failed(f"{config} is there already, and is left as it is; say --overwrite to replace it")
    try:
        converted = convert(read_export(file.read_bytes()), is_local=local)
    except OSError as error:
        raise Failed(f"{file}: cannot be read: {error.strerror or error}", status=2) from None
    except NotAnExport as error:
        raise Failed(f"{file}: {error}", status=2) from None
    text = text_of(converted, cluster, file.name)
    problems = _problems(config, text)
    try:
        replace_text(config, text)
    except OSError as error:
        raise Failed(f"{config} cannot be written: {error.strerror or error}") from None
    note_edit(config, text, cluster, "import enmasse", source=str(file))
    if json:
        _print_json(config, converted, problems)
    else:
        _print_lines(config, converted, problems)
    return 1 if problems else 0


def _problems(config: Path, text: str) -> Sequence[str]:
    """Return what is wrong with the outcome, such as two channels at one port, which Zato let pass."""
    try:
        return examine(config, [], text=text)[1]
    except ConfigurationError as error:
        return error.problems


def _print_json(config: Path, converted: Converted, problems: Sequence[str]) -> None:
    report: dict[str, Any] = {
        "file": str(config),
        "made": {part: list(tables) for part, tables in converted.tables.items()},
        "secrets": converted.report.secrets,
        "not_carried": [asdict(one) for one in converted.report.not_carried],
        "problems": list(problems),
    }
    print(json_library.dumps(report, indent=2, ensure_ascii=False))  # noqa: T201


def _print_lines(config: Path, converted: Converted, problems: Sequence[str]) -> None:
    counts = ", ".join(f"{len(tables)} {part}" for part, tables in converted.tables.items())
    lines = [f"wrote {config}: {counts}"]
    if converted.report.secrets:
        lines.append("\nPasswords to give:")
        lines += [f"  {name}: {source}" for name, source in converted.report.secrets.items()]
    if converted.report.not_carried:
        lines.append("\nNot carried over:")
        for one in converted.report.not_carried:
            lines.append(f"  {one.section} {one.name!r}{f', {one.key}' if one.key else ''}: {one.reason}")
    if problems:
        lines.append("\nTo be put right by hand:")
        lines += [f"  {problem}" for problem in problems]
    lines.append("\nList the files of your services under `services`, then: isthmus check")
    for line in lines:
        print("\n".join(printable(part).plain for part in line.split("\n")))  # noqa: T201
