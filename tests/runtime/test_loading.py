"""Users' modules: files, folders and installed modules, what is found in them, and how their faults are told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.loading import check_declarations, load_classes

SERVICE = """
from actors import Service

class GetCustomer(Service):
    async def handle(self): ...
"""


@pytest.fixture(autouse=True)
def _leaves_the_path(forgets_modules: None) -> Iterator[None]:
    path = list(sys.path)
    yield
    assert sys.path == path, "loading never touches sys.path"


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stem, text in files.items():
        (folder / f"{stem}.py").write_text(text)
    return folder


def names_in(folder: Path, *references: str) -> list[str]:
    classes, problems = load_classes(references, folder)
    assert problems == []
    return [cls.name for cls in classes]


def problem_in(folder: Path, *references: str) -> str:
    _classes, [problem] = load_classes(references, folder)
    return problem


def test_a_file_gives_its_own_classes_only(tmp_path: Path) -> None:
    """What a file imports, and what starts with an underscore, is no service of it."""
    text = SERVICE + "\nfrom actors.builtin import BUILTIN_SERVICES\nfrom actors.builtin.zato import Echo\n"
    write(tmp_path, emea=text + "\nclass _Base(Service): ...\n")
    assert names_in(tmp_path, "emea.py") == ["emea.get-customer"]


def test_a_folder_is_one_package(tmp_path: Path) -> None:
    """Its files, and those of folders in it, import each other relatively, with or without `__init__.py`."""
    folder = write(
        tmp_path / "services",
        customers="from actors import Service\nfrom .shared import Base\nclass Get(Base): ...\n",
        shared="from actors import Service\nclass Base(Service):\n    async def handle(self): ...\n",
    )
    write(folder / "deeper", orders="from ..shared import Base\nclass New(Base): ...\n")
    write(folder / "packed", __init__="from ..shared import Base\nclass Inside(Base): ...\n")
    assert sorted(names_in(tmp_path, "services")) == ["customers.get", "orders.new", "packed.inside", "shared.base"]


def test_a_file_may_import_its_siblings(tmp_path: Path) -> None:
    """Files listed one by one are siblings, too, and none is loaded twice."""
    write(
        tmp_path / "services",
        shared="from actors import Service\nclass Base(Service):\n    async def handle(self): ...\n",
        customers="from .shared import Base\nclass Get(Base): ...\n",
    )
    assert names_in(tmp_path, "services/customers.py") == ["customers.get"]
    classes, _problems = load_classes(["services/customers.py", "services/shared.py"], tmp_path)
    by_name = {cls.name: cls for cls in classes}
    assert len(classes) == 2
    assert issubclass(by_name["customers.get"], by_name["shared.base"])


def test_a_dotted_module_is_found_as_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed module is imported under its own name, however clusters.toml's folder is called."""
    write(tmp_path / "site" / "isthmus_test_installed", services=SERVICE)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(tmp_path / "site"))
        assert names_in(tmp_path, "isthmus_test_installed.services") == ["services.get-customer"]
        assert "isthmus_test_installed.services" in sys.modules


def test_clusters_share_what_both_load(tmp_path: Path) -> None:
    """The same file, named twice, is one module with one set of classes, and files of one stem stay apart."""
    write(tmp_path / "a", services=SERVICE)
    write(tmp_path / "b", services=SERVICE)
    first, _problems = load_classes(["a/services.py"], tmp_path)
    again, _problems = load_classes(["services.py"], tmp_path / "a")
    other, _problems = load_classes(["b/services.py"], tmp_path)
    assert first == again
    assert first != other
    assert check_declarations(first) == []


def test_a_service_s_files_shadow_no_module(tmp_path: Path) -> None:
    """A file may be named as a module of Python's is, without taking its place."""
    write(tmp_path, json="import json\nfrom actors import Service\nclass Dumps(Service):\n    text = json.dumps(1)\n")
    assert names_in(tmp_path, "json.py") == ["json.dumps"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\nimport nothing_of_that_name\n", "2: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("\n\nx = (\n", "3: SyntaxError: '(' was never closed"),
        ("def f():\n    1 / 0\nf()\n", "2: ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')\n", "2: JSONDecodeError: "),
        ("open('no-such-file')\n", "1: FileNotFoundError: "),
        ("import sys\nsys.exit(3)\n", "2: SystemExit: 3"),
        ("from . import absent\n", "1: ImportError: "),
    ],
)
def test_a_module_that_fails_is_named_with_its_line(text: str, expected: str, tmp_path: Path) -> None:
    """File, line and error are those of the user's code, and the other modules are loaded all the same."""
    write(tmp_path, bad=text, good=SERVICE)
    classes, [problem] = load_classes(["bad.py", "good.py"], tmp_path)
    assert problem.startswith(f"{tmp_path / 'bad.py'}:{expected}")
    assert [cls.name for cls in classes] == ["good.get-customer"]


