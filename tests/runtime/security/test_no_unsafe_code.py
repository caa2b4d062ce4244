"""What the packages never do: unpickle, evaluate text, load YAML that builds objects, or run a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT

FILES = sorted(path for package in ("actors", "runtime") for path in (ROOT / package).rglob("*.py"))

MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle", "code", "codeop"}
"""Modules that make objects, or code, of what they read."""

CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
"""Builtins that run text."""

SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"}
STARTS = {"run", "call", "check_call", "check_output", "Popen", "run_process", "open_process"}
UNSAFE_YAML = {"load", "load_all", "unsafe_load", "unsafe_load_all", "full_load", "full_load_all"}
SAFE_LOADERS = ("SafeLoader", "CSafeLoader")


def _name(node: ast.expr) -> tuple[str, str]:
    """Return what a call calls: the name before the last dot, and the one behind it."""
    if isinstance(node, ast.Attribute):
        return ast.unparse(node.value), node.attr
    return "", node.id if isinstance(node, ast.Name) else ""


def _of_call(node: ast.Call, safe: set[str]) -> Iterator[str]:
    owner, name = _name(node.func)
    if not owner and name in CALLS:
        yield f"calls {name}"
    if name in SHELLS and owner in ("", "os", "subprocess", "asyncio"):
        yield f"runs a shell by {name}"
    for keyword in node.keywords:
        if keyword.arg != "shell":
            continue
        is_known = isinstance(keyword.value, ast.Constant)
        if ast.unparse(keyword.value) == "True" or (name in STARTS and not is_known):
            yield "runs a shell"
    if name in UNSAFE_YAML and owner.endswith("yaml"):
        loader = [ast.unparse(one) for one in (*node.args[1:], *(one.value for one in node.keywords))]
        if not loader or loader[0].rpartition(".")[2] not in safe:
            yield "loads YAML that may build objects"
    if owner.endswith("yaml") and name in ("Loader", "UnsafeLoader", "FullLoader"):
        yield "has a loader of YAML that builds objects"


def _findings(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    safe = set(SAFE_LOADERS)
    for node in ast.walk(tree):  # a loader that is derived from a safe one is safe
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).rpartition(".")[2] in safe for base in node.bases):
            safe.add(node.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"imports {one.name}" for one in node.names if one.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")[0]
            if module in MODULES:
                yield f"imports {module}"
            if module == "yaml":
                yield from (f"imports {one.name}" for one in node.names if one.name not in ("safe_load", *SAFE_LOADERS))
        elif isinstance(node, ast.Call):
            yield from _of_call(node, safe)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_comes_from_outside_is_run(path: Path) -> None:
    """In every module of both packages."""
    assert list(_findings(path.read_text())) == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("import pickle", "imports pickle"),
        ("from pickle import loads", "imports pickle"),
        ("import marshal as m", "imports marshal"),
        ("eval(text)", "calls eval"),
        ("exec(text, {})", "calls exec"),
        ("__import__(name)", "calls __import__"),
        ("os.system(command)", "runs a shell by system"),
        ("subprocess.getoutput(command)", "runs a shell by getoutput"),
        ("subprocess.run(command, shell=True)", "runs a shell"),
        ("trio.run_process(command, shell=wanted)", "runs a shell"),
        ("yaml.load(text)", "loads YAML that may build objects"),
        ("yaml.load(text, Loader=yaml.Loader)", "loads YAML that may build objects"),
        ("yaml.unsafe_load(text)", "loads YAML that may build objects"),
        ("from yaml import load", "imports load"),
    ],
)
def test_each_of_these_is_found(text: str, finding: str) -> None:
    """Or this test would say nothing."""
    assert finding in list(_findings(text))


@pytest.mark.parametrize(
    "text",
    [
        "yaml.safe_load(text)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "class Own(yaml.SafeLoader): pass\nyaml.load(text, Own)",
        "subprocess.run([command])",
        "re.compile(pattern)",
        "json.load(file)",
    ],
)
def test_what_is_safe_is_let_pass(text: str) -> None:
    """Names that are alike are not meant."""
    assert list(_findings(text)) == []
