"""SimpleIO: elements, what is declared of them, and what becomes of input and output."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import (
    CSV,
    UTC,
    UUID,
    AsIs,
    BadInput,
    Bool,
    Date,
    DateTime,
    Decimal,
    Dict,
    DictList,
    Float,
    Int,
    List,
    Opaque,
    RemoteError,
    Secret,
    Text,
)
from actors.services.simple_io import SimpleIODeclaration, parse_declaration


def declare(**options: Any) -> SimpleIODeclaration:
    return parse_declaration(type("SimpleIO", (), options))


DAY = datetime.date(2026, 3, 1)
NOON = datetime.datetime(2026, 3, 1, 12)
SOME_UUID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("element", "value", "read", "written"),
    [
        (AsIs("x"), "7", "7", "7"),
        (Bool("x"), "yes", True, True),
        (Bool("x"), 0, False, False),
        (CSV("x"), "a, b", ["a", "b"], "a,b"),
        (CSV("x"), ["a", "b"], ["a", "b"], "a,b"),
        (CSV("x", separator=";"), "a;b,c", ["a", "b,c"], "a;b,c"),
        (Date("x"), "2026-03-01", DAY, "2026-03-01"),
        (Date("x"), NOON, DAY, "2026-03-01"),
        (Date("x", format="%d/%m/%Y"), "01/03/2026", DAY, "01/03/2026"),
        (DateTime("x"), "2026-03-01T12:00:00", NOON, "2026-03-01T12:00:00"),
        (DateTime("x", format="%Y%m%d%H"), "2026030112", NOON, "2026030112"),
        (UTC("x"), "2026-03-01T13:00:00+01:00", NOON, "2026-03-01T12:00:00"),
        (Decimal("x"), "1.50", decimal.Decimal("1.50"), "1.50"),
        (Dict("x"), {"a": 1}, {"a": 1}, {"a": 1}),
        (Dict("x", "customer_id", "-name"), {"customer_id": "1", "z": 2}, {"customer_id": 1, "name": ""}, None),
        (DictList("x"), [{"a": 1}, {}], [{"a": 1}, {}], [{"a": 1}, {}]),
        (DictList("x", Int("n")), [{"n": "1", "z": 2}], [{"n": 1}], [{"n": 1}]),
        (Float("x"), "1.5", 1.5, 1.5),
        (Int("x"), "7", 7, 7),
        (Int("x"), 7.0, 7, 7),
        (List("x"), "a", ["a"], ["a"]),
        (List("x"), ["a"], ["a"], ["a"]),
        (Text("x"), 7, "7", "7"),
        (Secret("x"), "s", "s", "s"),
        (UUID("x"), str(SOME_UUID), SOME_UUID, str(SOME_UUID)),
    ],
)
def test_each_element_reads_its_type_and_writes_what_json_can_say(
    element: Any, value: Any, read: Any, written: Any
) -> None:
    """The service has Python's own types, the caller text, numbers, lists and objects."""
    declaration = declare(input=element, output=element)
    assert declaration.read({"x": value}).x == read
    assert type(declaration.read({"x": value}).x) is type(read) or isinstance(read, dict)
    assert declaration.write({"x": read}) == {"x": read if written is None else written}


def test_opaque_passes_any_object_both_ways() -> None:
    """It is the very object, which nothing else lets through."""
    thing = object()
    declaration = declare(input=Opaque("x"), output=Opaque("x"))
    assert declaration.read({"x": thing}).x is thing
    assert declaration.write({"x": thing})["x"] is thing
    with pytest.raises(RemoteError, match="output element 'x': expected what JSON can say"):
        declare(output=AsIs("x")).write({"x": thing})


