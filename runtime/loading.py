"""Loads users' services from files, folders and installed modules, once per process.

Files get module names of their own and are never found by way of `sys.path`; the last part is the file's stem,
after which a service without a name is called. The part before it stands for the file's folder, so that files may
import their siblings relatively, whether they are listed one by one or as a folder.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from actors.actor import Actor
from actors.builtin import BUILTIN_SERVICES
from actors.services.service import Service

__all__ = ["check_declarations", "load_classes", "module_files", "package_of", "path_of"]

ROOT = "isthmus_services"


def path_of(reference: str, base: Path) -> Path | None:
    """Return the file or folder that a reference means; None for a dotted module."""
    path = base / reference
    return path if reference.endswith(".py") or "/" in reference or path.is_dir() else None


def package_of(path: Path) -> str:
    """Return the name of the package that stands for the folder of a file, or of a folder."""
    digest = hashlib.sha256(str(path.resolve().parent).encode()).hexdigest()[:8]
    return f"{ROOT}.h{digest}"


def module_files(path: Path) -> dict[str, Path]:
    """Return the modules of a file or folder that is listed, by the names under which they are loaded."""
    path = path.resolve()
    if path.is_file():
        return {f"{package_of(path)}.{path.stem}": path}
    return _files_of_folder(f"{package_of(path)}.{path.name}", path) if path.is_dir() else {}


def _files_of_folder(name: str, folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name == "__init__.py":
            found[name] = path
        elif path.suffix == ".py":
            found[f"{name}.{path.stem}"] = path
        elif _is_package(path):
            found |= _files_of_folder(f"{name}.{path.name}", path)
    return found


def _is_package(path: Path) -> bool:
    return path.is_dir() and path.name.isidentifier() and any(path.glob("**/*.py"))


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
        path = path_of(reference, base)
        if path is not None and not path.exists():
            problems.append(f"{path}: there is no such file or folder")
            continue
        try:
            if path is not None:
                modules += _load_path(path)
            else:
                modules.append(importlib.import_module(reference))
        except (Exception, SystemExit) as error:  # whatever a user's module does when it is imported
            problems.append(_problem(reference if path is None else str(path), error))
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


def _problem(reference: str, error: BaseException) -> str:
    """Say what an import failed with, and where: at the last line of users' code that was being run."""
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in (__file__, importlib.__file__) and not frame.filename.startswith("<")
    ]
    last = next((frame for frame in reversed(frames) if not _is_installed(frame.filename)), None)
    if last is None and frames:
        last = frames[-1]
    return f"{last.filename}:{last.lineno}: {what}" if last is not None else f"{reference}: {what}"


def _is_installed(filename: str) -> bool:
    """Tell whether a file is Python's own or an installed package's."""
    return any(Path(filename).is_relative_to(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))


def check_declarations(classes: Sequence[type[Actor]]) -> list[str]:
    """Return a sentence for each class whose name is taken, and for each service that cannot be run as it stands."""
    problems: list[str] = []
    declared: dict[tuple[str, str], type[Actor]] = {("service", cls.name): cls for cls in BUILTIN_SERVICES}
    for cls in classes:
        kind = "service" if issubclass(cls, Service) else "actor"
        what = f"{_place(cls)}: the {kind} {cls.name or cls.__name__!r}"
        other = declared.setdefault((kind, cls.name or f"{cls.__module__}.{cls.__name__}"), cls)
        if other is not cls:
            problems.append(f"{what} is declared already, at {_place(other)}")
        if issubclass(cls, Service):
            try:
                cls.check_declaration()
            except (TypeError, ValueError, NameError) as error:
                problems.append(f"{what}: {error}")
    return problems


def _place(cls: type[Actor]) -> str:
    """Return file and line of a class, or of the function that a service was made from."""
    source = getattr(cls, "function", cls)
    try:
        return f"{inspect.getsourcefile(source)}:{inspect.getsourcelines(source)[1]}"
    except (OSError, TypeError):
        return cls.__module__


def _load_path(path: Path) -> list[ModuleType]:
    path = path.resolve()
    package = package_of(path)
    for name, search in ((ROOT, []), (package, [str(path.parent)])):
        if name not in sys.modules:
            parent = sys.modules[name] = ModuleType(name)
            parent.__path__ = search
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
        elif _is_package(path):
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
