"""Errors as they travel: what is kept, what is bounded, what never leaves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import BadInput, CallError, CallErrorGroup, Conflict, LinkLost, NotFound, RemoteError
from actors.failures import MAX_CHARACTERS, MAX_DEPTH, MAX_DETAILS, MAX_PARTS, MAX_TEXT, error_of, failure_of
from actors.messages import Failure, FailurePart


class OutOfStock(Conflict):
    """An error of a user's own."""


def travelled(error: Exception, hops: int = 1, **options: bool) -> CallError:
    """Return an error as a caller gets it so many hops away, by way of bytes."""
    for _ in range(hops):
        raw = msgspec.msgpack.encode(failure_of(error, "f1", "i1", **options))
        error = error_of(msgspec.msgpack.decode(raw, type=Failure))
    assert isinstance(error, CallError)
    return error


@pytest.mark.parametrize("hops", [1, 3])
def test_an_error_keeps_status_kind_text_and_details(hops: int) -> None:
    """What a service says arrives, also of a class that the caller does not have."""
    error = travelled(NotFound("No such customer", details={"customer_id": 7}), hops)
    assert (type(error), error.status, str(error), error.details) == (
        NotFound,
        404,
        "No such customer",
        {"customer_id": 7},
    )
    own = travelled(OutOfStock("None left", status=410, details=[1]), hops)
    assert (type(own), own.kind, own.status, str(own), own.details) == (
        RemoteError,
        "OutOfStock",
        410,
        "None left",
        [1],
    )
    lost = travelled(LinkLost("gone", sent=True), hops)
    assert (type(lost), lost.kind, lost.status) == (RemoteError, "LinkLost", 502)


@pytest.mark.parametrize("hops", [1, 3])
def test_a_group_arrives_as_a_group(hops: int) -> None:
    """Its parts can be split off by `except*`, inner groups are groups, and what is internal says only that it failed."""
    inner = CallErrorGroup("inner", [BadInput("bad", details=1), OutOfStock("none")], details="why")
    error = travelled(ExceptionGroup("outer", [NotFound("a"), ValueError("a secret"), inner]), hops)
    assert isinstance(error, CallErrorGroup)
    assert error.message == "outer"
    found, rest = error.split(NotFound)
    assert found is not None
    assert rest is not None
    assert [type(one) for one in found.exceptions] == [NotFound]
    internal, group = rest.exceptions
    assert (type(internal), str(internal)) == (RemoteError, "Internal server error")
    assert isinstance(group, CallErrorGroup)
    assert (group.details, [one.kind for one in group.exceptions]) == ("why", ["BadInput", "OutOfStock"])
    assert group.exceptions[0].details == 1


def test_the_status_of_a_group_is_that_of_all_its_parts() -> None:
    """Parts that agree say what the group is; else it is a 500."""
    assert travelled(ExceptionGroup("g", [Conflict("a"), OutOfStock("b")])).status == 409
    assert travelled(ExceptionGroup("g", [Conflict("a"), NotFound("b")])).status == 500


def test_what_cannot_travel_is_named() -> None:
    """Details that are no data, or too much of it, are replaced by the reason; errors beyond the most by their number."""
    assert "cannot be sent" in travelled(NotFound("x", details=object())).details
    assert f"{MAX_DETAILS} may be sent" in travelled(NotFound("x", details="x" * MAX_DETAILS)).details
    many = travelled(ExceptionGroup("many", [NotFound(str(number)) for number in range(MAX_PARTS + 7)]))
    assert isinstance(many, CallErrorGroup)
    assert len(many.exceptions) == MAX_PARTS
    assert str(many.exceptions[-1]) == str(travelled(many).exceptions[-1]) == "8 more are left out"
    long = str(travelled(NotFound("x" * 2 * MAX_TEXT)))
    assert long == "x" * MAX_TEXT + "..."


parts = st.recursive(
    st.builds(FailurePart, st.integers(0, 999), st.text(max_size=50), st.sampled_from(["", "NotFound", "Odd"])),
    lambda inner: st.builds(
        FailurePart,
        st.integers(0, 999),
        st.text(max_size=50),
        st.just("CallErrorGroup"),
        st.none(),
        st.lists(inner, max_size=60),
    ),
    max_leaves=200,
)


@given(st.lists(parts, max_size=60), st.integers(0, 40))
def test_whatever_a_peer_sends_is_bounded(some: list[FailurePart], depth: int) -> None:
    """However wide and deep a failure is, the error is not, and telling it on gives the same shape again."""
    for _ in range(depth):
        some = [FailurePart(500, "deeper", "CallErrorGroup", None, some)]
    error = error_of(Failure("f1", "i1", 500, "all", "CallErrorGroup", parts=some))
    assert depth_of(error) <= MAX_DEPTH
    again = travelled(error)
    assert (depth_of(again), str(again).partition(" (")[0]) == (depth_of(error), str(error).partition(" (")[0])
    failure = failure_of(error, "f2", "i1")
    assert len(msgspec.msgpack.encode(failure)) < 4 * MAX_CHARACTERS


def depth_of(error: BaseException) -> int:
    return 1 + max(map(depth_of, error.exceptions)) if isinstance(error, BaseExceptionGroup) else 0


def test_a_traceback_travels_only_where_that_is_wanted() -> None:
    """By default nobody learns of code; else it is an attribute, and a note of what is printed."""

    def fail() -> Any:
        msg = "an internal detail"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError) as raised:
        fail()
    silent = travelled(raised.value)
    assert silent.remote_traceback == ""
    assert not hasattr(silent, "__notes__")
    told = travelled(raised.value, tells_traceback=True)
    assert "RuntimeError: an internal detail" in told.remote_traceback
    assert "in fail" in told.remote_traceback
    assert told.__notes__ == [f"Remote traceback:\n{told.remote_traceback}"]
