"""What the daemons' interfaces need under net.ipv6.conf."""

from __future__ import annotations

from ...host.kernel.network import Wanted
from .client_config import ClientConfig

SERVER: dict[str, int | Wanted] = {"addr_gen_mode": 1, "accept_ra": 0}  # its own two addresses and no other

CLIENT: dict[str, int | Wanted] = {
    "accept_ra": 2,  # also where this host forwards
    "accept_ra_pinfo": 1,
    "autoconf": 1,
    "max_addresses": Wanted(16, range(8, 1 << 31)),  # all of the interface's, temporary ones included
    "accept_ra_min_lft": 0,
    "accept_ra_rtr_pref": 1,  # without it, Linux ignores route information
    "accept_ra_rt_info_min_plen": 0,
    "accept_ra_rt_info_max_plen": 128,  # routes come as route information, which Linux ignores by default
    "addr_gen_mode": Wanted(0, (2, 3)),  # 1 makes no link-local address, and so solicits no router
    "router_solicitations": Wanted(-1, range(1, 1 << 31)),
    "router_solicitation_delay": Wanted(1, (0,)),
    "router_solicitation_interval": Wanted(4, range(1, 4)),
    "router_solicitation_max_interval": Wanted(3600, range(1, 3600)),
    "accept_redirects": 0,  # there is one router on the link
    # A default route through the tunnel prevails over others, as with other tunnels: theirs begin at 100.
    "ra_defrtr_metric": 50,
}


def client_settings(config: ClientConfig) -> dict[str, int | Wanted]:
    """Return what the client's interface needs with this configuration."""
    return CLIENT | {"accept_ra_defrtr": int(config.default_route)}
