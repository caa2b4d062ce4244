"""What each key and each choice of clusters.toml means: the comment beside it in the source of its class.

A key is a field of a class of settings, a choice a member of an enumeration. Its meaning is the comment at the end of
its line, or the lines of comment right above it, so that whoever reads the code reads what users read.
"""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from functools import cache

from actors.settings import DeliveryOptions, DeliverySettings

__all__ = ["meanings_of", "purpose_of"]

_SAME_AS: dict[type, type] = {DeliveryOptions: DeliverySettings}
"""Classes whose keys mean what the keys of another one mean."""


@cache
def meanings_of(cls: type) -> dict[str, str]:
    """Return the meaning of each key of a class of settings, or of each member of an enumeration, by name.

    One that has none is not in it.
    """
    source = textwrap.dedent(inspect.getsource(_SAME_AS.get(cls, cls)))
    comments, bare = _comments(source)
    found: dict[str, str] = {}
    [tree] = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - for the type checker: what getsource gives of a class
    for statement in tree.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                said = [comments[line] for line in _above(statement.lineno, bare)]
                if (last := statement.end_lineno) in comments:
                    said.append(comments[last])
                if said:
                    found[name] = " ".join(said)
    return found


def purpose_of(cls: type) -> str:
    """Return the first paragraph of a class's docstring, as one line."""
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())


def _comments(source: str) -> tuple[dict[int, str], set[int]]:
    """Return the text of each comment by its line, and the lines that have nothing else."""
    comments: dict[int, str] = {}
    bare: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            comments[line] = token.string.removeprefix("#").strip().partition("  # noqa")[0]
            if not token.line[:column].strip():
                bare.add(line)
    return comments, bare


def _above(line: int, bare: set[int]) -> range:
    first = line
    while first - 1 in bare:
        first -= 1
    return range(first, line)
