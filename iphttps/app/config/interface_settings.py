"""The sysctls under net.ipv6.conf required by the daemons' interfaces."""

from __future__ import annotations

from ...host.kernel.network import Wanted
from .client_config import ClientConfig

SERVER: dict[str, int | Wanted] = {"addr_gen_mode": 1, "accept_ra": 0}  # only the two configured addresses

CLIENT: dict[str, int | Wanted] = {
    "accept_ra": 2,  # 2: also if this host forwards
    "accept_ra_pinfo": 1,
    "autoconf": 1,
    "max_addresses": Wanted(16, range(8, 1 << 31)),  # all addresses of the interface, including temporary ones
    "accept_ra_min_lft": 0,
    "accept_ra_rtr_pref": 1,  # without it, Linux ignores route information
    "accept_ra_rt_info_min_plen": 0,
    "accept_ra_rt_info_max_plen": 128,  # routes come as route information, which Linux ignores by default
    "addr_gen_mode": Wanted(0, (2, 3)),  # 1 forms no link-local address, so no Router Solicitation is sent
    "router_solicitations": Wanted(-1, range(1, 1 << 31)),
    "router_solicitation_delay": Wanted(1, (0,)),
    "router_solicitation_interval": Wanted(4, range(1, 4)),
    "router_solicitation_max_interval": Wanted(3600, range(1, 3600)),
    "accept_redirects": 0,  # there is one router on the link
    # A default route through the tunnel takes precedence over others, as with other tunnels: those start at 100.
    "ra_defrtr_metric": 50,
}


def client_settings(config: ClientConfig) -> dict[str, int | Wanted]:
    """Return the sysctls of the client's interface for this configuration."""
    return CLIENT | {"accept_ra_defrtr": int(config.default_route)}
