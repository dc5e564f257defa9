"""An IP-HTTPS server without a TUN device; run it with `python examples/server.py 4433 server.pem server.key`.

Clients need no certificate. The server advertises a prefix, and answers echo requests to its unassigned addresses.
"""

from __future__ import annotations

import sys
from functools import partial
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import cast

from twisted.internet import reactor as installed

from iphttps.core.ip import icmpv6, ipv6
from iphttps.core.ip.batch import Batch
from iphttps.core.ip.router import Router
from iphttps.core.ip.router_advertisement import RouterAdvertisement
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.clients import ClientTable
from iphttps.core.iphttps.link import OwnAddresses, ServerLink
from iphttps.core.iphttps.neighbors import NeighborCache
from iphttps.core.iphttps.policy import Policy
from iphttps.core.iphttps.server import ServerEvent
from iphttps.core.seats import Seats
from iphttps.host.device.memory import MemoryDevice
from iphttps.net.connect.endpoints import URI, listen
from iphttps.net.device_reader import DeviceReader
from iphttps.net.interfaces import IReactor
from iphttps.net.iphttps.server import Server
from iphttps.net.iphttps.service import IPHTTPSService
from iphttps.net.listen.listener import Listener
from iphttps.net.listen.service import CertificatePolicy
from iphttps.net.tls.contexts import ServerTLS, TLSSettings
from iphttps.pki.certificates import Credentials

PREFIX = IPv6Network("2001:db8:2::/64")
OWN = OwnAddresses(IPv6Address("fe80::1").packed, PREFIX[1].packed)


class EchoDevice(MemoryDevice):
    """Stands in for the kernel: answers each echo request (RFC 4443 section 4.2)."""

    def write(self, batch: Batch) -> None:
        """Take packets from clients; the reader finds the replies."""
        for packet in batch:
            if packet[6] == ipv6.ICMPV6 and packet[40] == 128:
                self.inject(icmpv6.message(129, 0, packet[44:], packet[24:40], packet[8:24]))


def main(port: str, certificate: str, key: str) -> None:
    """Serve until interrupted."""
    reactor = cast(IReactor, installed)
    tls = ServerTLS(TLSSettings(Credentials.load(Path(certificate), Path(key))))
    table, cache, device = ClientTable(Seats(100)), NeighborCache(), EchoDevice("echo")
    policy = Policy(AuthenticationMode.NONE, PREFIX, frozenset((OWN.link_local, OWN.unicast)), cache)
    link = ServerLink(table, cache, policy, Router(RouterAdvertisement(PREFIX), OWN.link_local), OWN)
    service = IPHTTPSService(reactor, table, link, device, certificate=CertificatePolicy.OPTIONAL)
    open_port = partial(listen, reactor, URI.parse(f"https://*:{port}/"), tls=tls)
    listener = Listener(reactor, open_port, (service,), name="example HTTPAPI/2.0")
    DeviceReader(reactor, device, service.from_host, print).start()
    Server(reactor, listener, service).handle(ServerEvent.START)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
