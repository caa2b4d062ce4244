"""The pure parts of actors: patterns, typed input, SimpleIO, mailboxes, publications."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from actors import AsIs, BadInput, Int, MailboxFull, Opaque
from actors.actor import default_name
from actors.envelope import Envelope, ReplySlot
from actors.errors import ActorStopped
from actors.mailbox import Mailbox, MailboxLimits
from actors.services.io import input_reader, unstructure
from actors.services.simple_io import parse_declaration
from actors.topics.endpoint import matches
from actors.topics.publication import Publish


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("/customer/*", "/customer/new", True),
        ("/customer/*", "/customer/new/x", False),
        ("/customer", "/customer/new", False),
        ("/customer", "/customer2", False),
        ("/**", "/a/b/c", True),
        ("/*/changed", "/address/changed", True),
        ("/*/changed", "/a/b/changed", False),
    ],
)
def test_a_pattern_matches_the_whole_name(pattern: str, name: str, expected: bool) -> None:
    """`*` stays within a level, `**` crosses them, and nothing is a prefix match."""
    assert matches(pattern, name, "/") is expected


@given(st.text("ab/*", max_size=8), st.text("ab/", max_size=8))
def test_patterns_mean_what_their_regular_expression_means(pattern: str, name: str) -> None:
    """The matcher agrees with the obvious translation into a regular expression."""
    parts = re.split(r"(\*+)", pattern)
    text = "".join(re.escape(part) if "*" not in part else "[^/]*" if part == "*" else ".*" for part in parts)
    assert matches(pattern, name, "/") is (re.fullmatch(text, name) is not None)


@frozen
class Query:
    customer_id: int
    name: str = "nobody"


def test_wrong_input_names_the_element() -> None:
    """All that is wrong is said at once; nothing is coerced."""
    read = input_reader(Query)
    assert read({"customer_id": 1, "ignored": True}) == Query(1)
    with pytest.raises(BadInput, match=r"customer_id: expected int, got '1'; name: expected str, got 2"):
        read({"customer_id": "1", "name": 2})
    with pytest.raises(BadInput, match="customer_id: missing"):
        read({})
    with pytest.raises(BadInput, match="expected an object"):
        read(5)


def test_models_become_what_json_can_say() -> None:
    """Models at any depth are unstructured; what cannot be is an error that names its type."""
    assert unstructure([Query(1)]) == [{"customer_id": 1, "name": "nobody"}]
    with pytest.raises(TypeError, match="object"):
        unstructure({"x": object()})


def test_simple_io_converts_by_class_and_by_name() -> None:
    """A declared type must fit; a type that a name implies is only tried; Opaque passes anything."""

    class SimpleIO:
        input_required = ("customer_id", AsIs("order_id"), Int("limit"), "is_new")
        input_optional = (Opaque("ctx"), "note")

    declaration = parse_declaration(SimpleIO)
    ctx = object()
    payload = {"customer_id": "12", "order_id": "7", "limit": "3", "is_new": "true", "ctx": ctx}
    read = declaration.read(payload)
    assert (read.customer_id, read.order_id, read.limit, read.is_new) == (12, "7", 3, True)
    assert read.ctx is ctx
    assert read.note == ""
    assert declaration.read({**payload, "customer_id": "abc"}).customer_id == "abc"
    with pytest.raises(BadInput, match="'limit'"):
        declaration.read({**payload, "limit": "many"})
    with pytest.raises(BadInput, match="'order_id' is missing"):
        declaration.read({"customer_id": 1})


def test_a_service_is_named_after_its_file_and_class() -> None:
    """The default name is the file's stem and the class in words."""
    assert default_name("isthmus_services.h1.emea", "GetCustomer") == "emea.get-customer"
    assert default_name("my_service", "HTTPGateway") == "my-service.http-gateway"
    assert default_name("isthmus_services.h1.my_service", "MyService") == "my-service.my-service"


async def test_what_was_lent_comes_back_in_front() -> None:
    """After a crash in the middle of a drain the rest waits in order for the next instance."""
    mailbox = Mailbox()
    for number in range(3):
        mailbox.put_nowait(Envelope(number))
    await mailbox.drain()
    first = mailbox.take_lent()
    assert first is not None
    assert first.payload == 0
    mailbox.put_nowait(Envelope(3))
    mailbox.return_lent()
    assert [(await mailbox.get()).payload for _ in range(3)] == [1, 2, 3]


async def test_a_full_mailbox_refuses_and_a_closed_one_answers() -> None:
    """Bounds are kept, and what waits when an actor is stopped is answered."""
    mailbox = Mailbox(MailboxLimits(max_count=1))
    answers: list[Any] = []
    mailbox.put_nowait(Envelope(1, reply=ReplySlot(lambda slot: answers.append(slot.error))))
    with pytest.raises(MailboxFull):
        mailbox.put_nowait(Envelope(2))
    with trio.move_on_after(0) as scope:
        await mailbox.put(Envelope(2))
    assert scope.cancelled_caught
    assert len(mailbox) == 1
    stopped = ActorStopped("stopped")
    mailbox.close(stopped)
    assert answers == [stopped]
    with pytest.raises(ActorStopped):
        mailbox.put_nowait(Envelope(3))


@pytest.mark.parametrize(
    ("data", "options"),
    [
        ("", {}),
        (None, {}),
        ("x", {"priority": 10}),
        ("x", {"priority": "5"}),
        ("x", {"expiration": -1}),
        ("x", {"no": 1}),
    ],
)
def test_a_wrong_publish_is_refused(data: Any, options: dict[str, Any]) -> None:
    """Empty data, numbers out of range and unknown options store nothing."""
    with pytest.raises(BadInput):
        Publish.of(data, options)
