"""An IP-HTTPS client in fifty lines: the protocol core on a blocking socket, without Twisted, TUN or root.

    python examples/client.py vpn.example.org ca.pem [client.pem client.key]

It opens a session, solicits a router from the unspecified address, and prints the headers of the packets that arrive.
"""

from __future__ import annotations

import socket
import ssl
import sys
from ipaddress import IPv6Address

from iphttps.core.ip import icmpv6, ipv6
from iphttps.core.ip.batch import Framer
from iphttps.core.iphttps.client_handshake import ClientHandshake


def connect(host: str, port: int, trust: str, identity: list[str]) -> ssl.SSLSocket:
    """Return a TLS connection to the server, whose certificate is good for `host`."""
    context = ssl.create_default_context(cafile=trust)
    if identity:
        context.load_cert_chain(*identity)
    return context.wrap_socket(socket.create_connection((host, port), timeout=10), server_hostname=host)


def main(server: str, trust: str, *identity: str) -> None:
    """Open a session with `server` ("host" or "host:port"), and print packets until the server is silent for 10 s."""
    host, _, port = server.partition(":")
    stream = connect(host, int(port or 443), trust, list(identity))
    handshake, framer = ClientHandshake(host, "/IPHTTPS"), Framer()
    stream.sendall(handshake.request())  # POST with the endless Content-Length (3.1.5.2)
    while (opened := handshake.feed(stream.recv(65536))) is None:
        pass
    solicitation = icmpv6.message(133, 0, bytes(4), ipv6.UNSPECIFIED, ipv6.ALL_ROUTERS)  # RFC 4861 section 4.1
    stream.sendall(solicitation)  # packets laid end to end are the body: nothing is wrapped around them (3.1.5.3)
    data = opened.rest
    while True:
        for packet in framer.feed(data):
            source, destination = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
            print(f"{source} > {destination}: next header {packet[6]}, {len(packet)} bytes", flush=True)
        try:
            data = stream.recv(65536)
        except TimeoutError:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
