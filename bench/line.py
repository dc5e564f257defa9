"""A slow line between a client and the gateway: a router with a token bucket in each direction."""

from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import Namespace, join
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_IPV6

BURST = "4kb"
QUEUE = "50ms"
"""Maximum queueing delay of the line itself, at its rate."""


def insert(lab: Laboratory, rate: str) -> None:
    """Put a line of this rate (as `tc` has it) between the first client and the gateway."""
    client, gateway = lab.clients[0], lab.gateway
    router = Namespace("line", lab.etc)
    lab.add(router)
    client.ip("link delete outer")
    join(client, "outer", router, "inner")
    join(gateway, "line", router, "outer")
    client.ip(
        "address add 192.0.2.2/30 dev outer",
        "address add 2001:db8:ffff:1::2/64 dev outer nodad",
        f"route add {GATEWAY_IPV4} via 192.0.2.1",
        f"route add {GATEWAY_IPV6} via 2001:db8:ffff:1::1",
    )
    router.ip(
        "address add 192.0.2.1/30 dev inner",
        "address add 2001:db8:ffff:1::1/64 dev inner nodad",
        "address add 203.0.113.1/30 dev outer",
        "address add 2001:db8:ffff:100::1/64 dev outer nodad",
        f"route add {GATEWAY_IPV4} via 203.0.113.2",
        f"route add {GATEWAY_IPV6} via 2001:db8:ffff:100::2",
    )
    gateway.ip(
        "address add 203.0.113.2/30 dev line",
        "address add 2001:db8:ffff:100::2/64 dev line nodad",
        "route add 192.0.2.0/30 via 203.0.113.1",
        "route add 2001:db8:ffff:1::/64 via 2001:db8:ffff:100::1",
    )
    router.setting("ipv4.ip_forward", "1")
    router.setting("ipv6.conf.all.forwarding", "1")
    for device in ("inner", "outer"):
        command = f"tc qdisc add dev {device} root tbf rate {rate} burst {BURST} latency {QUEUE}"
        router.run(*command.split())
