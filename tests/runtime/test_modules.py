"""Users' modules that change on the disk: what is loaded anew, what stays, and that a failure leaves everything."""

from __future__ import annotations

import gc
import os
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.actor import Actor
from runtime.loading import load_classes
from runtime.modules import Modules, dependants, relative_imports

pytestmark = pytest.mark.usefixtures("forgets_modules")

HEAD = "from actors import Service\n"


def service(name: str, more: str = "") -> str:
    return f"{HEAD}{more}class One(Service):\n    name = {name!r}\n    async def handle(self): ...\n"


class Disk:
    """A folder with services, as a cluster has loaded it; no two writes have the same time."""

    def __init__(self, folder: Path, *references: str, **files: str) -> None:
        self.folder = folder
        self._writes = 0
        for stem, text in files.items():
            self.write(stem, text)
        classes, problems = load_classes(references, folder)
        assert problems == []
        self.modules = Modules(references, folder, classes)
        self.classes: Sequence[type[Actor]] = classes

    def write(self, stem: str, text: str) -> None:
        path = self.folder / f"{stem}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self._writes += 1
        os.utime(path, ns=(10**18, 10**18 + self._writes))  # within one second

    def refresh(self, problems: Sequence[str] = ()) -> tuple[list[str], list[str]]:
        """Return the files that were loaded anew, by their stems, and what was wrong."""
        loaded = self.modules.refresh(lambda _classes: problems)
        if loaded is None:
            return [], []
        self.classes = loaded.classes
        return [Path(one).stem for one in loaded.files], list(loaded.problems)

    def names(self) -> list[str]:
        return sorted(cls.name for cls in self.classes)


def test_nothing_is_loaded_where_nothing_changed(tmp_path: Path) -> None:
    """A file that was only touched, or written as it was, is left alone."""
    disk = Disk(tmp_path, "a.py", a=service("a"))
    assert disk.modules.refresh(lambda _classes: ()) is None
    disk.write("a", service("a"))
    assert disk.refresh() == ([], [])


def test_a_changed_file_is_loaded_and_others_stay(tmp_path: Path) -> None:
    """Only what changed has new classes, also within one second and with as many bytes as before."""
    disk = Disk(tmp_path, "a.py", "b.py", a=service("a1"), b=service("b1"))
    before = {cls.name: cls for cls in disk.classes}
    for name in ("a2", "a3", "a4"):
        disk.write("a", service(name))
        assert disk.refresh() == (["a"], [])
        assert disk.names() == [name, "b1"]
    assert next(cls for cls in disk.classes if cls.name == "b1") is before["b1"]


def test_what_imports_a_changed_sibling_is_loaded_with_it(tmp_path: Path) -> None:
    """However indirectly, listed or not; what does not import it stays."""
    disk = Disk(
        tmp_path,
        "a.py",
        "other.py",
        shared="NAME = 'one'\n",
        middle="from . import shared\n",
        a=f"from .middle import shared\n{HEAD}class One(Service):\n    name = shared.NAME\n",
        other=service("other"),
    )
    disk.write("shared", "NAME = 'two'\n")
    assert disk.refresh() == (["a", "middle", "shared"], [])
    assert disk.names() == ["other", "two"]


@pytest.mark.parametrize("has_init", [False, True])
def test_a_folder_gets_new_files_and_keeps_what_is_deleted(tmp_path: Path, has_init: bool) -> None:
    """A new file is loaded; a deleted one is told of once, and its services go on."""
    init = {"services/__init__": "\n"} if has_init else {}
    disk = Disk(tmp_path, "services", **init, **{"services/a": service("a")})
    disk.write("services/b", service("b", "from . import a\n"))
    assert disk.refresh() == (["b"], [])
    assert disk.names() == ["a", "b"]
    (tmp_path / "services/b.py").unlink()
    loaded = disk.modules.refresh(lambda _classes: ())
    assert loaded is not None
    assert [Path(one).name for one in loaded.missing] == ["b.py"]
    assert disk.modules.refresh(lambda _classes: ()) is None


