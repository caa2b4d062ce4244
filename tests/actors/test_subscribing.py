"""What a subscriber may set of its subscription: what cannot be is refused by name, whatever a peer sends."""

from __future__ import annotations

from typing import Any

import pytest

from actors.errors import BadInput
from actors.topics.subscribing import LARGEST, subscription_options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ack_timeout", 10**400),
        ("ack_timeout", -(10**400)),
        ("ack_timeout", "1"),
        ("ack_timeout", -1),
        ("ack_timeout", float("nan")),
        ("delivery_batch_size", 0),
        ("delivery_batch_size", LARGEST + 1),
        ("delivery_batch_size", 10**400),
        ("delivery_batch_size", 1.5),
        ("delivery_batch_size", True),
        ("delivery_max_retry", []),
        ("ordered", 1),
        ("active_status", {}),
    ],
)
def test_a_value_that_cannot_be_is_named(name: str, value: Any) -> None:
    """The error says which option, what was expected, and what came, if that is short."""
    with pytest.raises(BadInput, match=f"^{name}: expected") as refused:
        subscription_options({name: value})
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ack_timeout", 5, 5.0),
        ("ack_timeout", LARGEST, float(LARGEST)),
        ("delivery_batch_size", LARGEST, LARGEST),
        ("delivery_batch_size", 1, 1),
        ("ordered", True, True),
        ("active_status", "pub-only", "pub-only"),
    ],
)
def test_a_value_that_can_be(name: str, value: Any, expected: Any) -> None:
    """A whole number will do for a duration."""
    found = subscription_options({name: value})
    assert found == {name: expected}
    assert type(found[name]) is type(expected)
