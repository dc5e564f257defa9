"""OpenVPN 2.6 over TCP, in user space, with the faster of the ciphers that are usual and certificates at both ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bench.peers.tunnel import DEVICE, Peer, Tunnel, as_it_is, forward
from iphttps.lab.authority import Identity
from iphttps.lab.laboratory import TUNNEL_PREFIX, Laboratory
from iphttps.lab.network import GATEWAY_IPV6, GATEWAY_NAME, PRIVATE_HOST, PRIVATE_NETWORK
from iphttps.lab.traffic import wait_reachable

PORT = "1194"


@contextmanager
def openvpn(mtu: int, clients: int = 1, prepare: Callable[[Laboratory], None] = as_it_is) -> Iterator[Tunnel]:
    """Put up a tunnel with this MTU, perhaps with more clients; `prepare` changes the laboratory before."""
    with Laboratory(clients) as lab:
        prepare(lab)
        forward(lab)
        # Without --tcp-nodelay, which it tells the client as well, half the rate is left, and pings take 15 ms.
        # Without --disable-dco a kernel that has the module would do the work.
        both = ["--dev", DEVICE, "--dev-type", "tun", "--tun-mtu", str(mtu), "--port", PORT, "--disable-dco"]
        both += ["--ca", str(lab.authority.certificate), "--data-ciphers", "AES-128-GCM"]
        server = lab.program(
            lab.gateway, "openvpn", "openvpn", *both, "--mode", "server", "--proto", "tcp6-server",
            "--local", GATEWAY_IPV6, "--server-ipv6", TUNNEL_PREFIX, "--push", f"route-ipv6 {PRIVATE_NETWORK}",
            "--tls-server", "--dh", "none", "--topology", "subnet", "--tcp-nodelay",
            *_identity(lab.server_identity),
        )  # fmt: skip
        server.wait_for("Initialization Sequence Completed")
        started = [
            lab.program(
                host, "openvpn", "openvpn", *both, "--client", "--proto", "tcp6-client", "--nobind",
                "--remote", GATEWAY_IPV6, "--verify-x509-name", GATEWAY_NAME, "name",
                *_identity(lab.authority.client(host.label)),
            )
            for host in lab.clients
        ]  # fmt: skip
        for client, host in zip(started, lab.clients, strict=True):
            client.wait_for("Initialization Sequence Completed", 60)
            wait_reachable(host, PRIVATE_HOST)
        yield Tunnel(lab, (server, *started))


def _identity(identity: Identity) -> list[str]:
    return ["--cert", str(identity.certificate), "--key", str(identity.private_key)]


OPENVPN_1500 = Peer("OpenVPN TCP, MTU 1500", partial(openvpn, 1500), ("openvpn",), over_tls=True)
OPENVPN_1280 = Peer("OpenVPN TCP, MTU 1280", partial(openvpn, 1280), ("openvpn",), over_tls=True)