@pytest.mark.parametrize(
    ("element", "value", "problem"),
    [
        (Bool("x"), "maybe", "expected Bool, got 'maybe'"),
        (CSV("x"), {}, "expected CSV, got {}"),
        (Date("x"), "yesterday", "expected Date, got 'yesterday'"),
        (Date("x"), 5, "expected Date, got 5"),
        (DateTime("x"), "noon", "expected DateTime"),
        (UTC("x"), [], "expected UTC"),
        (Decimal("x"), "nan", "expected Decimal, got 'nan'"),
        (Decimal("x"), "many", "expected Decimal"),
        (Dict("x"), 5, "expected Dict, got 5"),
        (DictList("x"), [5], "expected DictList"),
        (DictList("x"), "abc", "expected DictList"),
        (Float("x"), "inf", "expected Float, got 'inf'"),
        (Float("x"), 10**400, "expected Float"),
        (Int("x"), "3.7", "expected Int, got '3.7'"),
        (Int("x"), 3.7, "expected Int, got 3.7"),
        (Int("x"), None, "expected Int, got None"),
        (Int("x"), float("inf"), "expected Int"),
        (Text("x"), {}, "expected Text"),
        (Text("x"), None, "expected Text, got None"),
        (Secret("x"), ["sesame"], r"expected Secret, got \*\*\*"),
        (UUID("x"), "7", "expected UUID, got '7'"),
        (UUID("x"), 7, "expected UUID, got 7"),
    ],
)
def test_a_value_that_does_not_fit_is_bad_input_that_names_the_element(element: Any, value: Any, problem: str) -> None:
    """Its type and what was given are told; of a secret only that it does not fit."""
    with pytest.raises(BadInput, match=f"input element 'x': {problem}"):
        declare(input=element).read({"x": value})


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4))
def test_whatever_is_given_is_read_or_is_bad_input(value: Any) -> None:
    """No element lets a value end in another error."""
    types = (AsIs, Bool, CSV, Date, DateTime, Decimal, Dict, DictList, Float, Int, List, Text, UTC, UUID, Secret)
    for element in types:
        try:
            declare(input=element("x")).read({"x": value})
        except BadInput as error:
            assert "'x'" in str(error)  # noqa: PT017 - what is not raised is fine as well
    read = declare(input=("is_x", "x_id", "id", "password")).read(
        dict.fromkeys(("is_x", "x_id", "id", "password"), value)
    )
    assert read.password is value


def test_an_error_within_an_object_has_its_path() -> None:
    """Objects and lists of objects say which of their elements it is, at any depth."""
    declaration = declare(input=Dict("order", DictList("lines", Int("count"), "-note"), Text("-to")))
    order = {"order": {"lines": [{"count": "1"}, {"count": "many"}]}}
    with pytest.raises(BadInput, match=r"input element 'order.lines\[1\].count': expected Int, got 'many'"):
        declaration.read(order)
    del order["order"]["lines"][1]["count"]
    with pytest.raises(BadInput, match=r"'order.lines\[1\].count' is missing"):
        declaration.read(order)
    order["order"]["lines"].pop()
    assert declaration.read(order).order.lines[0].count == 1


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("by_name", "true", True),
        ("has_x", "0", False),
        ("is_new", "maybe", "maybe"),
        ("may_x", "yes", True),
        ("needs_x", "on", True),
        ("should_x", "off", False),
        ("id", "12", 12),
        ("customer_id", "12", 12),
        ("x_count", "12", 12),
        ("x_size", "12", 12),
        ("x_size_min", "12", 12),
        ("x_size_max", "12", 12),
        ("x_timeout", "1.5", "1.5"),
        ("identity", "12", "12"),
        ("paid", "12", "12"),
    ],
)
def test_a_name_implies_a_type_that_nothing_is_forced_into(name: str, value: Any, expected: Any) -> None:
    """Bool prefixes, int suffixes and the exact `id`; what does not fit stays as it is, and AsIs stops it."""
    assert declare(input_required=name).read({name: value})[name] == expected
    assert declare(input_required=AsIs(name)).read({name: value})[name] == value


def test_secrets_are_there_for_the_service_and_nowhere_else() -> None:
    """The value is plain text; printed it is hidden, by name or by declaration, at any depth."""
    read = declare(input=("password", Secret("pin"), Dict("inner"))).read(
        {"password": "sesame", "pin": "1234", "inner": {"token": "abc"}}
    )
    assert (read.password, read.pin, read.inner.token) == ("sesame", "1234", "abc")
    for text in (str(read), repr(read), f"{read}", str([read])[1:-1]):
        assert text == "{'password': '***', 'pin': '***', 'inner': {'token': '***'}}"
    with pytest.raises(BadInput) as caught:
        declare(input="name").read([{"password": "sesame"}])
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("declared", [("a", "-b"), ["a", Int("-b")], [Text("a"), "-b"]])
def test_a_dash_marks_what_is_optional(declared: Any) -> None:
    """In `input` and `output`, for names and elements alike."""
    declaration = declare(input=declared, output=declared)
    assert declaration.read({"a": "x"}) == {"a": "x", "b": ""}
    assert declaration.write({"a": "x"}) == {"a": "x", "b": ""}
    with pytest.raises(BadInput, match="input element 'a' is missing"):
        declaration.read({"b": 1})
    with pytest.raises(RemoteError, match="output element 'a' is missing"):
        declaration.write({"b": 1})


