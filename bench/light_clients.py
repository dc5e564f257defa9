"""Clients of ours in one process, written in C: `light_clients.c`."""

from bench.compiled import program
from bench.crowd import Client
from bench.peers.tunnel import Tunnel
from iphttps.lab.network import GATEWAY_IPV6, PRIVATE_NETWORK

JOINING = 60.0  # seconds, at most
MTU = 1280


def join(tunnel: Tunnel, count: int) -> list[Client]:
    """Have so many clients on the tunnel's last host, each with a device and an address of its own."""
    lab, host = tunnel.lab, tunnel.lab.clients[-1]
    identity = lab.authority.client("crowd")
    host.setting("ipv6.conf.default.accept_ra", "0")
    clients = lab.program(
        host, "light", program("light_clients", lab.directory), str(lab.authority.certificate),
        str(identity.certificate), str(identity.private_key), GATEWAY_IPV6, str(count),
    )  # fmt: skip
    clients.wait_for("joined", JOINING)
    names = {number: f"light{number}" for number in range(1, count + 1)}
    for number, name in names.items():
        host.ip(
            f"link set {name} mtu {MTU} up",
            f"address add 2001:db8:2::200:1:{number:x}/128 dev {name} nodad",
            f"route add {PRIVATE_NETWORK} dev {name} metric {number}",
        )
    return [Client(host, device=name) for name in names.values()]
