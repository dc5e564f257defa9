"""The peers with which SSTP is tested: a guest with a kernel of its own, and clients' PPP against a real pppd."""

import contextlib
import os
import platform
import shutil
import ssl
import time
from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path
from threading import Thread
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.lab.authority import Authority
from iphttps.lab.errors import DeadlinePassed, LabError
from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import remaining
from iphttps.lab.network import (
    GATEWAY_IPV4,
    GATEWAY_IPV6,
    GATEWAY_NAME,
    GATEWAY_NAME_IPV4,
    PRIVATE_HOST,
    PRIVATE_NETWORK,
)
from iphttps.lab.poll import DEADLINE, wait_until
from iphttps.lab.traffic import ping
from tests.lab.case import LabCase
from tests.lab.chap_peer import log_in
from tests.lab.ppp_peer import BY_PAP, IPCP, IPV6CP, LCP, PppPeer, framed, unframed
from tests.lab.raw import listen
from tests.lab.sstp_guest import TLS, SstpGuest
from tests.lab.sstpc import Sstpc
from tests.lab.uml import NETEM, PPP, Guest

SIZE = 5_000_000
PORT = 4000

SERVER, CLIENT = "10.99.0.1", "10.99.0.2"

# pppd as a server, over TCP in place of a terminal.
_PPPD = f"""\
mount -t tmpfs ppp /etc/ppp && mkdir /etc/ppp/peers && : >/etc/ppp/options
echo 'alice * secret *' >/etc/ppp/chap-secrets && cp /etc/ppp/chap-secrets /etc/ppp/pap-secrets
chmod 600 /etc/ppp/*-secrets
exec pppd socket {GATEWAY_IPV4}:{PORT} nodetach auth "$@" {SERVER}:{CLIENT} ms-dns 10.9.9.9 +ipv6 debug \\
    logfile /dev/console
"""


