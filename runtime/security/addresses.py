"""Which addresses may connect, and where a peer behind a proxy is. Pure.

An IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.1`, RFC 4291, section 2.5.5.2) is that IPv4 address, in
networks as well, so that nobody passes a list by how his address is written.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

from attrs import frozen

__all__ = ["AccessList", "IPAddress", "IPNetwork", "address_from", "group_of", "network_from"]

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_MAPPED_BITS = 96
_GROUP_BITS = 64
_MAX_HOPS = 50
"""How many proxies of a header are looked at."""


def address_from(text: str) -> IPAddress | None:
    """Read an address, with a port or in brackets where it has them; None where it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def network_from(text: str) -> IPNetwork:
    """Read a network, such as `192.0.2.0/24`, or a single address.

    Raises:
        ValueError: When it is none; the text says what was expected.
    """
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        msg = f"expected an address or a network such as '192.0.2.0/24' or '2001:db8::/32', got {text!r}"
        raise ValueError(msg) from None
    if "/" in text and ipaddress.ip_address(text.partition("/")[0]) != network.network_address:
        msg = f"{text!r} has bits beyond its network; expected {str(network)!r}"
        raise ValueError(msg)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        base = network.network_address.ipv4_mapped
        return ipaddress.IPv4Network((str(base), network.prefixlen - _MAPPED_BITS))
    return network


def group_of(address: str) -> str:
    """Return what an address is counted under: of IPv6 the /64, which whoever has one has all of; empty for no IP."""
    found = address_from(address)
    if not isinstance(found, ipaddress.IPv6Address):
        return "" if found is None else str(found)
    return str(ipaddress.IPv6Network((int(found), _GROUP_BITS), strict=False))


@frozen
class AccessList:
    """Which addresses may connect to a channel, and which proxies are believed.

    Args:
        allowed: Networks that may connect; none: all may.
        denied: Networks that may not, whatever `allowed` says.
        trusted: Networks of proxies whose X-Forwarded-For is believed.
    """

    allowed: tuple[IPNetwork, ...] = ()
    denied: tuple[IPNetwork, ...] = ()
    trusted: tuple[IPNetwork, ...] = ()

    @classmethod
    def of(cls, allowed: Sequence[str], denied: Sequence[str], trusted: Sequence[str]) -> AccessList:
        """Read the networks.

        Raises:
            ValueError: When one of them is none.
        """
        return cls(*(tuple(network_from(one) for one in networks) for networks in (allowed, denied, trusted)))

    def refuses_at_once(self, host: str) -> bool:
        """Tell whether whoever connects from an address may not, whatever he says: it is no proxy, and not allowed."""
        return not self.trusts(host) and not self._allows(address_from(host))

    def trusts(self, host: str) -> bool:
        """Tell whether a proxy at an address is believed."""
        return _is_in(address_from(host), self.trusted)

    def client_behind(self, host: str, forwarded: Sequence[str]) -> str:
        """Return the address of the client that came through trusted proxies; empty where it came through none.

        Each proxy appends whom it was called by, so the list is read from its end, as long as those named are trusted
        proxies themselves: whatever stands before the first that is none, somebody may have made up.

        Args:
            host: The address that the connection comes from.
            forwarded: The values of the X-Forwarded-For headers, in their order.
        """
        if not self.trusts(host):
            return ""
        client: IPAddress | None = None
        hops = [one for value in forwarded for one in value.split(",")]
        for hop in reversed(hops[-_MAX_HOPS:]):
            address = address_from(hop)
            if address is None:  # what is no address was not said by a proxy; the last one that was is the client
                break
            client = address
            if not _is_in(address, self.trusted):
                break
        return "" if client is None else str(client)

    def admits(self, address: str) -> bool:
        """Tell whether a client at an address may connect."""
        return self._allows(address_from(address))

    def _allows(self, address: IPAddress | None) -> bool:
        if _is_in(address, self.denied):
            return False
        return not self.allowed or _is_in(address, self.allowed)


def _is_in(address: IPAddress | None, networks: Sequence[IPNetwork]) -> bool:
    return address is not None and any(address in network for network in networks)