def test_a_failure_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """A file that cannot be loaded, or classes that must not be, cost nothing; mended, all of it is loaded."""
    disk = Disk(tmp_path, "a.py", "b.py", a=service("a1"), b=service("b1", "from . import a\n"))
    before, modules = list(disk.classes), dict(sys.modules)
    disk.write("a", "from . import fresh\nraise RuntimeError('half written')\n")
    disk.write("fresh", "")
    loaded, [problem] = disk.refresh()
    assert loaded == ["a", "b"]
    assert f"{tmp_path}/a.py:2: RuntimeError: half written" in problem
    disk.write("a", service("a2"))
    assert disk.refresh(["the name is taken"]) == (["a", "b"], ["the name is taken"])
    assert list(disk.classes) == before
    assert dict(sys.modules) == modules
    assert disk.refresh() == ([], []), "what failed is not tried again before it changes"
    disk.write("a", service("a3"))
    assert disk.refresh() == (["a", "b"], [])
    assert disk.names() == ["a3", "b1"]


def test_what_is_put_back_as_it_was_ends_a_failure(tmp_path: Path) -> None:
    """Then nothing is loaded, and there is no problem any more."""
    disk = Disk(tmp_path, "a.py", a=service("a1"))
    before = list(disk.classes)
    disk.write("a", "(")
    assert len(disk.refresh()[1]) == 1
    disk.write("a", service("a1"))
    loaded = disk.modules.refresh(lambda _classes: ())
    assert loaded is not None
    assert (loaded.files, loaded.problems, list(loaded.classes)) == ([], (), before)


def test_old_versions_are_dropped(tmp_path: Path) -> None:
    """After many changes only the classes of the last one are alive."""
    disk = Disk(tmp_path, "a.py", a=service("a"))
    old = []
    for number in range(50):
        old.append(weakref.ref(disk.classes[0]))
        disk.write("a", service(f"a{number}"))
        assert disk.refresh() == (["a"], [])
    gc.collect()
    assert [one() for one in old if one() is not None] == []


@pytest.mark.parametrize(
    ("name", "is_package", "source", "expected"),
    [
        ("r.h.a", False, "from .b import c", {"r.h", "r.h.b", "r.h.b.c"}),
        ("r.h.a", False, "from . import b, c", {"r.h", "r.h.b", "r.h.c"}),
        ("r.h.p.a", False, "from ..b import c", {"r.h", "r.h.p", "r.h.b", "r.h.b.c"}),
        ("r.h.p", True, "from .a import c", {"r.h", "r.h.p.a", "r.h.p.a.c"}),
        ("r.h.a", False, "def f():\n    from .b import c", {"r.h", "r.h.b", "r.h.b.c"}),
        ("r.h.a", False, "import os\nfrom json import loads", {"r.h"}),
    ],
)
def test_relative_imports_are_found(name: str, is_package: bool, source: str, expected: set[str]) -> None:
    """Each form, at any depth, and the packages that a module is inside of."""
    assert relative_imports(name, is_package=is_package, source=source) == expected


@given(
    st.dictionaries(st.integers(0, 9).map(str), st.sets(st.integers(0, 9).map(str))),
    st.sets(st.integers(0, 9).map(str)),
)
def test_dependants_are_all_that_reach_a_change(imports: dict[str, set[str]], changed: set[str]) -> None:
    """A module is among them exactly when a walk along its imports gets to something that changed."""

    def reaches(name: str, seen: frozenset[str]) -> bool:
        return name in changed or any(
            reaches(one, seen | {name}) for one in imports.get(name, ()) if one not in seen | {name}
        )

    found = dependants(changed, imports)
    assert found == changed | {name for name in imports if reaches(name, frozenset())}