def processes(run: Callable[[str], bool]) -> list[int]:
    """Return the numbers of the processes whose command line a function picks."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if run((each / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")):
                found.append(int(each.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
    return found


class GuestTests(LabCase):
    """A guest in place of a host."""

    def test_network(self) -> None:
        """It has its own kernel, and the addresses, routes and names of the host whose place it takes."""
        client = self.lab.clients[0]
        guest = Guest(self.lab, client)
        self.assertNotEqual(platform.release(), guest.run("uname", "-r").stdout.strip())
        for address in (GATEWAY_IPV4, GATEWAY_IPV6, GATEWAY_NAME):
            self.assertEqual(3, guest.ping(address), address)
        self.assertEqual(0, ping(client, GATEWAY_IPV4, 1).received)
        for address in (GATEWAY_IPV4, GATEWAY_IPV6):
            exchange = guest.exchange(self.lab.gateway, address, SIZE, SIZE)
            self.assertTrue(exchange.intact, exchange)
            self.assertEqual((SIZE, SIZE), (exchange.ours["received"], exchange.theirs["received"]))

    def test_commands(self) -> None:
        """Commands run side by side; what they print and how they end comes back, and a deadline ends the waiting."""
        guest = Guest(self.lab, self.lab.clients[0])
        slow = guest.start("sleep", "60")
        done = guest.run("sh", "-c", "echo 'it is' \"$1\"; exit 3", "sh", "so", check=False)
        self.assertEqual((3, "it is so\n"), (done.returncode, done.stdout))
        self.assertIsNone(slow.status)
        self.assertRaises(DeadlinePassed, slow.wait_ended, 0.1)
        self.assertIn("no-such", str(self.assertRaises(LabError, guest.run, "ls", "/no-such")))
        guest.start("sh", "-c", "echo from within >/dev/console")
        self.assertEqual("from within", guest.wait_for("from within"))
        self.assertNotEqual(0, guest.run("touch", "/etc/written", check=False).returncode)
        guest.stop()
        self.assertIn("ended", str(self.assertRaises(LabError, slow.wait_ended)))
        self.assertIn("ended", str(self.assertRaises(LabError, guest.run, "true")))

    def test_traces(self) -> None:
        """Powered off or not, nothing of it is left, neither processes nor files."""
        by_default = Path.home() / ".uml"  # where a guest's sockets are, unless it is told otherwise
        before = by_default.exists()
        with Laboratory(1) as lab:
            guest = Guest(lab, lab.clients[0])
            running = processes(lambda line: str(guest.control) in line)
            self.assertNotEqual([], running)
            self.assertEqual(0, guest.stop())
            self.assertEqual("", lab.private.run("ip", "netns", "pids", lab.clients[0].name).stdout)
            guest = Guest(lab, lab.gateway)
            guest.start("sleep", "60")
            inside = lab.private.run("ip", "netns", "pids", lab.gateway.name).stdout.split()
            self.assertNotEqual([], inside)
        # Killed, they are there until the system's first process has heard of their end.
        gone = wait_until(lambda: not any(Path("/proc", number).exists() for number in inside), "the end of all")
        self.assertTrue(gone)
        self.assertEqual([], processes(lambda line: str(lab.directory) in line))
        self.assertFalse(lab.directory.exists())
        self.assertEqual(before, by_default.exists())
        left = [name for name in remaining() if name in (lab.clients[0].name, lab.gateway.name)]
        self.assertEqual([], left)

    def test_router(self) -> None:
        """In place of the gateway it forwards, and delays and loses packets as netem is told."""
        client, private = self.lab.clients[0], self.lab.private
        client.ip(f"route add {PRIVATE_NETWORK} via 2001:db8:ffff:1::1")
        self.assertEqual(0, ping(client, PRIVATE_HOST, 1).received)
        guest = Guest(self.lab, self.lab.gateway, NETEM)
        guest.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
        private.ip("route replace default via 2001:db8:1::1")
        wait_until(lambda: ping(client, PRIVATE_HOST, 1).received, "an answer through the guest")
        guest.run("tc", "qdisc", "add", "dev", "private", "root", "netem", "delay", "40ms")
        times = ping(client, PRIVATE_HOST, 5).average_ms
        assert times is not None
        self.assertTrue(40 <= times < 200, times)
        guest.run("tc", "qdisc", "change", "dev", "private", "root", "netem", "loss", "30%")
        lost = ping(client, PRIVATE_HOST, 60, 0.02).lost
        self.assertTrue(3 <= lost <= 40, lost)
        guest.run("tc", "qdisc", "change", "dev", "private", "root", "netem", "loss", "100%")
        self.assertEqual(5, ping(client, PRIVATE_HOST, 5).lost)


class PppTests(LabCase):
    """The PPP of the tests at one end, a real pppd with the PPP of a kernel at the other."""

    def setUp(self) -> None:
        """Boot a guest for pppd, which calls the gateway."""
        super().setUp()
        if shutil.which("pppd") is None:
            raise SkipTest("This needs pppd: on Debian type 'apt install ppp'.")
        self.guest = Guest(self.lab, self.lab.clients[0], PPP)
        self.listener = listen(self.lab.gateway, GATEWAY_IPV4, PORT)
        self.addCleanup(self.listener.close)

    def peer(self, demand: str, **choices: Any) -> PppPeer:
        """Start pppd with a demand on its client; return that client."""
        self.pppd = self.guest.start("sh", "-c", _PPPD, "sh", demand)
        self.listener.settimeout(DEADLINE)
        connection, _ = self.listener.accept()
        self.addCleanup(connection.close)
        return PppPeer(connection.fileno(), **choices)

    def test_link(self) -> None:
        """MS-CHAPv2 proves both ends, IPCP and IPV6CP open, and either end can end the link."""
        peer = self.peer("require-mschap-v2")
        peer.open()
        self.assertEqual((CLIENT, SERVER), (str(peer.address), str(peer.server_address)))
        self.assertEqual(["10.9.9.9"] * 2, list(map(str, peer.name_servers)))
        self.assertEqual(peer.server_link_local, IPv6Address(self.guest.wait_for("local  LL address").split()[-1]))
        self.assertEqual(peer.link_local, IPv6Address(self.guest.wait_for("remote LL address").split()[-1]))
        peer.terminate()
        self.guest.wait_for("LCP terminated by peer")

    def test_password(self) -> None:
        """PAP is agreed on where pppd demands it; a wrong password is rejected."""
        peer = self.peer("require-pap", authentication=BY_PAP)
        peer.open(IPCP)
        self.assertTrue(peer.is_open(LCP) and peer.is_open(IPCP))
        self.assertFalse(peer.is_open(IPV6CP))
        peer.terminate()
        self.pppd.wait_ended()
        peer = self.peer("require-mschap-v2", password="wrong")
        peer.open()
        self.assertIn(b"E=691", peer.refused)


class Answering(Thread):
    """A server that answers one client's call, and takes what it says then; PPP it does not speak."""

    def __init__(self, lab: Laboratory) -> None:
        """Listen on the gateway, on port 443."""
        super().__init__()
        self.packets: list[bytes] = []
        self.version: str | None = None
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        identity = lab.server_identity
        self._context.load_cert_chain(identity.certificate, identity.private_key)
        self._listener = listen(lab.gateway, GATEWAY_IPV4, 443)
        self.start()

    def run(self) -> None:
        """Serve one client, which may end whenever it likes."""
        with self._listener, contextlib.suppress(OSError), self._listener.accept()[0] as bare:
            self._serve(self._context.wrap_socket(bare, server_side=True))

    def _serve(self, wire: ssl.SSLSocket) -> None:
        wire.settimeout(DEADLINE)
        self.version = wire.version()
        stream = wire.makefile("rb")
        while stream.readline() != b"\r\n":
            pass
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n")
        self.packets.append(stream.read(14))
        # CALL_CONNECT_ACK with the attribute Crypto Binding Request, [MS-SSTP] 2.2.10.
        wire.sendall(bytes.fromhex("1001 0030 0002 0001 0004 0028 000000 02") + bytes(32))
        while len(head := stream.read(4)) == 4:
            self.packets.append(head + stream.read(int.from_bytes(head[2:]) - 4))


