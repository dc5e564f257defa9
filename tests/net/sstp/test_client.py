"""The client's session, in memory against the server's: the start of the link, and the reasons for its end."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from iphttps.core.client import ClientState
from iphttps.core.failure import FailureReason, Stage
from iphttps.core.ip import ipv4, ipv6
from iphttps.core.reconnect import INITIAL
from iphttps.core.sstp.client_call import LinkDown
from iphttps.core.sstp.client_request import ANSWER_TIMEOUT
from iphttps.core.sstp.states import HELLO
from iphttps.net.round import DELAY
from iphttps.net.sstp.client import SHUTDOWN
from iphttps.net.sstp.session import MOST_OWED
from tests.net.sstp.client_case import ClientCase
from tests.net.sstp.support import FAR
from tests.net.support import Endpoint
from tests.sstp_client import CALL_ABORT, ECHO_REQUEST, message


class LinkTests(ClientCase):
    """The link from the request to the first packets."""

    def test_up(self) -> None:
        """The link comes up with the addresses of both families, the DNS server and the MTU ([MS-SSTP] 3.2.7)."""
        self.up()
        (link,) = self.ups
        assert link.ipv4 and link.ipv6
        self.assertEqual((bytes((10, 99, 0, 2)), (bytes((10, 0, 0, 53)),)), (link.ipv4.address, link.ipv4.dns))
        self.assertEqual((8, 1400), (len(link.ipv6.identifier), link.mtu))
        self.assertEqual((["up"], ["accepted"]), (self.link, self.account.said))
        self.assertEqual("alice", next(iter(self.table)).user)

    def test_not_before(self) -> None:
        """The answer to the request alone opens no link: the link needs the whole negotiation ([MS-SSTP] 3.2.5.2)."""
        transport = self.raw()
        protocol = self.session
        protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n")
        self.assertTrue(transport.value().endswith(bytes.fromhex("1001000e 0001 0001 0001 0006 0001")))
        self.assertEqual((ClientState.ESTABLISHED, []), (self.client.state, self.link))

    def test_byte_by_byte(self) -> None:
        """However the stream is segmented, the call proceeds normally."""
        self.join(cut=1)
        self.assertIs(self.client.state, ClientState.LINK_UP)

    def test_packets(self) -> None:
        """Packets pass both ways, of both families ([MS-SSTP] 3.2.7.1)."""
        connection = self.up()
        own = self.ups[0].ipv4
        assert own
        there = [ipv4.packet(own.address, FAR, ipv6.UDP, bytes(number)) for number in range(3)]
        for each in there:
            self.tun.inject(each)
        self.client._reader.doRead()
        back = ipv4.packet(FAR, own.address, ipv6.UDP, bytes(8))
        self.from_host(back)
        connection.settle()
        self.assertEqual(there, [each for each in self.device.taken if each[0] == 0x45])
        self.assertIn(back, self.tun.taken)

    def test_hello(self) -> None:
        """After a minute of silence the client sends an Echo Request; an answer keeps the session (3.1.2.3)."""
        connection = self.up()
        for _ in range(5):
            self.clock.advance(HELLO)
            connection.settle()
        self.assertIs(self.client.state, ClientState.LINK_UP)

    def test_silent(self) -> None:
        """If the server does not answer, the client closes the connection without a message and reconnects."""
        connection = self.up()
        self.clock.advance(HELLO)
        self.clock.advance(HELLO)
        connection.settle()
        self.assertEqual("the server does not answer", self.failure.sentence)
        self.assertEqual(["up", "down"], self.link)

    def test_renumbered(self) -> None:
        """Other addresses in the same call take the link down and up; the same ones again change nothing."""
        connection = self.up()
        call, link = self.session.call, self.ups[0]
        assert call and link.ipv4
        self.session._perform(call, [LinkDown()])
        self.tun.inject(ipv4.packet(link.ipv4.address, FAR, ipv6.UDP, b""))
        self.client._reader.doRead()
        connection.settle()
        self.assertEqual([], self.device.taken)  # nothing passes in between
        self.session._perform(call, [link])
        self.assertEqual(["up"], self.link)
        self.session._perform(call, [LinkDown(), replace(link, mtu=1300)])
        self.assertEqual((["up", "down", "up"], 1300), (self.link, self.ups[-1].mtu))
        asked = self.echo.ask()
        connection.settle()
        self.assertIsNotNone(self.successResultOf(asked))


class EndTests(ClientCase):
    """The reasons for which the attempt or the session ends."""

    def test_wrong_password(self) -> None:
        """A wrong password is reported once, with Windows' code, and noted as rejected, so that it can be withheld."""
        self.account.password = "wrong"
        connection = self.join()
        self.clock.advance(6)
        connection.settle()
        self.assertEqual((Stage.LOGIN, "691"), (self.failure.stage, self.failure.code))
        self.assertEqual((["rejected"], []), (self.account.said, self.link))
        self.assertEqual(INITIAL, (self.client.next_attempt or 0) - self.clock.seconds())

    def test_withheld(self) -> None:
        """If the login is withheld, the client sends neither the login nor the request."""
        self.account.withheld = "the server has rejected the user or the password"
        transport = self.raw()
        self.assertEqual(b"", transport.value())
        self.session.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((Stage.LOGIN, self.account.withheld), (self.failure.stage, self.failure.sentence))
        self.assertEqual(1, len(self.endpoint.attempts))

    def test_answer_late(self) -> None:
        """The server has 60 seconds to answer the request ([MS-SSTP] 3.2.2)."""
        transport = self.raw()
        self.clock.advance(ANSWER_TIMEOUT - 1)
        self.assertFalse(transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(transport.disconnecting)

    def test_other_answer(self) -> None:
        """An answer other than 200 ends the attempt with a sentence that contains the answer."""
        self.raw()
        session = self.session
        session.dataReceived(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        session.connectionLost(Failure(ConnectionDone()))
        self.assertIs(Stage.HTTP, self.failure.stage)
        self.assertRegex(self.failure.sentence, "^the server answered 404 Not Found, .* SSTP")

    def test_hung_up(self) -> None:
        """A server that closes the connection instead of answering is no SSTP server."""
        self.raw()
        self.session.connectionLost(Failure(ConnectionDone()))
        self.assertIn("it is not an SSTP server", self.failure.sentence)

    def test_lost_in_the_call(self) -> None:
        """A connection that ends while the call is negotiated is reported with that stage."""
        self.raw()
        session = self.session
        session.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n")
        session.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(FailureReason(Stage.SSTP, "closed by the server", "0x80072746"), self.failure)

    def test_abort(self) -> None:
        """A server that aborts the call is named in the reason, after the last message to it ([MS-SSTP] 3.1.4.1)."""
        connection = self.up()
        self.session.dataReceived(message(CALL_ABORT))
        connection.settle()
        self.clock.advance(1)
        connection.settle()
        self.assertIn("the server aborted the call", self.failure.sentence)
        self.assertEqual(["up", "down"], self.link)

    def test_out_of_step(self) -> None:
        """The client closes a stream that it cannot delineate, without a message ([MS-SSTP] 3.1.5.1)."""
        connection = self.up()
        self.session.dataReceived(b"\x20")
        self.assertEqual("the server's stream cannot be delineated into SSTP packets", self.session.ending)
        connection.settle()
        self.assertEqual(["up", "down"], self.link)

    def test_does_not_read(self) -> None:
        """The client disconnects from a server that sends requests and reads no answers, to bound its memory."""
        self.up()
        session = self.session
        session.pauseProducing()
        for _ in range(MOST_OWED // 8):
            session.dataReceived(message(ECHO_REQUEST))
        self.assertIsNone(session.ending)
        session.dataReceived(message(ECHO_REQUEST))
        self.assertEqual("the server does not read what it is answered", session.ending)

    def test_server_stops(self) -> None:
        """If the server disconnects, the client acknowledges it and reconnects after the delay."""
        connection = self.up()
        next(iter(self.table)).connection.disconnect("shutting down")
        connection.settle()
        self.clock.advance(1)
        connection.settle()
        self.assertIn("the server disconnected", self.failure.sentence)
        self.assertIsNotNone(self.client.next_attempt)

    def test_disabled(self) -> None:
        """Disabled, the client disconnects the call, and the server acknowledges that ([MS-SSTP] 3.2.4.2)."""
        connection = self.up()
        self.client.disable("client shutting down")
        connection.settle()
        self.assertEqual((["up", "down"], 0), (self.link, len(self.table)))
        self.successResultOf(self.client.gone())

    def test_no_acknowledgement(self) -> None:
        """The client waits two seconds for a server that does not acknowledge the disconnect."""
        self.up()
        session = self.session
        self.client.disable("client shutting down")
        self.assertIsNone(session.ending)
        self.clock.advance(SHUTDOWN)
        self.assertEqual("client shutting down", self.client._why)
        self.assertEqual("given up", session.ending)

    def test_lost(self) -> None:
        """A connection that ends without a message takes the link down (3.1.5.4)."""
        self.up().cut_off()
        self.session.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((["up", "down"], Stage.SSTP), (self.link, self.failure.stage))


class SeveralServersTests(ClientCase):
    """Two servers."""

    def servers(self) -> dict[str, Endpoint]:
        """Return the servers, by name."""
        self.another = Endpoint()
        return {"vpn.example.org": self.endpoint, "another.example.org": self.another}

    def test_answer_decides(self) -> None:
        """Once a server has answered, the call goes on with it alone; another one is tried after it has failed."""
        transport = self.raw()
        session = self.session
        session.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n")
        self.clock.advance(2 * DELAY)
        self.assertEqual([], self.another.attempts)
        self.assertIs(ClientState.ESTABLISHED, self.client.state)
        session.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((1, False), (len(self.another.attempts), transport.disconnecting))
        self.assertIs(ClientState.LINK_DOWN, self.client.state)

    def test_dead_server(self) -> None:
        """A dead server delays the link by a second (RFC 8305 section 5)."""
        self.clock.advance(DELAY)
        self.endpoint = self.another
        self.up()
        self.assertEqual("http://another.example.org", self.client.server.uri)
