"""A stunnel relay at each end: the same bytes through TLS and TCP and no packets at all, the limit of what can be."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.peers.tunnel import Peer, Tunnel
from iphttps.lab.laboratory import Laboratory
from iphttps.lab.network import GATEWAY_IPV6, PRIVATE_HOST

RELAYED = 5201  # where iperf3 listens

CONFIG = """\
foreground = yes
pid =
syslog = no
debug = notice
sslVersionMin = TLSv1.3
cert = {identity.certificate}
key = {identity.private_key}
CAfile = {authority}
verifyChain = yes
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[relay]
client = {client}
accept = {accept}
connect = {connect}
"""


@contextmanager
def stunnel() -> Iterator[Tunnel]:
    """Put the relay up: from the client's loopback to iperf3 at the private host."""
    with Laboratory() as lab:
        identities = lab.server_identity, lab.authority.client("client1")
        ends = (
            (lab.gateway, "no", f"{GATEWAY_IPV6}:443", f"{PRIVATE_HOST}:{RELAYED}"),
            (lab.clients[0], "yes", f"::1:{RELAYED}", f"{GATEWAY_IPV6}:443"),
        )
        daemons = []
        for identity, (host, client, accept, connect) in zip(identities, ends, strict=True):
            config = lab.directory / f"{host.label}.stunnel"
            config.write_text(
                CONFIG.format(
                    identity=identity, authority=lab.authority.certificate,
                    client=client, accept=accept, connect=connect,
                )
            )  # fmt: skip
            daemons.append(lab.program(host, "stunnel", "stunnel", str(config)))
            daemons[-1].wait_for("Configuration successful")
        yield Tunnel(lab, tuple(daemons), target="::1", gateway=None)


STUNNEL = Peer("stunnel relay", stunnel, ("stunnel",))
