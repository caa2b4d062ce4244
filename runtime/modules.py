"""The modules that a cluster has loaded from files: which of them have changed, and loading those anew, all or none.

A module that has changed is loaded anew together with those that import it relatively, under the same names; the
others stay the objects that they are, with the services that run. Modules that are installed are not looked at.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from attrs import frozen

from actors.actor import Actor
from runtime.loading import load_classes, module_files, package_of, path_of

__all__ = ["Loaded", "Modules", "dependants", "relative_imports"]

Check = Callable[[Sequence[type[Actor]]], Sequence[str]]
"""Returns a sentence for each thing that is wrong with the classes of a cluster."""


def relative_imports(name: str, *, is_package: bool, source: str | bytes) -> set[str]:
    """Return the names of the modules that a module may import relatively; of its parents, those that it is inside of.

    Raises:
        SyntaxError: When the source is no Python.
    """
    package = name if is_package else name.rpartition(".")[0]
    found = {name.rsplit(".", depth)[0] for depth in range(1, name.count("."))}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            target = f"{base}.{node.module}" if node.module else base
            found |= {target, *(f"{target}.{one.name}" for one in node.names)}
    return found - {name}


def dependants(changed: Iterable[str], imports: Mapping[str, Iterable[str]]) -> set[str]:
    """Return what has changed and all that imports it, however indirectly."""
    found = set(changed)
    is_growing = True
    while is_growing:
        more = {name for name, imported in imports.items() if name not in found and not found.isdisjoint(imported)}
        found |= more
        is_growing = bool(more)
    return found


@frozen
class Loaded:
    """What a look at the files led to.

    Args:
        classes: All actor classes of the cluster's modules now.
        files: The files that were loaded anew, or were to be.
        problems: Why they were not: then everything is as it was.
        missing: Files that are gone, whose actors go on.
    """

    classes: Sequence[type[Actor]]
    files: Sequence[str] = ()
    problems: Sequence[str] = ()
    missing: Sequence[str] = ()


@frozen
class _Stamp:
    """How a file was when it was looked at; what cannot be read is empty."""

    seen: tuple[int, int] = (0, 0)
    digest: str = ""

    def now(self, path: Path) -> _Stamp:
        """Return how it is now; one whose time and size are the same is not read."""
        try:
            status = path.stat()
            seen = status.st_mtime_ns, status.st_size
            return self if seen == self.seen else _Stamp(seen, hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError:
            return _Stamp()


class Modules:
    """What a cluster has loaded; made right after that.

    Args:
        references: What `services` lists.
        base: The folder of clusters.toml.
        classes: What was found in it.
    """

    def __init__(self, references: Sequence[str], base: Path, classes: Sequence[type[Actor]]) -> None:
        self._base = base
        self._classes = classes
        self._list(references)
        self._seen = {name: _Stamp().now(path) for name, path in self._files().items()}
        self._digests = {name: stamp.digest for name, stamp in self._seen.items()}

    def _list(self, references: Sequence[str]) -> None:
        self._references = references
        self._paths = [path for one in references if (path := path_of(one, self._base)) is not None]
        self._packages = tuple({f"{package_of(path)}." for path in self._paths})

    @property
    def folders(self) -> list[Path]:
        """The folders in which something may change."""
        return sorted({path.resolve() if path.is_dir() else path.resolve().parent for path in self._paths})

    def refresh(self, check: Check) -> Loaded | None:
        """Load anew what has changed since it was loaded; None where nothing has since the last look.

        Args:
            check: Looks at all classes before they are taken; what it finds keeps the old ones.
        """
        files, before = self._files(), self._seen
        seen = self._seen = {name: before.get(name, _Stamp()).now(path) for name, path in files.items()}
        if all(stamp.digest == before.get(name, _Stamp()).digest for name, stamp in seen.items()):
            return None
        missing = sorted(str(files[name]) for name, one in seen.items() if not one.digest and before[name].digest)
        changed = {name for name, one in seen.items() if one.digest and one.digest != self._digests.get(name)}
        affected = dependants(changed, self._imports(seen.keys() - changed, files)) & files.keys()
        problems = self._load(affected, files, check) if affected else ()
        if not problems:
            self._digests |= {name: seen[name].digest for name in affected}
            new = {name: _Stamp().now(path) for name, path in self._files().items() if name not in seen}
            self._seen |= new
            self._digests |= {name: stamp.digest for name, stamp in new.items()}
        return Loaded(self._classes, sorted(str(files[name]) for name in affected), problems, missing)

    def relist(self, references: Sequence[str], check: Check) -> Sequence[str]:
        """Load what another list names beside what is loaded; return what is wrong, and then all is as it was.

        What is loaded already stays the objects that it is, until it changes; what is not listed any more, and not
        imported by what is, is forgotten, so that it is read anew should it be listed again.
        """
        before, listed = self._references, self._listed()
        self._list(references)
        loaded = set(self._loaded())
        classes, problems = load_classes(references, self._base)
        problems = list(dict.fromkeys(problems or check(classes)))
        if problems:
            for name in set(self._loaded()) - loaded:
                _detach(name)
            self._list(before)
            return problems
        self._classes = classes
        kept = self._listed()
        imported = set().union(*self._imports(kept, kept).values())
        for name in listed.keys() - kept.keys() - imported:
            _detach(name)
        self._seen = {name: self._seen.get(name) or _Stamp().now(path) for name, path in self._files().items()}
        self._digests = {name: self._digests.get(name, stamp.digest) for name, stamp in self._seen.items()}
        return ()

    @property
    def classes(self) -> Sequence[type[Actor]]:
        """The actor classes of all modules."""
        return self._classes

    def _files(self) -> dict[str, Path]:
        """Return the modules that are listed, and those that they have imported relatively."""
        files = self._listed()
        for name in self._loaded():
            if file := getattr(sys.modules[name], "__file__", None):
                files.setdefault(name, Path(file))
        return files

    def _listed(self) -> dict[str, Path]:
        return {name: path for path in self._paths for name, path in module_files(path).items()}

    def _loaded(self) -> list[str]:
        return [name for name in sys.modules if self._packages and name.startswith(self._packages)]

    def _imports(self, names: Iterable[str], files: Mapping[str, Path]) -> dict[str, set[str]]:
        """Return what modules import that are loaded as they stand in their files."""
        found = {}
        for name in names:
            path = files[name]
            with suppress(OSError, SyntaxError, ValueError):
                found[name] = relative_imports(name, is_package=path.name == "__init__.py", source=path.read_bytes())
        return found

    def _load(self, names: Iterable[str], files: Mapping[str, Path], check: Check) -> Sequence[str]:
        """Load modules anew; return what is wrong, and then all is as it was."""
        before = {name: sys.modules[name] for name in self._loaded()}
        for name in names:
            _detach(name)
            # Python takes what it has compiled for up to date by whole seconds and the size
            Path(importlib.util.cache_from_source(str(files[name]))).unlink(missing_ok=True)
        importlib.invalidate_caches()
        classes, problems = load_classes(self._references, self._base)
        problems = list(dict.fromkeys(problems or check(classes)))
        if problems:
            for name in {*names, *(set(self._loaded()) - before.keys())}:
                _detach(name)
                if name in before:
                    _attach(name, before[name])
        else:
            self._classes = classes
        return problems


def _detach(name: str) -> None:
    """Forget a module, as an attribute of its package, too: that is where a relative import looks first."""
    module = sys.modules.pop(name, None)
    package, _, own = name.rpartition(".")
    parent = sys.modules.get(package)
    if module is not None and parent is not None and parent.__dict__.get(own) is module:
        delattr(parent, own)


def _attach(name: str, module: ModuleType) -> None:
    package, _, own = name.rpartition(".")
    sys.modules[name] = module
    if package in sys.modules:
        setattr(sys.modules[package], own, module)
