"""Address lists and X-Forwarded-For, as pure functions: networks, mapped addresses, hops and spoofing."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.security.addresses import AccessList, address_from, group_of, network_from

PROXY, CLIENT = "10.0.0.5", "203.0.113.9"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:5000", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:5000", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("", None),
        ("1.2.3", None),
        ("01.2.3.4", None),
        ("_hidden", None),
        ("memory", None),
    ],
)
def test_how_addresses_are_written(text: str, address: str | None) -> None:
    """With a port, in brackets, or as an IPv6 address that stands for an IPv4 one."""
    assert address_from(text) == (None if address is None else ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_networks(text: str, network: str) -> None:
    """Of mapped addresses, too."""
    assert network_from(text) == ipaddress.ip_network(network)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("192.0.2.7/24", "expected '192.0.2.0/24'"),
        ("example.com", "expected an address"),
        ("192.0.2.0/33", "expected an"),
    ],
)
def test_what_is_no_network(text: str, reason: str) -> None:
    """Says what was expected."""
    with pytest.raises(ValueError, match=reason):
        network_from(text)


@pytest.mark.parametrize(
    ("host", "is_admitted"),
    [
        ("192.0.2.1", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.2.66", False),
        ("::ffff:192.0.2.66", False),
        ("198.51.100.1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("memory", False),
    ],
)
def test_who_may_connect(host: str, is_admitted: bool) -> None:
    """Whoever is allowed and not denied; an address that is not known is not allowed."""
    lists = AccessList.of(["192.0.2.0/24", "2001:db8::/32"], ["192.0.2.64/26"], [])
    assert lists.admits(host) is is_admitted
    assert lists.refuses_at_once(host) is not is_admitted


def test_without_lists_all_may_connect() -> None:
    """Those whose address is not known, too."""
    for host in ("192.0.2.1", "2001:db8::1", "memory"):
        assert not AccessList().refuses_at_once(host)
        assert AccessList().admits(host)


def test_everybody_but_some() -> None:
    """With nothing but a list of those denied."""
    lists = AccessList.of([], ["192.0.2.0/24"], [])
    assert lists.admits("198.51.100.1")
    assert not lists.admits("192.0.2.1")


@pytest.mark.parametrize(
    ("host", "forwarded", "client"),
    [
        (CLIENT, ["192.0.2.1"], ""),  # who is no proxy may say what he likes
        (CLIENT, [PROXY], ""),
        (PROXY, [], ""),
        (PROXY, [CLIENT], CLIENT),
        (PROXY, [f"{CLIENT}:61000"], CLIENT),
        (PROXY, [f"192.0.2.1, {CLIENT}"], CLIENT),  # the client said that it comes from 192.0.2.1
        (PROXY, ["192.0.2.1", CLIENT], CLIENT),  # the same in a header of its own
        (PROXY, [f"10.0.0.1, {CLIENT}"], CLIENT),  # the client said that it is a proxy
        (PROXY, [f"{CLIENT}, 10.0.0.6"], CLIENT),  # two proxies
        (PROXY, [f"192.0.2.1, {CLIENT}, 10.0.0.6, 10.0.0.7"], CLIENT),
        (PROXY, [f"{CLIENT}, nonsense, 10.0.0.6"], "10.0.0.6"),  # nothing before it is believed
        (PROXY, ["nonsense"], ""),
        (PROXY, [""], ""),
        (PROXY, ["10.0.0.6, 10.0.0.7"], "10.0.0.6"),  # somebody among the proxies
        (PROXY, ["::ffff:203.0.113.9"], CLIENT),
        (f"::ffff:{PROXY}", [CLIENT], CLIENT),
        (PROXY, ["[2001:db8::7]:443"], "2001:db8::7"),
        ("2001:db8:f::1", ["2001:db8::7"], "2001:db8::7"),
    ],
)
def test_who_is_behind_a_proxy(host: str, forwarded: list[str], client: str) -> None:
    """The last address that is not a trusted proxy's, and only where a trusted proxy says so."""
    lists = AccessList.of([], [], ["10.0.0.0/8", "2001:db8:f::/48"])
    assert lists.client_behind(host, forwarded) == client


@given(st.lists(st.text(max_size=40), max_size=8))
def test_nobody_is_someone_else_by_what_he_says(made_up: list[str]) -> None:
    """Whatever a client sends before it, what the trusted proxy appends is who the client is."""
    lists = AccessList.of([], [], ["10.0.0.0/8"])
    assert lists.client_behind(PROXY, [*made_up, CLIENT]) == CLIENT
    assert lists.client_behind(PROXY, [", ".join([*made_up, CLIENT])]) == CLIENT
    assert lists.client_behind(CLIENT, made_up) == ""


def test_proxies_may_connect_although_they_are_not_on_the_list() -> None:
    """Their clients are looked at."""
    lists = AccessList.of(["203.0.113.0/24"], [], ["10.0.0.0/8"])
    assert not lists.refuses_at_once(PROXY)
    assert lists.refuses_at_once("10.0.0.5x")
    assert lists.admits(lists.client_behind(PROXY, [CLIENT]))
    assert not lists.admits(lists.client_behind(PROXY, ["192.0.2.1"]))


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("memory", ""),
        ("a local user", ""),
    ],
)
def test_what_is_counted_together(address: str, group: str) -> None:
    """Of IPv6, all addresses that one customer has."""
    assert group_of(address) == group