class ClientTests(LabCase):
    """sstpc on a host and in a guest, as far as it comes without a server for SSTP."""

    def test_no_server(self) -> None:
        """A refused connection is reported at once."""
        began = time.monotonic()
        client = Sstpc(self.lab, self.lab.clients[0])
        self.addCleanup(client.close)
        self.assertIn("Could not perform HTTP", str(self.assertRaises(LabError, client.connect, GATEWAY_NAME_IPV4)))
        guest = SstpGuest(self.lab, self.lab.clients[0])
        self.assertIn("Could not perform HTTP", str(self.assertRaises(LabError, guest.connect, GATEWAY_NAME_IPV4)))
        self.assertEqual([], guest.addresses())
        self.assertLess(time.monotonic() - began, 15)

    def test_call(self) -> None:
        """The PPP peer's frames reach the server, and CALL_CONNECTED follows once sstpc has the keys."""
        for tls in TLS:
            server = Answering(self.lab)
            client = Sstpc(self.lab, self.lab.clients[0])
            self.addCleanup(client.close)
            client.start(GATEWAY_NAME_IPV4, tls=tls)
            self.assertRaises(DeadlinePassed, client.ppp.open, deadline=0.1)
            client.tell_keys(bytes(16), bytes(16))
            client.program.wait_for("Connection Established")
            client.close()
            server.join(15)
            self.assertEqual(tls.value, server.version)
            request, ppp, *_, connected = server.packets
            self.assertEqual("1001000e00010001000100060001", request.hex())
            self.assertEqual("1000", ppp[:2].hex())
            self.assertEqual(client.ppp.seen[0].information, ppp[4:].removeprefix(b"\xff\x03")[2:])
            self.assertEqual(("10010070", 112), (connected[:4].hex(), len(connected)))

    def test_strict(self) -> None:
        """A client that does not know the authority ends before SSTP, unless it is told to go on."""
        server = Answering(self.lab)
        client = Sstpc(self.lab, self.lab.clients[0])
        self.addCleanup(client.close)
        other = Authority(self.lab.directory / "other").certificate
        failed = self.assertRaises(LabError, client.start, GATEWAY_NAME_IPV4, ca=other)
        self.assertIn("Verification of server certificate failed", str(failed))
        server.join(15)
        server = Answering(self.lab)
        client.start(GATEWAY_NAME_IPV4, ca=other, trusting=True)
        client.close()
        server.join(15)


class FrameTests(SynchronousTestCase):
    """HDLC-like framing and MS-CHAPv2 of the PPP peer, without a network."""

    @given(st.binary(min_size=2, max_size=64))
    def test_round_trip(self, content: bytes) -> None:
        """A frame that has been escaped comes back whole, and has no flag within (RFC 1662 4)."""
        frame = framed(content)
        self.assertNotIn(b"\x7e", frame[1:-1])
        self.assertEqual(content, unframed(frame[1:-1]))

    def test_wrong(self) -> None:
        """A frame with a wrong FCS, or none, is no frame."""
        frame = bytearray(framed(os.urandom(30)))[1:-1]
        self.assertIsNone(unframed(bytes((frame[-1] ^ 0x40,)) + frame))
        self.assertIsNone(unframed(b""))
        self.assertIsNone(unframed(b"\x7d"))

    def test_login(self) -> None:
        """The examples of RFC 2759 9.2 and RFC 3079 3.5.3."""
        server, client = "5B5D7C7D7B3F2F3E3C2C602132262628", "21402324255E262A28295F2B3A337C7E"
        login = log_in("User", "clientPass", bytes.fromhex(server), bytes.fromhex(client))
        self.assertEqual("82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df", login.value[24:48].hex())
        self.assertEqual(b"S=407A5589115FD0D6209F510FE9C04566932CDA56", login.success)
        self.assertEqual("8b7cdc149b993a1ba118cb153f56dccb", login.receive_key.hex())
