"""wireguard-go, WireGuard in user space over UDP: no TLS and no TCP, for orientation."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.peers.tunnel import Peer, Tunnel, forward
from iphttps.lab.laboratory import TUNNEL_PREFIX, TUNNEL_SERVER, Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV6, PRIVATE_HOST, PRIVATE_NETWORK
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable

PORT = "51820"
CLIENT_ADDRESS = "2001:db8:2::2"


@contextmanager
def wireguard() -> Iterator[Tunnel]:
    """Put the tunnel up."""
    with Laboratory() as lab:
        forward(lab)
        ends = ((lab.gateway, "wg-s", TUNNEL_SERVER), (lab.clients[0], "wg-c", CLIENT_ADDRESS))
        # Its sockets are named after the devices and shared by all namespaces.
        names = [f"{prefix}{os.getpid()}" for _, prefix, _ in ends]
        keys = [_make_keys(lab, host) for host, _, _ in ends]
        daemons = [_start(lab, host, name) for (host, _, _), name in zip(ends, names, strict=True)]
        for (host, _, address), name in zip(ends, names, strict=True):
            host.ip(f"link set {name} up", f"address add {address}/64 dev {name} nodad")
        lab.gateway.run(
            "wg", "set", names[0], "listen-port", PORT, "private-key", keys[0][0],
            "peer", keys[1][1], "allowed-ips", TUNNEL_PREFIX,
        )  # fmt: skip
        lab.clients[0].run(
            "wg", "set", names[1], "private-key", keys[1][0],
            "peer", keys[0][1], "endpoint", f"[{GATEWAY_IPV6}]:{PORT}", "allowed-ips", "::/0",
        )  # fmt: skip
        lab.clients[0].ip(f"route add {PRIVATE_NETWORK} dev {names[1]}")
        wait_reachable(lab.clients[0], PRIVATE_HOST)
        try:
            yield Tunnel(lab, tuple(daemons))
        finally:
            for daemon in daemons:
                daemon.stop()  # so that it takes its socket along


def _make_keys(lab: Laboratory, host: Namespace) -> tuple[str, str]:
    """Return the path of a private key, and the public key."""
    path = lab.directory / f"{host.label}.wireguard"
    path.touch(0o600)
    path.write_text(host.run("wg", "genkey").stdout)
    return str(path), host.run("wg", "pubkey", stdin=path.read_text()).stdout.strip()


def _start(lab: Laboratory, host: Namespace, name: str) -> Program:
    # It warns in many words where the kernel has WireGuard of its own.
    daemon = lab.program(host, "wireguard-go", "env", "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1",
                         "wireguard-go", "--foreground", name)  # fmt: skip
    wait_until(lambda: host.run("wg", "show", name, check=False).returncode == 0, f"wireguard-go on {host.label}")
    return daemon


WIREGUARD = Peer("wireguard-go (UDP)", wireguard, ("wireguard-go", "wg"))
