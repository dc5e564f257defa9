"""Detection of an SSTP server that no longer answers, in memory."""

from __future__ import annotations

from iphttps.core.ip import ipv4, ipv6
from iphttps.core.ip.batch import Batch
from iphttps.core.ip.ndp import router_solicitation
from iphttps.net.sstp.echo import INTERVAL, REQUESTS, SOLICITATION_INTERVAL, SOLICITATIONS, Echo
from tests.net.sstp.client_case import ClientCase
from tests.net.sstp.support import FAR
from tests.net.support import Connection
from tests.sstp_client import ECHO_REQUEST, message

LINK_LOCAL = bytes.fromhex("fe80000000000000 0102030405060708")


class EchoTests(ClientCase):
    """SSTP's own echo shows that the server still answers."""

    def test_round_trip(self) -> None:
        """Asked for, the round trip is measured ([MS-SSTP] 3.1.2.3)."""
        connection = self.up()
        asked = self.echo.ask()
        connection.settle()
        self.assertEqual(0.0, self.successResultOf(asked))

    def test_network_changed(self) -> None:
        """After a network change the client sends three Echo Requests, then reconnects at once."""
        self.up()
        attempts = len(self.endpoint.attempts)
        self.client.network_changed()
        for _ in range(REQUESTS):
            self.assertEqual(attempts, len(self.endpoint.attempts))
            self.clock.advance(INTERVAL)
        self.assertEqual((attempts + 1, ["up", "down"]), (len(self.endpoint.attempts), self.link))
        self.assertEqual("the server does not answer", self.failure.sentence)

    def test_answered_in_every_state(self) -> None:
        """The server's Echo Request is answered before the link is up, too: SoftEther sends one every few seconds."""
        transport = self.raw()
        session = self.session
        session.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n")
        transport.clear()
        session.dataReceived(message(ECHO_REQUEST))
        self.assertEqual(bytes.fromhex("10010008 0009 0000"), transport.value())

    def test_packets_count(self) -> None:
        """A server whose answer is late, but whose packets arrive, counts as reachable."""
        connection = self.up()
        own = self.ups[0].ipv4
        assert own
        self.client.network_changed()
        self.from_host(ipv4.packet(FAR, own.address, ipv6.UDP, bytes(8)))
        connection.client_end.stream.clear()  # the Echo Request is lost
        connection.settle()
        for _ in range(REQUESTS):
            connection.client_end.stream.clear()
            self.clock.advance(INTERVAL)
        self.assertEqual(["up"], self.link)

    def solicited(self, addressed_after: int) -> int:
        """Return how many solicitations are sent if the host has an address after so many."""
        sent: list[Batch] = []
        echo = Echo(self.clock, lambda: LINK_LOCAL, lambda: len(sent) >= addressed_after)
        echo.start(sent.append, int)
        for _ in range(SOLICITATIONS + 1):
            self.clock.advance(SOLICITATION_INTERVAL)
        echo.stop()
        echo.solicit()
        self.assertEqual({router_solicitation(LINK_LOCAL)}, {batch.data for batch in sent})
        return len(sent)

    def test_solicitations(self) -> None:
        """A router is solicited three times, since the kernel does not, and no more once there is an address."""
        self.assertEqual([SOLICITATIONS, 1], [self.solicited(9), self.solicited(1)])

    def test_no_session(self) -> None:
        """Without a link no Echo Request is sent."""
        self.assertIsNone(self.successResultOf(self.echo.ask()))


class KeepaliveTests(ClientCase):
    """A keepalive of 20 seconds."""

    keepalive = 20.0

    def second(self, connection: Connection, *, passes: bool) -> None:
        """Let a second pass, in which the client sends a packet; carry what is sent only if the path `passes`."""
        own = self.ups[0].ipv4
        assert own
        self.tun.inject(ipv4.packet(own.address, FAR, ipv6.UDP, bytes(8)))
        for reader in self.clock.getReaders():
            reader.doRead()
        if passes:
            connection.settle()
        else:
            connection.client_end.stream.clear()
        self.clock.advance(1.0)

    def test_own_packets(self) -> None:
        """Packets that the client sends are no sign of life: a silent path is found out all the same."""
        connection = self.up()
        for _ in range(int(self.keepalive) + REQUESTS):
            if self.link == ["up"]:
                self.second(connection, passes=False)
        self.assertEqual((["up", "down"], "the server does not answer"), (self.link, self.failure.sentence))

    def test_answered(self) -> None:
        """A server that answers the Echo Requests keeps its session."""
        connection = self.up()
        for _ in range(3 * int(self.keepalive)):
            self.second(connection, passes=True)
        self.assertEqual(["up"], self.link)
