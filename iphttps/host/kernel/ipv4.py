"""IPv4 on an interface: address, routes, forwarding.

Linux keeps an interface's IPv4 addresses while its link is down, but not its routes.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from ...core.errors import ConfigError
from .settings import read, write
from .undo import IPV4_CONF

RTPROT_STATIC = 4  # linux/rtnetlink.h
RT_SCOPE_LINK = 253


@dataclass(frozen=True, slots=True)
class IPv4Config:
    """The IPv4 part of one tunnel's network: the interface has this address and no other.

    `peer` is the address at the other end of a point-to-point link; the kernel then has a route to it in place of one
    to the address's network. `routes` are reached through the interface while its link is up. `forwarding` makes the
    whole host a router for IPv4.
    """

    address: IPv4Interface | None = None
    peer: IPv4Address | None = None
    routes: tuple[IPv4Network, ...] = ()
    forwarding: bool = False


NOTHING = IPv4Config()


def set_address(netlink: IPRoute, index: int, config: IPv4Config) -> None:
    """Give the interface its address and take every other from it; raises NetlinkError."""
    wanted = _key(config)
    for found in netlink.get_addr(family=socket.AF_INET, index=index):
        local, remote, length = found.get_attr("IFA_LOCAL"), found.get_attr("IFA_ADDRESS"), found["prefixlen"]
        if (local, remote, length) != wanted:
            with suppress(NetlinkError):  # one of the same network went with the first of it
                netlink.addr("del", family=socket.AF_INET, index=index, local=local, address=remote, prefixlen=length)
    if wanted:
        local, remote, length = wanted
        netlink.addr("replace", family=socket.AF_INET, index=index, local=local, address=remote, prefixlen=length)


def set_routes(netlink: IPRoute, index: int, config: IPv4Config, before: IPv4Config = NOTHING) -> None:
    """Add the configured routes through the interface, which is up, and remove those only in `before`.

    Raises NetlinkError.
    """
    for network in set(before.routes).difference(config.routes):
        with suppress(NetlinkError):  # it went with the link, or with an address
            netlink.route("del", **_route(network, index))
    for network in config.routes:
        netlink.route("replace", **_route(network, index))


def _key(config: IPv4Config) -> tuple[str, str, int] | None:
    """Return an address as netlink has it: the interface's own, the peer's or else its own again, the prefix length."""
    if config.address is None:
        return None
    local = str(config.address.ip)
    if config.peer is not None:
        return local, str(config.peer), 32
    return local, local, config.address.network.prefixlen


def _route(network: IPv4Network, index: int) -> dict[str, str | int]:
    return {
        "family": socket.AF_INET, "dst": str(network), "oif": index, "proto": RTPROT_STATIC, "scope": RT_SCOPE_LINK,
    }  # fmt: skip


def forward_on(interface: str) -> None:
    """Have an interface forward, and take errors that the server writes into it.

    These have the host's own address as source (RFC 1812 section 4.3.2.4), which the kernel otherwise takes for a
    forgery; clients may not send from it. Where /proc/sys is read-only, these errors are lost, and nothing else.

    Raises:
        ConfigError: The kernel refuses.
    """
    own = IPV4_CONF / interface / "forwarding"
    if read(own) != "1":  # as new interfaces begin on some hosts
        write(own, "1")
    with suppress(OSError, ConfigError):
        write(IPV4_CONF / interface / "accept_local", "1")


def before_forwarding() -> dict[Path, str]:
    """Return each setting that changes when the host becomes an IPv4 router, with its value; nothing if it is one.

    Writing "all" changes every interface, so "all" is set last and restored first. The kernel sets
    accept_redirects of all to 0 along with it, and to 1 when forwarding ends, regardless of the value before.
    """
    everywhere = IPV4_CONF / "all" / "forwarding"
    if read(everywhere) == "1":
        return {}
    directories = sorted(IPV4_CONF.iterdir(), key=lambda directory: directory.name == "all")
    settings = [IPV4_CONF / "all" / "accept_redirects", *(directory / "forwarding" for directory in directories)]
    return {setting: read(setting) for setting in settings}
