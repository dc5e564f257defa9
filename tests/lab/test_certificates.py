"""Certificates and TLS of the server, with real daemons and the system's OpenSSL as a peer."""

import os
import re
import socket
import ssl
import sys
from datetime import timedelta
from pathlib import Path

from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6

from iphttps.lab.authority import DAY, Authority, KeyKind
from iphttps.lab.laboratory import INTERFACE, LINK_DOWN, TUNNEL_SERVER, addresses, devices, tunnel_address
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab.openssl import (
    HANDSHAKE_FAILURE,
    PROTOCOL_VERSION,
    SClient,
    alert,
    client_hello,
    flags,
    handshake,
)
from tests.lab.raw import RawCase, RawClient, client_context, connect
from tests.lab.test_kernels import flags as address_flags

GLOBAL = "2001:db8:2::a"
ECHO = IPv6(src=GLOBAL, dst=TUNNEL_SERVER) / ICMPv6EchoRequest(id=1)

POLLED = 10.0
"""Seconds within which the server must have seen that its file has changed, with some patience."""


class RevocationTests(RawCase):
    """Revocation lists."""

    clients = 2

    def setUp(self) -> None:
        """Make two clients' certificates and a list without them."""
        super().setUp()
        self.alice, self.bob = (self.lab.authority.client(name) for name in ("alice", "bob"))
        self.crl = self.lab.authority.revoke()

    def test_revocation(self) -> None:
        """Revocation ends that client's session within the polling interval, for good, and nobody else's."""
        server = self.server("--client-crl", str(self.crl))
        alice, bob = self.client(1, identity=self.alice), self.client(2, identity=self.bob)
        wait_reachable(self.lab.clients[1], PRIVATE_HOST)
        self.lab.authority.revoke(self.alice)
        server.wait_for("disconnected: its certificate is revoked", POLLED)
        alice.wait_for(LINK_DOWN)
        alice.wait_for("rejected this client's certificate: it has been revoked")
        server.wait_for("the certificate of CN=alice is revoked")
        self.assertEqual(0, ping(self.lab.clients[1], PRIVATE_HOST).lost)
        self.assertNotIn(LINK_DOWN, bob.text)
        mark = alice.mark()
        self.lab.authority.revoke()
        alice.wait_for("ESTABLISHED -> LINK_UP", POLLED, since=mark)

    def test_resumption(self) -> None:
        """No session of TLS can be taken up again, least of all after its certificate was revoked (RFC 9325 3.4)."""
        server = self.server("--client-crl", str(self.crl))
        kept = {}
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = client_context(self.lab.authority.certificate, self.alice)
            context.minimum_version = context.maximum_version = version
            first = self.wrap(context)
            self.assertTrue(RawClient(first).post().startswith(b"HTTP/1.1 200 "))  # behind what tickets there are
            kept[version] = context, first.session
            self.assertIs(False, self.wrap(context, first.session).session_reused)
        self.lab.authority.revoke(self.alice)
        server.wait_for("reloaded: 1 certificate revoked", POLLED)
        for context, session in kept.values():
            mark = server.mark()
            with self.assertRaisesRegex(ssl.SSLError, "(?i)certificate.revoked"):
                self.wrap(context, session).recv(1)
            server.wait_for("the certificate of CN=alice is revoked", since=mark)

    def wrap(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        """Shake hands, taking a session up if one is given."""
        bare = connect(self.lab.clients[0], GATEWAY_IPV4, 443)
        self.addCleanup(bare.close)
        wrapped = context.wrap_socket(bare, server_hostname=GATEWAY_NAME, session=session)
        self.addCleanup(wrapped.close)
        return wrapped

    def test_bad_file_later(self) -> None:
        """A list that is damaged later is named, and the one before stays in force."""
        self.lab.authority.revoke(self.alice)
        server = self.server("--client-crl", str(self.crl))
        self.crl.write_bytes(self.crl.read_bytes()[:-40])
        server.wait_for("it may be truncated; the revocation lists read before stay in force", POLLED)
        self.client(2, identity=self.bob)
        self.lab.client(1, *self.reconnect, identity=self.alice).wait_for(
            "rejected this client's certificate: it has been revoked"
        )

    def test_bad_file_at_start(self) -> None:
        """Without a list that can serve the server does not start, and says what is wrong."""
        other = Authority(self.lab.directory / "other", "Other CA").revoke()
        files = {
            "missing": None,
            "empty": b"",
            "half": self.crl.read_bytes()[:-40],
            "other": other.read_bytes(),
        }
        for (name, content), said in zip(
            files.items(),
            (
                "No such file or directory",
                "holds no certificate revocation list in PEM or DER form",
                "holds a damaged certificate revocation list",
                "holds no revocation list of CN=Laboratory CA, only of CN=Other CA",
            ),
            strict=True,
        ):
            path = self.lab.directory / f"{name}.pem"
            if content is not None:
                path.write_bytes(content)
            server = self.lab.server("--client-crl", str(path))
            self.assertEqual(1, server.wait_ended())
            self.assertIn(said, server.text)
            self.assertNotIn(INTERFACE, devices(self.lab.gateway))

    def test_expired(self) -> None:
        """With an expired list no client comes in, and the log says so from the start until there is a new one."""
        self.lab.authority.revoke(end=-timedelta(hours=1))
        server = self.server("--client-crl", str(self.crl))
        server.wait_for("the revocation list of CN=Laboratory CA in")
        client = self.lab.client(1, *self.reconnect, identity=self.alice)
        server.wait_for("because the revocation list of CN=Laboratory CA has expired: renew it")
        self.lab.authority.revoke(end=3 * DAY)
        server.wait_for("clients with certificates of this issuer are rejected: get a new list", POLLED)
        client.wait_for("ESTABLISHED -> LINK_UP")


class IdentityTests(RawCase):
    """The list of certificates with the connections of each."""

    clients = 2
    probing = True

    def test_newest_wins(self) -> None:
        """The session of the same identity that came first ends, with the reason in the log."""
        server = self.server("--max-sessions-per-identity", "1")
        first = self.session()
        self.client(2, identity=self.lab.authority.client("raw"))
        server.wait_for("client 1 (CN=raw, ")
        server.wait_for("disconnected: displaced by a newer session of the same identity (limit: 1)")
        self.assertTrue(first.read_to_end())
        wait_reachable(self.lab.clients[1], PRIVATE_HOST)

    def test_hostile_name(self) -> None:
        """A name with control characters stays in its line of the log."""
        server = self.server()
        hostile = "x\n2026-01-01T00:00:00 client 9 (CN=root) connected\x1b[2J"
        identity = self.lab.authority.client(hostile, names=("alice@example.org",))
        self.client(1, identity=identity)
        line = server.wait_for("client 1 (")
        self.assertIn(r"CN=x\0A2026-01-01T00:00:00 client 9 (CN=root) connected\1B[2J [alice@example.org]", line)

    def test_fixed_addresses(self) -> None:
        """An assigned address is its owner's alone, who has no other in the prefix; kernels find out by DAD."""
        assigned = self.lab.directory / "addresses.toml"
        assigned.write_text(f'"alice@example.org" = ["{GLOBAL}"]\n')
        self.server("--identity-addresses", str(assigned))
        self.client(1, identity=self.lab.authority.client("bob"))
        self.client(2, identity=self.lab.authority.client("alice", names=("alice@example.org",)))
        bob, alice = self.lab.clients
        tunnel_address(bob)
        # While the owner does not use it, the server itself defends the address.
        bob.run("ip", "address", "add", f"{GLOBAL}/64", "dev", INTERFACE)
        wait_until(lambda: "dadfailed" in address_flags(bob, GLOBAL), "dadfailed on bob's host")
        alice.run("ip", "address", "add", f"{GLOBAL}/64", "dev", INTERFACE)
        wait_reachable(alice, PRIVATE_HOST)
        # What the kernel forms from the advertised prefix it finds to be in use, one after the other.
        usable = [str(found["local"]) for found in addresses(alice) if not found.get("tentative")]
        here = {address for address in usable if address.startswith("2001:")}
        self.assertEqual({GLOBAL}, here)
        self.assertEqual(0, ping(self.lab.private, GLOBAL).lost)

    def test_bad_file(self) -> None:
        """A file that assigns what cannot be keeps the server from starting, with a sentence."""
        assigned = self.lab.directory / "addresses.toml"
        assigned.write_text('"CN=alice" = ["2001:db8:9::a"]\n')
        server = self.lab.server("--identity-addresses", str(assigned))
        self.assertEqual(1, server.wait_ended())
        self.assertIn("which is not a client address in 2001:db8:2::/64", server.text)
        self.assertNotIn(INTERFACE, devices(self.lab.gateway))


class NullTests(RawCase):
    """Suites without encryption, with the system's OpenSSL, restricted as Windows restricts itself."""

    def setUp(self) -> None:
        """Make a server's certificate for an RSA key, which these suites need."""
        super().setUp()
        self.rsa = self.lab.authority.server(GATEWAY_NAME, kind=KeyKind.RSA)

    def s_client(self, *more: str) -> SClient:
        """Start a client by OpenSSL."""
        command = flags(self.lab.authority.certificate, self.lab.authority.client("null"))
        client = SClient(self.lab.clients[0], *command, *more)
        self.addCleanup(client.close)
        return client

    def test_carries_packets(self) -> None:
        """A client that knows no other suite has its tunnel, and the log says how little it hides."""
        server = self.server("--null-encryption", "accept", identity=self.rsa)
        server.wait_for("--null-encryption accept: packets of clients")
        client = self.s_client("-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0")
        self.assertTrue(client.post().startswith(b"HTTP/1.1 200 "))
        client.send(ECHO)
        client.expect(ICMPv6EchoReply)
        server.wait_for("connected, TLSv1.2 NULL-SHA256")
        self.client()
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        server.wait_for("connected, TLSv1.3 TLS_AES_256_GCM_SHA384")

    def test_default(self) -> None:
        """By default there is none."""
        server = self.server(identity=self.rsa)
        command = flags(self.lab.authority.certificate, self.lab.authority.client("null"))
        said = handshake(self.lab.clients[0], *command, "-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0")
        self.assertIn("handshake failure", said)
        server.wait_for("the client offers no cipher suite that is allowed here")

    def test_prefer(self) -> None:
        """Preferred, a client that knows both has none, whatever else it would do."""
        server = self.server("--null-encryption", "prefer", identity=self.rsa)
        client = self.s_client("-cipher", "ECDHE+AESGCM:NULL-SHA256:@SECLEVEL=0")
        self.assertTrue(client.post().startswith(b"HTTP/1.1 200 "))
        server.wait_for("connected, TLSv1.2 NULL-SHA256")

    def test_needs_rsa(self) -> None:
        """With a certificate for which no such suite works the server does not start."""
        server = self.lab.server("--null-encryption", "accept")
        self.assertEqual(1, server.wait_ended())
        self.assertIn("--null-encryption needs an RSA certificate", server.text)


class HandshakeTests(RawCase):
    """Certificates that the handshake must reject, and those that it must accept."""

    def test_versions(self) -> None:
        """SSL 3.0, TLS 1.0 and 1.1 are rejected by the alert that means it (RFC 8996)."""
        self.server()
        for version in (0x0300, 0x0301, 0x0302):
            hello = client_hello(version, (0xC02B, 0xC009, 0x002F, 0x0035))
            self.assertEqual(PROTOCOL_VERSION, alert(self.lab.clients[0], hello), hex(version))

    def test_suites(self) -> None:
        """Suites that hide nothing, know nobody, or are broken by now are rejected (RFC 9325 section 4.1)."""
        self.server(identity=self.lab.authority.server(GATEWAY_NAME, kind=KeyKind.RSA))
        for name, suites in {
            "NULL": (0x0001, 0x0002, 0x003B, 0xC006, 0xC010),
            "anonymous": (0x0018, 0x0034, 0x003A, 0x006C, 0x00A6, 0xC018),
            "EXPORT": (0x0003, 0x0006, 0x0008, 0x0014),
            "RC4 and 3DES": (0x0004, 0x0005, 0x000A, 0xC011, 0xC012),
            "static RSA and CBC": (0x002F, 0x0035, 0x003C, 0x009C, 0xC013, 0xC027),
        }.items():
            found = alert(self.lab.clients[0], client_hello(0x0303, suites))
            self.assertEqual(HANDSHAKE_FAILURE, found, name)

    def test_names(self) -> None:
        """A wrong name in the ClientHello, none, or an address make no difference (RFC 6066 section 3)."""
        self.server()
        command = flags(self.lab.authority.certificate, self.lab.authority.client("alice"))
        for name in (("-servername", "other.example"), ("-servername", "192.0.2.1"), ("-noservername",)):
            self.assertIn("Verification: OK", handshake(self.lab.clients[0], *command, *name), name)

    def test_protocols(self) -> None:
        """HTTP/1.1 is chosen where it is offered; without it the alert says what is wrong (RFC 7301 section 3.2)."""
        server = self.server()
        command = flags(self.lab.authority.certificate, self.lab.authority.client("alice"))
        for offered, said in (("h2,http/1.1", "ALPN protocol: http/1.1"), ("h2", "no application protocol")):
            self.assertIn(said, handshake(self.lab.clients[0], *command, "-alpn", offered))
        server.wait_for(": the client does not offer HTTP/1.1 (ALPN)")
        self.assertIn("No ALPN negotiated", handshake(self.lab.clients[0], *command))

    def test_certificate_nobody_asked_for(self) -> None:
        """In mode None a client's certificate is not looked at, be it good or of nobody known (4.2.2)."""
        server = self.server(authentication="none")
        other = Authority(self.lab.directory / "other", "Other CA").client("mallory")
        for identity in (self.lab.authority.client("alice"), other):
            mark = server.mark()
            raw = SClient(self.lab.clients[0], *flags(self.lab.authority.certificate, identity))
            self.addCleanup(raw.close)
            self.assertTrue(raw.post().startswith(b"HTTP/1.1 200 "))
            server.wait_for("(not authenticated, ", since=mark)

    def test_corrupted_record(self) -> None:
        """A record that was tampered with ends that session by an alert, and no other (RFC 8446 section 5.2)."""
        server, _ = self.tunnel()
        raw = self.session()
        with socket.socket(fileno=os.dup(raw.wire.fileno())) as bare:
            bare.sendall(b"\x17\x03\x03\x00\x40" + bytes(64))
        self.assertRaises((ssl.SSLError, ConnectionError), list, raw.packets())
        server.wait_for("(CN=raw, ")
        server.wait_for("disconnected: ")
        self.assertEqual(0, ping(self.lab.clients[0], PRIVATE_HOST).lost)


class CrowdTests(RawCase):
    """Many handshakes at once."""

    clients = 2

    def test_bystander(self) -> None:
        """Up to 500 handshakes a second from one source leave a bystander's ping alive."""
        self.server()
        self.client(2)
        bystander = self.lab.clients[1]
        wait_reachable(bystander, PRIVATE_HOST)
        identity = self.lab.authority.client("crowd")
        crowd = self.lab.program(
            self.lab.clients[0], "crowd", sys.executable, str(Path(__file__).with_name("crowd.py")),
            str(self.lab.authority.certificate), str(identity.certificate), str(identity.private_key),
            GATEWAY_IPV4, "500", "4",
        )  # fmt: skip
        crowd.wait_for("going")
        pings = ping(bystander, PRIVATE_HOST, 30, 0.1)
        crowd.wait_ended(30)
        done, refused = map(int, re.findall(r"(\d+) (?:handshakes|rejected)", crowd.text))
        self.assertGreater(done + refused, 100)  # in four seconds; both ends share this machine with other tests
        self.assertEqual(0, pings.lost)
