"""Fixtures that all tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from runtime.transport import WebSocketDialer

pytest_plugins = ("tests.planted",)

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(params=["isthmus.1", "zato"])
def wire(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both wire formats: without the offer of its sub-protocol, a channel speaks Zato's."""
    if request.param == "zato":
        monkeypatch.setitem(WebSocketDialer.__init__.__kwdefaults__, "subprotocols", ())
    return str(request.param)


@pytest.fixture
def forgets_modules() -> Iterator[None]:
    """What a test imports is imported anew by the next one."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
