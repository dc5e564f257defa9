"""An address of either family, as people read it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = ["IPAddress", "endpoint", "plain"]

IPAddress = IPv4Address | IPv6Address


def plain(text: str) -> IPAddress:
    """Parse an address without its zone; an IPv4-mapped IPv6 address becomes the IPv4 address.

    Raises:
        ValueError: The text is not an address.
    """
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def endpoint(address: IPAddress, port: int | None = None) -> str:
    """Return an address in the usual notation, with the port unless it is None (RFC 5952 section 6)."""
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
