"""Loads users' services from files, folders and installed modules, once per process.

Files get module names of their own and are never found by way of `sys.path`; the last part is the file's stem,
after which a service without a name is called.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from actors.actor import Actor

__all__ = ["load_classes"]

ROOT = "isthmus_services"


def load_classes(references: Sequence[str], base: Path) -> tuple[list[type[Actor]], list[str]]:
    """Load what `services` lists.

    Args:
        references: Files and folders, relative to `base`, or dotted modules.
        base: The folder of clusters.toml.

    Returns:
        The actor classes that the modules define, and a sentence for each module that could not be loaded.
    """
    modules: list[ModuleType] = []
    problems: list[str] = []
    for reference in references:
        path = base / reference
        try:
            if reference.endswith(".py") or "/" in reference or path.is_dir():
                modules += _load_path(path)
            else:
                modules.append(importlib.import_module(reference))
        except Exception as error:  # whatever a user's module does when it is imported
            problems.append(_problem(reference, path, error))
    names = {module.__name__ for module in modules}
    classes = [
        cls
        for module in modules
        for cls in vars(module).values()
        if inspect.isclass(cls)
        and issubclass(cls, Actor)
        and cls.__module__ in names
        and cls.autostart
        and not cls.__name__.startswith("_")
        and not inspect.isabstract(cls)
    ]
    return list(dict.fromkeys(classes)), problems


def _problem(reference: str, path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file or folder"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve().is_relative_to(path.resolve().parent)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    place = f"{frames[-1].filename if frames else reference}:{line}" if line else reference
    return f"{place}: {type(error).__name__}: {error}"


def _load_path(path: Path) -> list[ModuleType]:
    if not path.exists():
        raise FileNotFoundError(path)
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    package = f"{ROOT}.h{digest}"
    for name in (ROOT, package):
        if name not in sys.modules:
            parent = sys.modules[name] = ModuleType(name)
            parent.__path__ = []
    if path.is_file():
        return [_load_file(f"{package}.{path.stem}", path)]
    return _load_folder(f"{package}.{path.name}", path)


def _load_folder(name: str, folder: Path) -> list[ModuleType]:
    """Load a folder as one package, with or without `__init__.py`."""
    init = folder / "__init__.py"
    if init.exists():
        package = _load_file(name, init)
    else:
        package = sys.modules.setdefault(name, ModuleType(name))
        package.__path__ = [str(folder)]
    modules = [package]
    for path in sorted(folder.iterdir()):
        if path.suffix == ".py" and path != init:
            modules.append(importlib.import_module(f"{name}.{path.stem}"))
        elif path.is_dir() and path.name.isidentifier() and any(path.glob("**/*.py")):
            modules += _load_folder(f"{name}.{path.name}", path)
    return modules


def _load_file(name: str, path: Path) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    is_package = path.name == "__init__.py"
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if is_package else None
    )
    if spec is None or spec.loader is None:
        msg = f"{path} is no Python file"
        raise ImportError(msg)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