@pytest.mark.parametrize(
    ("options", "read", "written"),
    [
        ({}, "", ""),
        ({"default_value": None}, None, None),
        ({"default_value": 1, "default_input_value": 2}, 2, 1),
        ({"default_value": 1, "default_output_value": 3}, 1, 3),
    ],
)
def test_what_is_not_given_has_a_default(options: dict[str, Any], read: Any, written: Any) -> None:
    """For input and output together or apart; an element's own comes first, and then it is never missing."""
    declaration = declare(input=("-a", Int("-n", default=5)), output=("-a", Int("n", default=6)), **options)
    assert declaration.read({}) == {"a": read, "n": 5}
    assert declaration.write({}) == {"a": written, "n": 6}
    assert declare(input=Int("n", default=5)).read({}) == {"n": 5}


def test_a_default_is_nobody_s_to_change() -> None:
    """Each invocation has its own list and object."""
    declaration = declare(input=(List("-a", default=[]), Dict("-b", default={}), List("c", default=[])))
    first = declaration.read({})
    first.a.append(1)
    first.b.x = 1
    first.c.append(1)
    assert declaration.read({}) == {"a": [], "b": {}, "c": []}


def test_an_optional_element_that_is_empty_counts_as_not_given() -> None:
    """Text may be empty; a number, a date or an object has its default then."""
    declaration = declare(input=(Int("-a"), Date("-b", default=DAY), Text("-c"), Dict("-d")), default_input_value=None)
    assert declaration.read({"a": "", "b": None, "c": "", "d": ""}) == {"a": None, "b": DAY, "c": "", "d": None}


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"skip_empty_keys": True}, {"r": "", "z": 0, "f": False}),
        ({"skip_empty_keys": True, "force_empty_keys": "a"}, {"r": "", "a": "", "z": 0, "f": False}),
        (
            {"skip_empty_keys": True, "force_empty_keys": True},
            {"r": "", "a": "", "n": None, "m": [], "z": 0, "f": False},
        ),
        ({"skip_empty_keys": ["n", "m"]}, {"r": "", "a": "", "z": 0, "f": False}),
    ],
)
def test_empty_keys_are_skipped_where_they_may_be(options: dict[str, Any], left: dict[str, Any]) -> None:
    """What is missing, None or empty of the optional elements, all or some; never zero, False or what is required."""
    declaration = declare(output=("r", "-a", "-n", "-m", "-z", "-f"), **options)
    assert declaration.write({"r": "", "n": None, "m": [], "z": 0, "f": False}) == left


def test_request_elem_unwraps_and_response_elem_wraps() -> None:
    """Input that is not wrapped is taken, too; without response_elem nothing is wrapped."""
    declaration = declare(input="a", output="b", request_elem="my_request", response_elem="my_response")
    assert declaration.read({"my_request": {"a": 1}}) == {"a": 1} == declaration.read({"a": 1})
    assert declaration.write({"b": 2, "c": 3}) == {"my_response": {"b": 2}}
    assert declare(output="b").write({"b": 2, "c": 3}) == {"b": 2}
    assert declare(response_elem="all").write([1]) == {"all": [1]}


def test_a_list_has_the_declared_elements_in_each_item() -> None:
    """With output_repeated it is a list in any case."""
    rows = [{"a": 1, "z": 2}, {"a": 3}]
    assert declare(output="a").write(rows) == [{"a": 1}, {"a": 3}]
    repeated = declare(output="a", output_repeated=True)
    assert repeated.write(rows) == [{"a": 1}, {"a": 3}]
    assert repeated.write({"a": 1}) == [{"a": 1}]
    assert repeated.write(None) == []
    assert declare(output="a").write("text is as it is") == "text is as it is"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"input": 5}, "expected the name of an element or an element, got 5"),
        ({"input_required": ("a", None)}, "got None"),
        ({"input_requierd": "a"}, "there is no 'input_requierd'"),
        ({"output": ("",)}, "got ''"),
    ],
)
def test_a_declaration_that_means_nothing_is_an_error(options: dict[str, Any], problem: str) -> None:
    """It is told what stands there, before the service runs."""
    with pytest.raises(TypeError, match=problem):
        declare(**options)
