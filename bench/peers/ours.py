"""Our own tunnel: mode Certificates, TLS 1.3, an MTU of 1280 and all policy, revocation included."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.peers.tunnel import Peer, Tunnel, as_it_is
from iphttps.app.users import editing
from iphttps.lab.laboratory import LINK_UP, LISTENING, Laboratory
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable


def with_program(name: str) -> list[str]:
    """Return what runs a file of `bench` in the place of `twistd`."""
    return [sys.executable, str(Path(__file__).parents[1] / name)]


def without_probing(lab: Laboratory) -> None:
    """Have the clients' kernels use their addresses at once, so that nobody waits for two seconds."""
    for host in lab.clients:
        host.setting("ipv6.conf.default.dad_transmits", "0")


def start_server(lab: Laboratory, *flags: str) -> Program:
    """Start the server and wait until it listens."""
    server = lab.server("--client-crl", str(lab.authority.revoke()), *flags)
    server.wait_for(LISTENING)
    return server


def start_clients(lab: Laboratory, count: int) -> list[Program]:
    """Start the first clients and wait until each reaches the private host."""
    clients = [lab.client(number) for number in range(1, count + 1)]
    for client, host in zip(clients, lab.clients, strict=False):
        client.wait_for(LINK_UP, 30 + 2 * count)
        wait_reachable(host, PRIVATE_HOST)
    return clients


@contextmanager
def ours(
    *flags: str,
    clients: int = 1,
    twistd: Sequence[str] | None = None,
    another_host: bool = False,
    device: str = "tun",
    prepare: Callable[[Laboratory], None] = as_it_is,
) -> Iterator[Tunnel]:
    """Put the tunnel up, perhaps with flags for the server, more clients, another program as `twistd`, another device.

    `prepare` changes the laboratory before.
    `another_host` is one more host in the place of a client, the last, from which the gateway can be reached.
    """
    with Laboratory(clients + another_host) as lab:
        lab.twistd = twistd or lab.twistd
        lab.server_device = lab.client_device = device
        without_probing(lab)
        prepare(lab)
        server = start_server(lab, *flags)
        yield Tunnel(lab, (server, *start_clients(lab, clients)))


SSTP_POOL, SSTP_SERVER = "10.99.0.0/20", "10.99.0.1"
SSTP_PREFIX = "2001:db8:3::/64"
SSTP_USER, SSTP_PASSWORD = "alice", "a password"

# The private network has IPv4 for these tunnels alone (RFC 1918).
PRIVATE_IPV4, PRIVATE_ROUTER_IPV4, PRIVATE_HOST_IPV4 = "10.98.0.0/24", "10.98.0.1", "10.98.0.2"


@contextmanager
def ours_sstp(*flags: str, ipv4: bool = False, another_host: bool = False) -> Iterator[Tunnel]:
    """Put a tunnel of SSTP up, perhaps with flags for the server; the flow goes by IPv6, or by IPv4.

    `another_host` is one more host, as in `ours`.
    """
    with Laboratory(1 + another_host) as lab:
        users = lab.directory / "users.toml"
        editing.add(users, SSTP_USER, SSTP_PASSWORD)
        without_probing(lab)
        sstp = ("--sstp-pool", SSTP_POOL, "--sstp-prefix", SSTP_PREFIX, "--sstp-users", str(users))
        server = start_server(lab, *sstp, *flags)
        client = lab.sstp_client(1, SSTP_USER, SSTP_PASSWORD, *(("--route", PRIVATE_IPV4) if ipv4 else ()))
        client.wait_for(LINK_UP, 30)
        wait_reachable(lab.clients[0], PRIVATE_HOST)
        tunnel = Tunnel(lab, (server, client), gateway=SSTP_SERVER)
        yield _by_ipv4(tunnel) if ipv4 else tunnel


def _by_ipv4(tunnel: Tunnel) -> Tunnel:
    tunnel.lab.gateway.ip(f"address add {PRIVATE_ROUTER_IPV4}/24 dev private")
    tunnel.private.ip(f"address add {PRIVATE_HOST_IPV4}/24 dev private", f"route add default via {PRIVATE_ROUTER_IPV4}")
    wait_reachable(tunnel.client, PRIVATE_HOST_IPV4)
    return replace(tunnel, target=PRIVATE_HOST_IPV4, host=PRIVATE_HOST_IPV4)


SSTP, SSTP_IPV4 = Peer("iphttps, SSTP", ours_sstp), Peer("iphttps, SSTP, IPv4", partial(ours_sstp, ipv4=True))
"""Ours by the other protocol, and that with a flow of IPv4."""

OURS = Peer("iphttps", ours)
PYTHON = Peer("iphttps, pure Python", partial(ours, device="plain"))
"""Ours, and ours without the compiled part."""
