"""The example of docs/services.md, as a file of services."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from actors import BadInput, NotFound, Service, service
from runtime.loading import check_declarations, load_classes
from tests.supervised import Supervised

PAGE = Path(__file__).parents[2] / "docs" / "services.md"


def _loaded(number: int, folder: Path, name: str) -> list[type[Service]]:
    """Load an example as a file of that name, and return its services."""
    examples: list[str] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (folder / name).write_text(examples[number])
    classes, problems = load_classes([name], folder)
    assert problems + check_declarations(classes) == []
    return [cls for cls in classes if issubclass(cls, Service)]


async def test_the_example_of_errors_works(tmp_path: Path, nursery: trio.Nursery) -> None:
    """It loads as a file; a caller handles the parts of a group, and gets the details of any other error."""
    running = Supervised(nursery, {})
    running.start(*_loaded(1, tmp_path, "stock.py"))
    assert await running.ask("shop.buy", {"product": "boots", "sizes": [39, 40]}) == []
    assert await running.ask("shop.buy", {"product": "boots", "sizes": [39, 41, 42]}) == [41, 42]
    with pytest.raises(NotFound) as failed:
        await running.ask("shop.buy", {"product": "unknown"})
    assert failed.value.details == {"product": "unknown"}


async def test_the_example_of_a_stream_works(tmp_path: Path, nursery: trio.Nursery) -> None:
    """It loads as a file, and one service iterates over the other as far as it likes."""
    running = Supervised(nursery, {})
    running.start(*_loaded(2, tmp_path, "report.py"))
    assert await running.ask("report.lines", {"count": 2}) == [{"line": 0}, {"line": 1}]
    assert await running.ask("report.total", {"count": 4}) == 6
    assert await running.ask("report.total", {"count": 1000}) == 105


async def test_the_example_of_the_page_works(tmp_path: Path, nursery: trio.Nursery) -> None:
    """It loads as a file, is named after it, answers, invokes the others, and names what is wrong with its input."""
    services = _loaded(0, tmp_path, "shop.py")
    assert [cls.name for cls in services] == ["shop.place-order", "crm.get-customer"]
    reserved: list[Any] = []

    @service("warehouse.reserve")
    async def reserve(order: Any) -> None:
        reserved.append(order.to_dict())

    running = Supervised(nursery, {})
    running.start(*services, reserve)
    order = {"customer_id": 7, "lines": [{"product": "x"}, {"product": "y", "count": 2}]}
    assert await running.ask("shop.place-order", order) == {"name": "Ann", "lines": 2}
    await trio.testing.wait_all_tasks_blocked()
    assert reserved == [
        {"customer_id": 7, "lines": [{"product": "x", "count": 1}, {"product": "y", "count": 2}], "note": None}
    ]
    order["lines"][1]["count"] = "many"  # type: ignore[index]
    with pytest.raises(BadInput, match=r"lines\[1\]\.count: expected int, got 'many'"):
        await running.ask("shop.place-order", order)