def test_a_failure_in_a_sibling_is_placed_in_the_sibling(tmp_path: Path) -> None:
    """It is the file at fault that is named, not the one that imports it."""
    write(tmp_path / "services", a="import os\nfrom .b import x\n", b="x = (\n")
    assert problem_in(tmp_path, "services").startswith(f"{tmp_path / 'services' / 'b.py'}:1: SyntaxError")
    (tmp_path / "services" / "b.py").write_text("\n\nx = undefined\n")
    assert problem_in(tmp_path, "services").startswith(f"{tmp_path / 'services' / 'b.py'}:3: NameError")


def test_what_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    """A missing file, folder or module is one sentence without a line of ours."""
    assert problem_in(tmp_path, "absent.py") == f"{tmp_path / 'absent.py'}: there is no such file or folder"
    assert problem_in(tmp_path, "absent/") == f"{tmp_path / 'absent'}: there is no such file or folder"
    expected = "absent.module: ModuleNotFoundError: No module named 'absent'"
    assert problem_in(tmp_path, "absent.module") == expected


def test_a_module_that_failed_is_tried_again(tmp_path: Path) -> None:
    """A failure leaves no half-loaded module behind."""
    write(tmp_path, services="import nothing_of_that_name\n")
    assert problem_in(tmp_path, "services.py")
    write(tmp_path, services=SERVICE)
    assert names_in(tmp_path, "services.py") == ["services.get-customer"]


def test_a_name_that_is_taken_is_named_with_both_places(tmp_path: Path) -> None:
    """Two services of one name, and one with the name of a built-in, would never both run."""
    text = "from actors import Service, service\nclass A(Service):\n    name = 'x.y'\n    async def handle(self): ...\n"
    write(tmp_path, a=text, b="from actors import service\n@service('x.y')\ndef b(): ...\n")
    write(tmp_path, c="from actors import service\n@service('demo.echo')\ndef c(): ...\n")
    classes, _problems = load_classes(["a.py", "b.py", "c.py"], tmp_path)
    first, second = check_declarations(classes)
    a, b = tmp_path / "a.py", tmp_path / "b.py"
    assert first == f"{b}:2: the service 'x.y' is declared already, at {a}:2"
    assert "the service 'demo.echo' is declared already, at " in second


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("async def handle(self, a, b): ...", "takes nothing or one parameter, the input; not (a, b)"),
        ("def handle(self, *, a): ...", "takes nothing or one parameter, the input; not (a)"),
        ("def handle(): ...", "the first parameter is self"),
        ("def handle(self, a: 'Absent'): ...", "name 'Absent' is not defined"),
        ("concurrency = 0\n    def handle(self): ...", "concurrency: expected 1 or more, got 0"),
        ("every = 0\n    def handle(self): ...", "every: expected more than 0 seconds, got 0"),
    ],
)
def test_a_service_that_cannot_work_is_named_when_it_is_loaded(declaration: str, expected: str, tmp_path: Path) -> None:
    """A wrong signature or setting shows before anything starts, with file, line and service."""
    write(tmp_path, bad=f"from actors import Service\n\nclass Bad(Service):\n    {declaration}\n")
    classes, _problems = load_classes(["bad.py"], tmp_path)
    [problem] = check_declarations(classes)
    assert problem.startswith(f"{tmp_path / 'bad.py'}:3: the service 'bad.bad': ")
    assert expected in problem


def test_a_function_that_cannot_be_a_service_is_named(tmp_path: Path) -> None:
    """The same holds for `@service`, where there is no self."""
    write(tmp_path, bad="from actors import service\n\n@service('x.y')\nasync def bad(a, b): ...\n")
    classes, _problems = load_classes(["bad.py"], tmp_path)
    assert check_declarations(classes) == [
        f"{tmp_path / 'bad.py'}:3: the service 'x.y': "
        "bad: a handler takes nothing or one parameter, the input; not (a, b)"
    ]
