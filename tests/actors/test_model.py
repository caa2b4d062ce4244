"""Models: dataclasses in the way of Zato 3.2, beside attrs classes and plain dataclasses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import attrs
import pytest
import trio

from actors import BadInput, Model, RemoteError, Service, list_, optional
from actors.services.io import input_reader, unstructure
from tests.forms import FORMS, form_of, service_of
from tests.supervised import Supervised


@dataclass(init=False)
class Address(Model):
    city: str
    zip_code: optional[str]
    floor: int = 3


@dataclass(init=False)
class Customer(Model):
    name: str
    addresses: list_[Address]
    password: optional[str]
    main: optional[Address]
    tags: list_[str] = field(default_factory=list)


@attrs.frozen
class Plain:
    city: str


GIVEN: dict[str, Any] = {"name": "Ann", "addresses": [{"city": "Oslo"}], "main": {"city": "Rome", "floor": 1}}
WHOLE: dict[str, Any] = {
    "name": "Ann",
    "addresses": [{"city": "Oslo", "zip_code": None, "floor": 3}],
    "password": None,
    "main": {"city": "Rome", "zip_code": None, "floor": 1},
    "tags": [],
}


@pytest.fixture
def running(nursery: trio.Nursery) -> Supervised:
    return Supervised(nursery, {})


def test_a_model_converts_itself() -> None:
    """From a dict and back, nested models and lists of them too; optional elements may be missing."""
    customer = Customer.from_dict(GIVEN)
    assert isinstance(customer.addresses[0], Address)
    assert customer.main.floor == 1
    assert customer.to_dict() == WHOLE
    assert json.loads(customer.to_json()) == WHOLE
    assert Customer.from_dict(GIVEN, name="Eve").name == "Eve"


def test_a_clone_shares_nothing() -> None:
    """What is changed in it is not changed in the other."""
    customer = Customer.from_dict(GIVEN)
    clone = customer.clone()
    assert clone == customer
    clone.addresses[0].city = "Bern"
    assert customer.addresses[0].city == "Oslo"


def test_a_model_is_made_empty_and_then_filled() -> None:
    """Defaults are there, each model has its own lists, and what was never set is told by name."""
    first, second = Customer(name="Ann"), Customer()
    first.tags.append("x")
    assert second.tags == []
    assert second.main is None
    with pytest.raises(AttributeError, match=r"Customer\.addresses has not been set"):
        first.to_dict()
    with pytest.raises(TypeError, match="Customer has no element 'nmae'; it has name, addresses"):
        Customer(nmae="Ann")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": 5}, "name: expected str, got 5"),
        ({"addresses": None}, "addresses: expected list"),
        ({"addresses": [{}]}, r"addresses\[0\].city: missing"),
        ({"addresses": [GIVEN["main"], 7]}, r"addresses\[1\]: expected an object with the elements of Address, got 7"),
        ({"main": {"city": "x", "floor": "1"}}, "main.floor: expected int, got '1'"),
        ({"password": 12345}, r"password: expected str, got \*\*\*"),
    ],
)
def test_wrong_input_of_a_model_is_told_with_its_path(change: dict[str, Any], problem: str) -> None:
    """At any depth, and secrets are not shown."""
    with pytest.raises(BadInput, match=problem):
        Customer.from_dict({**GIVEN, **change})
    with pytest.raises(BadInput, match=r"name: missing; addresses: missing"):
        Customer.from_dict({})


def test_a_model_that_is_no_dataclass_is_an_error() -> None:
    """Its elements would be ignored otherwise; also where a subclass alone has forgotten the decorator."""
    for base in (Model, Address):
        undecorated = type("Forgotten", (base,), {"__annotations__": {"extra": "int"}})
        with pytest.raises(TypeError, match=r"Forgotten: a model is declared with @dataclass\(init=False\)"):
            input_reader(undecorated)
    with pytest.raises(TypeError, match="declared with @dataclass"):
        type("Forgotten", (Model,), {})()


@pytest.mark.parametrize("form", FORMS)
async def test_a_model_declares_input_and_output(form: str, running: Supervised) -> None:
    """`class SimpleIO: input, output`: the service has the model, and gives one, a dict or elements."""

    async def handle(self: Service) -> None:
        given: Customer = self.request.input
        assert isinstance(given, Customer)
        if given.name == "dict":
            self.response.payload = {"city": given.main.city}
        elif given.name == "elements":
            self.response.payload.city = given.main.city
        elif given.name == "list":
            self.response.payload = given.addresses
        elif given.name == "nothing":
            pass
        else:
            self.response.payload = Address(city=given.main.city, zip_code="1")

    simple_io = type("SimpleIO", (), {"input": Customer, "output": Address})
    running.start(service_of(form, "test.models", handle, SimpleIO=simple_io))
    for name, zip_code in (("model", "1"), ("dict", None), ("elements", None)):
        answer = await running.ask("test.models", {**GIVEN, "name": name})
        assert answer == {"city": "Rome", "zip_code": zip_code, "floor": 3}
    assert await running.ask("test.models", {**GIVEN, "name": "list"}) == WHOLE["addresses"]
    with pytest.raises(RemoteError, match="output city: missing"):
        await running.ask("test.models", {**GIVEN, "name": "nothing"})
    with pytest.raises(BadInput, match=r"main\.city: missing"):
        await running.ask("test.models", {**GIVEN, "main": {}})


class Annotated(Service):
    name = "test.annotated"

    async def handle(self, customer: Customer) -> list[Any]:
        assert self.request.input is customer
        return [customer.main, Plain(customer.name)]


class AnnotatedBlocking(Service):
    name = "test.blocking"

    def handle(self, customer: Customer) -> list[Any]:
        return [customer.main, Plain(customer.name)]


async def test_a_model_annotates_the_parameter_of_handle(running: Supervised) -> None:
    """A dict is read as the model, and a model that a caller in the cluster gives is taken as it is."""
    running.start(Annotated, AnnotatedBlocking)
    for name in ("test.annotated", "test.blocking"):
        for data in (GIVEN, Customer.from_dict(GIVEN)):
            assert await running.ask(name, data) == [WHOLE["main"], {"city": "Ann"}]
        with pytest.raises(BadInput, match="name: missing"):
            await running.ask(name, {"addresses": []})


async def test_a_service_may_declare_input_and_output_itself(running: Supervised) -> None:
    """Without an inner class; a list of models is declared by `list_`, and attrs classes serve as well."""

    class Cities(Service):
        name = "test.cities"
        input = list_[Plain]
        output = "city"

        handle = form_of("async", lambda self: self.answer())

        async def answer(self) -> list[Any]:
            return [unstructure(one) for one in self.request.input]

    running.start(Cities)
    assert await running.ask("test.cities", [{"city": "Oslo"}, {"city": "Rome"}]) == [
        {"city": "Oslo"},
        {"city": "Rome"},
    ]
    with pytest.raises(BadInput, match=r"\[1\].city: missing"):
        await running.ask("test.cities", [{"city": "Oslo"}, {}])


def test_require_any_is_there_for_models_too() -> None:
    """None of the elements named has a value: that is bad input, which names them."""
    customer = Customer.from_dict(GIVEN)
    customer.require_any("password", "main")
    with pytest.raises(BadInput, match="at least one of these input elements is required: 'password', 'unknown'"):
        customer.require_any("password", "unknown")
