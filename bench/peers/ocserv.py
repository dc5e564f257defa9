"""ocserv with openconnect, over TLS alone, with certificates at both ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers.tunnel import DEVICE, Peer, Tunnel, as_it_is, forward
from iphttps.lab.laboratory import TUNNEL_PREFIX, Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV6, GATEWAY_NAME_IPV6, PRIVATE_HOST, PRIVATE_NETWORK
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable

# Without a UDP port there is no DTLS. It wants an IPv4 network, which nobody uses here.
CONFIG = """\
auth = "certificate"
listen-host = {address}
tcp-port = 443
server-cert = {server.certificate}
server-key = {server.private_key}
ca-cert = {authority}
cert-user-oid = 2.5.4.3
socket-file = {directory}/ocserv.sock
run-as-user = root
run-as-group = root
isolate-workers = false
use-occtl = false
max-clients = {clients}
keepalive = 300
dpd = 300
device = ocserv
ipv4-network = 192.168.99.0/24
ipv6-network = {prefix}
ipv6-subnet-prefix = 128
route = {network}
"""

SPARE = 16

# What openconnect runs, in place of the long script that would ask the system for its ways.
SCRIPT = """\
#!/bin/sh
[ "$reason" = connect ] || exit 0
ip link set "$TUNDEV" mtu "$INTERNAL_IP4_MTU" up
ip -6 address add "${{INTERNAL_IP6_ADDRESS%/*}}/64" dev "$TUNDEV" nodad
ip -6 route add {network} dev "$TUNDEV"
echo connected
"""


@contextmanager
def ocserv(clients: int = 1, prepare: Callable[[Laboratory], None] = as_it_is) -> Iterator[Tunnel]:
    """Put the tunnel up, perhaps with more clients; `prepare` changes the laboratory before."""
    with Laboratory(clients) as lab:
        prepare(lab)
        forward(lab)
        config, script = lab.directory / "ocserv.conf", lab.directory / "connected.sh"
        config.write_text(
            CONFIG.format(
                address=GATEWAY_IPV6, server=lab.server_identity, authority=lab.authority.certificate,
                directory=lab.directory, prefix=TUNNEL_PREFIX, network=PRIVATE_NETWORK,
                clients=clients + SPARE,
            )
        )  # fmt: skip
        script.write_text(SCRIPT.format(network=PRIVATE_NETWORK))
        script.chmod(0o755)
        server = lab.program(lab.gateway, "ocserv", "ocserv", "-f", "-c", str(config))
        server.wait_for("listening (TCP)")
        started = [_connect(lab, host, script) for host in lab.clients]
        for client, host in zip(started, lab.clients, strict=True):
            client.wait_for("connected", 60)
            wait_reachable(host, PRIVATE_HOST)
        yield Tunnel(lab, (server, *started))


def _connect(lab: Laboratory, host: Namespace, script: Path) -> Program:
    identity = lab.authority.client(host.label)
    return lab.program(
        host, "openconnect", "openconnect", "--protocol=anyconnect", "--no-dtls", "--non-inter",
        "--cafile", str(lab.authority.certificate), "--certificate", str(identity.certificate),
        "--sslkey", str(identity.private_key), "--interface", DEVICE, "--script", str(script),
        f"https://{GATEWAY_NAME_IPV6}/",
    )  # fmt: skip


OCSERV = Peer("ocserv with openconnect", ocserv, ("ocserv", "openconnect"), over_tls=True)
