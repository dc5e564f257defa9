"""Two real Linux clients on one link: what their kernels make of it."""

import json

from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS, IPv6

from iphttps.lab.laboratory import INTERFACE, TUNNEL_SERVER, tunnel_address
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import ping
from tests.lab.raw import RawCase, RawClient

ADDRESS = "2001:db8:2::a"

RADVD = """\
interface %s {
    AdvSendAdvert on; IgnoreIfMissing on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 1800;
    prefix 2001:db8:bad::/64 { };
};
"""


def flags(host: Namespace, address: str) -> set[str]:
    """Return what a host's kernel says of an address on the tunnel's device."""
    shown = json.loads(host.run("ip", "-json", "-6", "address", "show", "dev", INTERFACE).stdout)
    for found in shown[0]["addr_info"]:
        if found.get("local") == address:
            return {name for name, value in found.items() if value is True}
    return set()


class DuplicateTests(RawCase):
    """Duplicate Address Detection (RFC 4862 section 5.4)."""

    clients = 2
    probing = True

    def check_conflict(self, authentication: str) -> None:
        """Give the second client the first one's address; its kernel must find out."""
        self.server(authentication=authentication)
        self.client(1)
        self.client(2)
        first, second = self.lab.clients
        address = tunnel_address(first)
        tunnel_address(second)
        second.run("ip", "address", "add", f"{address}/64", "dev", INTERFACE)
        wait_until(lambda: "dadfailed" in flags(second, address), "dadfailed on the second client")
        self.assertEqual(0, ping(first, PRIVATE_HOST).lost)

    def test_certificates(self) -> None:
        """In mode Certificates the holder's own kernel defends the address (3.2.5.2.2)."""
        self.check_conflict("certificates")

    def test_none(self) -> None:
        """In mode None the server does, as if it were the holder (3.2.5.2.2)."""
        self.check_conflict("none")

    def test_address_of_the_server(self) -> None:
        """A client cannot take the server's address (RFC 4862 section 5.4.5)."""
        self.server()
        self.client(1)
        host = self.lab.clients[0]
        tunnel_address(host)
        host.run("ip", "address", "add", f"{TUNNEL_SERVER}/64", "dev", INTERFACE)
        wait_until(lambda: "dadfailed" in flags(host, TUNNEL_SERVER), "dadfailed on the client")


class RogueTests(RawCase):
    """A client that plays router."""

    clients = 2

    def test_radvd(self) -> None:
        """A rogue radvd on one client changes nothing on the other (RFC 6105)."""
        self.server()
        self.client(1)
        self.client(2)
        rogue, victim = self.lab.clients
        tunnel_address(rogue), tunnel_address(victim)
        before = victim.run("ip", "-6", "route").stdout.count("\n")
        rogue.setting("ipv6.conf.all.forwarding", "1")
        config = self.lab.directory / "radvd.conf"
        config.write_text(RADVD % INTERFACE)
        config.chmod(0o644)
        self.lab.program(rogue, "radvd", "radvd", "-n", "-m", "stderr", "-C", str(config), "-p", f"{config}.pid")
        # What radvd sends is there to be seen on its own side.
        heard = rogue.run(
            "tcpdump", "-i", INTERFACE, "-c", "1", "-n", "icmp6 and ip6[40] == 134 and not src fe80::1", deadline=20
        )
        self.assertIn("router advertisement", heard.stdout)
        self.assertEqual(0, ping(victim, PRIVATE_HOST, 10, 0.1).lost)
        after = victim.run("ip", "-6", "route").stdout
        self.assertNotIn("2001:db8:bad", after)
        self.assertEqual(before, after.count("\n"))


class HostAdvertiseTests(RawCase):
    """Router Advertisements by a program on the server's host."""

    probing = True

    def test_radvd(self) -> None:
        """With --advertise host, radvd on the server's device is the router's voice, in mode None too (3.2.5.2.1)."""
        self.server("--advertise", "host", authentication="none")
        config = self.lab.directory / "radvd.conf"
        config.write_text((RADVD % INTERFACE).replace("2001:db8:bad::", "2001:db8:2::"))
        config.chmod(0o644)
        self.lab.program(
            self.lab.gateway, "radvd", "radvd", "-n", "-m", "stderr", "-C", str(config), "-p", f"{config}.pid"
        )
        self.client(1)
        host = self.lab.clients[0]
        address = tunnel_address(host, 20)
        self.assertIn("default", host.run("ip", "-6", "route", "show", "dev", INTERFACE).stdout)
        self.assertTrue(address.startswith("2001:db8:2:"))
        self.assertEqual(0, ping(host, PRIVATE_HOST).lost)

    def test_off(self) -> None:
        """With --advertise off nobody is told anything, and who knows the addresses can still use them."""
        self.server("--advertise", "off")
        raw = self.session()
        # A server that advertises answers a solicitation, and the first of its own accord goes out with the session.
        raw.send(IPv6(src="fe80::a", dst="ff02::2", hlim=255) / ICMPv6ND_RS())
        self.assertEqual([], [packet for packet in raw.ping("2001:db8:2::a") if ICMPv6ND_RA in packet])


class PatienceTests(RawCase):
    """Slow tests."""

    # How many at the server ask whether a client is still there: the Neighbor Cache.
    askers = 1

    def test_address_is_freed(self) -> None:
        """A client that does not answer three solicitations loses the address (RFC 4861 section 7.3.3).

        Meanwhile Router Advertisements come unasked, the first ones soon (section 6.2.4).
        """
        self.server()
        dead, heir = self.session(name="dead"), self.session(name="heir")
        echo = IPv6(src=ADDRESS, dst=TUNNEL_SERVER) / ICMPv6EchoRequest()
        dead.send(echo)
        dead.expect(ICMPv6EchoReply)
        heir.send(echo)
        self.assertEqual([], [packet for packet in heir.ping("2001:db8:2::b") if ICMPv6EchoReply in packet])
        asked = (packet for packet in dead.packets(15) if ICMPv6ND_NS in packet and packet.dst == ADDRESS)
        for _ in range(3 * self.askers):
            next(asked)

        def inherits() -> bool:
            heir.send(echo)
            return any(ICMPv6EchoReply in packet for packet in heir.ping("2001:db8:2::b"))

        wait_until(inherits, "the address with its heir")
        # No fourth solicitation, until the address was lost.
        self.assertEqual([], [p for p in dead.ping("2001:db8:2::d") if ICMPv6ND_NS in p and p.dst == ADDRESS])
        self.check_advertisement(dead)

    def check_advertisement(self, raw: RawClient) -> None:
        """Wait for the second of the first advertisements, 16 seconds after that which nobody could hear."""
        self.assertEqual("ff02::1", raw.expect(ICMPv6ND_RA, deadline=20).dst)
