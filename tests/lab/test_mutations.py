"""Sessions that have gone wrong in every way that chance finds."""

import socket
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)

from iphttps.lab.laboratory import TUNNEL_SERVER
from iphttps.lab.network import GATEWAY_IPV4, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab.raw import REQUEST, RawCase, RawClient, client_context, connect, descriptors

SESSIONS = 250

GLOBAL = "2001:db8:2::a"
LOCAL = "fe80::a"

PACKETS = [
    bytes(packet)
    for packet in (
        IPv6(src=LOCAL, dst="ff02::2", hlim=255) / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01"),
        IPv6(src="::", dst="ff02::1:ff00:a", hlim=255) / ICMPv6ND_NS(tgt=GLOBAL),
        IPv6(src=GLOBAL, dst="fe80::1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1"),
        IPv6(src=GLOBAL, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=GLOBAL),
        IPv6(src=LOCAL, dst="ff02::1", hlim=255) / ICMPv6ND_RA() / ICMPv6NDOptPrefixInfo(prefix="2001:db8:9::"),
        IPv6(src="::", dst="ff02::16", hlim=1) / IPv6ExtHdrHopByHop() / ICMPv6MLReport2(),
        IPv6(src=GLOBAL, dst=TUNNEL_SERVER) / ICMPv6EchoRequest(),
        IPv6(src=GLOBAL, dst=PRIVATE_HOST) / TCP(dport=9),
        IPv6(src=GLOBAL, dst=PRIVATE_HOST) / IPv6ExtHdrDestOpt() / UDP(dport=9) / bytes(1200),
        IPv6(src=GLOBAL, dst=PRIVATE_HOST) / IPv6ExtHdrFragment(nh=58) / ICMPv6EchoRequest(),
        IPv6(src=GLOBAL, dst="2001:db8:2::b") / UDP(dport=9),
    )
]


@st.composite
def sessions(draw: st.DrawFn) -> list[bytes]:
    """Draw a session: a request and packets, damaged in some places, cut into pieces."""
    head = REQUEST.format(path=draw(st.sampled_from(["/IPHTTPS", "/iptls", "/"]))).encode()
    stream = bytearray(head + b"".join(draw(st.lists(st.sampled_from(PACKETS), max_size=12))))
    first = draw(st.sampled_from([0, len(head)]))  # half of them are damaged behind the request only
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(min(first, len(stream)), len(stream)))
        match draw(st.sampled_from(["change", "insert", "delete", "repeat"])):
            case "change":
                stream[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "insert":
                stream[at:at] = draw(st.binary(max_size=80))
            case "delete":
                del stream[at : at + draw(st.integers(1, 80))]
            case "repeat":
                stream[at:at] = stream[at : at + 200]
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    return [bytes(stream[a:b]) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


class MutationTests(RawCase):
    """Many damaged sessions, one real client beside them."""

    clients = 2

    def check_mode(self, server: Program, open_connection: Callable[[], socket.socket]) -> None:
        """Run damaged sessions against a server; nothing of them may be left in it, and nobody else may notice."""
        wait_reachable(self.lab.clients[1], PRIVATE_HOST)
        before = descriptors(server.pid)

        @seed(20)
        @settings(
            max_examples=SESSIONS, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        @given(sessions())
        def run(pieces: list[bytes]) -> None:
            with open_connection() as wire:
                try:
                    for piece in pieces:
                        wire.sendall(piece)
                except OSError:
                    return  # the server has had enough

        run()
        wait_until(lambda: descriptors(server.pid) <= before, "the descriptors there were before")
        connected, disconnected = (server.text.count(f" {word}") for word in ("connected", "disconnected:"))
        self.assertEqual(connected - 1, disconnected)
        self.assertGreater(disconnected, SESSIONS // 10)
        self.assertEqual(0, ping(self.lab.clients[1], PRIVATE_HOST).lost)

    def test_none(self) -> None:
        """250 damaged sessions, in the clear, leave no exception, no entry and no descriptor in mode None."""
        server = self.server(uri="http://*:80/IPHTTPS", authentication="none")
        self.client(2, uri=f"http://{GATEWAY_IPV4}/IPHTTPS")
        self.check_mode(server, lambda: connect(self.lab.clients[0], GATEWAY_IPV4, 80))

    def test_certificates(self) -> None:
        """So do as many in mode Certificates, inside TLS, from one who may have only so many sessions at a time."""
        server = self.server()
        self.client(2)
        context = client_context(self.lab.authority.certificate, self.lab.authority.client("raw"))
        self.check_mode(server, lambda: RawClient.tls(self.lab.clients[0], GATEWAY_IPV4, context).wire)
