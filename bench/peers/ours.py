"""Our own tunnel: mode Certificates, TLS 1.3, an MTU of 1280 and all policy, revocation included."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.peers.tunnel import Peer, Tunnel
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
        client.wait_for(LINK_UP, 30)
        wait_reachable(host, PRIVATE_HOST)
    return clients


@contextmanager
def ours(
    *flags: str,
    clients: int = 1,
    twistd: Sequence[str] | None = None,
    another_host: bool = False,
    device: str = "tun",
) -> Iterator[Tunnel]:
    """Put the tunnel up, perhaps with flags for the server, more clients, another program as `twistd`, another device.

    `another_host` is one more host in the place of a client, the last, from which the gateway can be reached.
    """
    with Laboratory(clients + another_host) as lab:
        lab.twistd = twistd or lab.twistd
        lab.server_device = lab.client_device = device
        without_probing(lab)
        server = start_server(lab, *flags)
        yield Tunnel(lab, (server, *start_clients(lab, clients)))


OURS = Peer("iphttps", ours)
PYTHON = Peer("iphttps, pure Python", partial(ours, device="plain"))
"""Ours, and ours without the compiled part."""
