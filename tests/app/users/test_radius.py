"""Tests for iphttps.app.users.radius: logins, with servers that answer, are silent, or lie."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.users.radius import RadiusLogins
from iphttps.app.users.radius_exchange import TRIES, WAIT, Server
from iphttps.core.errors import ConfigError
from iphttps.core.login_limits import FREE, TOO_MANY
from iphttps.core.queues.rate import GrantedRate
from iphttps.core.sstp.crypto_binding import NO_HLAK
from iphttps.core.sstp.ppp.chap import Response
from iphttps.core.sstp.ppp.mschapv2_authenticator import Verify
from iphttps.core.sstp.ppp.pap import AuthenticateRequest
from iphttps.net.sstp.login import Denied, Granted
from tests.app.users.radius_peer import SECRET, Query, UDPClock

ACCESS_REQUEST, ACCEPT, REJECT, CHALLENGE = 1, 2, 3, 11
SUCCESS, SEND, RECEIVE = 1026, 1016, 1017

FIRST, SECOND = Server(ip_address("192.0.2.1"), 1812), Server(ip_address("2001:db8::1"), 1645)
CLIENT = IPv4Address("198.51.100.7")
RESPONSE = Response(7, bytes(range(16)), bytes(range(24)), b"EXAMPLE\\alice")
VERIFY = Verify(bytes(range(16, 32)), RESPONSE)
PAP = AuthenticateRequest(1, b"bob", b"a password of more than 16")
PROOF = b"S=" + b"0123456789ABCDEF0123456789ABCDEF01234567"


def granting(query: Query) -> list[tuple[int, bytes]]:
    """Return the attributes of an Access-Accept for MS-CHAPv2."""
    return [
        (SUCCESS, b"\x07" + PROOF),
        (SEND, query.hidden(b"s" * 16, b"\x80\x01")),
        (RECEIVE, query.hidden(b"r" * 16, b"\x80\x02")),
    ]


class RadiusCase(SynchronousTestCase):
    """Logins with two servers, the second on an odd port."""

    def setUp(self) -> None:
        """Prepare them, without a port for requests of the servers."""
        self.clock = UDPClock()
        self.logins = RadiusLogins(
            self.clock.reactor, [FIRST, SECOND], SECRET, nas=b"gateway", random=bytes, day=lambda: 1e9
        )

    def query(self, server: Server = FIRST) -> Query:
        """Take the one request that was sent to this server."""
        ((data, address),) = self.clock.sent(server.port)
        self.assertEqual(address, (str(server.address), server.port))
        return Query(data)

    def answer(self, data: bytes, server: Server = FIRST) -> None:
        """Have a server answer."""
        self.clock.answer(data, (str(server.address), server.port))


class LoginTests(RadiusCase):
    """The requests to RADIUS servers, and the handling of answers."""

    def test_mschapv2(self) -> None:
        """The keys of the answer are the HLAK, receive key first ([MS-SSTP] 3.2.5.2.2); the request is proved."""
        found = self.logins.check(VERIFY, CLIENT)
        query = self.query()
        self.assertEqual(query.code, ACCESS_REQUEST)
        self.assertTrue(query.is_proved)
        self.assertEqual(query.values[1], b"EXAMPLE\\alice")
        self.assertEqual(query.values[31], b"198.51.100.7")
        self.assertEqual(query.values[32], b"gateway")
        self.assertEqual(query.values[1011], VERIFY.challenge)
        self.answer(query.reply(ACCEPT, [*granting(query), (8, bytes((10, 0, 0, 7))), (2008, bytes((1, 49, 45, 0)))]))
        granted = self.successResultOf(found)
        assert isinstance(granted, Granted)
        self.assertEqual(granted.max_rate, GrantedRate(down=20_000_000))
        self.assertEqual(granted.hlak, b"r" * 16 + b"s" * 16)
        self.assertEqual((granted.user, granted.success), ("EXAMPLE\\alice", PROOF))
        self.assertEqual(granted.address, IPv4Address("10.0.0.7"))

    def test_pap(self) -> None:
        """The password of PAP is hidden (RFC 2865 section 5.2); there is no HLAK."""
        found = self.logins.check(PAP, CLIENT)
        query = self.query()
        self.assertEqual(query.password, PAP.password)
        self.answer(query.reply(ACCEPT, [(1, b"robert")]))
        granted = self.successResultOf(found)
        assert isinstance(granted, Granted)
        self.assertEqual((granted.user, granted.hlak), ("robert", NO_HLAK))

    def denied(self, code: int, *pairs: tuple[int, bytes]) -> Denied:
        """Return what a client is told after this answer."""
        found = self.logins.check(VERIFY, CLIENT)
        query = self.query()
        self.answer(query.reply(code, pairs))
        verdict = self.successResultOf(found)
        assert isinstance(verdict, Denied)
        return verdict

    def test_rejected(self) -> None:
        """A rejection has the code of MS-CHAP-Error for the client, and the Reply-Message for the log."""
        verdict = self.denied(REJECT, (1002, b"\x07E=647 R=0 V=3"), (18, b"disabled\r\n"))
        self.assertEqual(verdict.code, 647)
        self.assertIn("rejects the login: disabled\\x0d\\x0a", verdict.sentence)

    def test_challenged(self) -> None:
        """An Access-Challenge is no answer for MS-CHAPv2: the login fails."""
        self.assertIn("more than a password", self.denied(CHALLENGE).sentence)

    def test_without_keys(self) -> None:
        """An Access-Accept without keys is none: the crypto binding would prove nothing."""
        self.assertIn("MS-MPPE-Send-Key", self.denied(ACCEPT, (SUCCESS, b"\x07" + PROOF)).sentence)

    def test_name(self) -> None:
        """A name that is not printable UTF-8 is escaped, for the log; RADIUS has no empty name."""
        for name, shown in ((b"Zo\xc3\xab", "Zoë"), (b"\xff", "\\xff"), (b"a\nb", "a\\x0ab")):
            found = self.logins.check(AuthenticateRequest(1, name, b""), CLIENT)
            query = self.query()
            self.answer(query.reply(ACCEPT))
            granted = self.successResultOf(found)
            assert isinstance(granted, Granted)
            self.assertEqual(granted.user, shown)
        self.assertIsInstance(self.successResultOf(self.logins.check(AuthenticateRequest(1, b"", b""), None)), Denied)
        self.assertEqual(self.clock.sent(FIRST.port), [])

    def test_delay(self) -> None:
        """After some failures the next login is asked about later; a silent server is no failure of the user."""
        for _ in range(4):
            self.denied(REJECT)
        self.logins.check(VERIFY, CLIENT)
        waited = self.clock.sent(FIRST.port)
        self.clock.advance(40)
        self.assertEqual(([], True), (waited, bool(self.clock.sent(FIRST.port))))

    def test_queue(self) -> None:
        """Logins of a source at the same time are asked about one after the other, and too many not at all."""
        for _ in range(FREE + 4):
            self.logins._limiter.failed(VERIFY.response.name, CLIENT, 0.0)
        given_up, *_, rejected = (self.logins.check(VERIFY, CLIENT) for _ in range(4))
        verdict = self.successResultOf(rejected)
        assert isinstance(verdict, Denied)
        self.assertIn(TOO_MANY, verdict.sentence)
        self.clock.advance(7)
        given_up.cancel()
        self.failureResultOf(given_up)
        self.clock.advance(8.5)
        self.assertEqual(self.clock.sent(FIRST.port), [])
        self.clock.advance(0.5)
        self.assertEqual(len(self.clock.sent(FIRST.port)), 1)


class ServersTests(RadiusCase):
    """One server after the other (RFC 2865 section 2.4)."""

    def test_again(self) -> None:
        """A request is sent again as it was; an answer to any of them counts."""
        found = self.logins.check(VERIFY, CLIENT)
        first = self.query()
        self.clock.advance(WAIT)
        self.assertEqual(self.query().data, first.data)
        self.answer(first.reply(REJECT))
        self.assertIsInstance(self.successResultOf(found), Denied)
        self.clock.advance(WAIT)
        self.assertEqual(self.clock.sent(FIRST.port), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_next(self) -> None:
        """After three tries the next server is asked, and asked first from then on, until it is silent."""
        found = self.logins.check(VERIFY, CLIENT)
        for _ in range(TRIES):
            self.query()
            self.clock.advance(WAIT)
        query = self.query(SECOND)
        self.answer(query.reply(ACCEPT, granting(query)), SECOND)
        self.assertIsInstance(self.successResultOf(found), Granted)
        self.logins.check(VERIFY, CLIENT)
        self.query(SECOND)

    def test_silent(self) -> None:
        """When no server answers, the login fails; status says so until one answers."""
        found = self.logins.check(VERIFY, CLIENT)
        for _ in range(2 * TRIES):
            self.assertNoResult(found)
            self.clock.advance(WAIT)
        verdict = self.successResultOf(found)
        assert isinstance(verdict, Denied)
        sentence = "no RADIUS server answers: 192.0.2.1:1812, [2001:db8::1]:1645"
        self.assertIn(sentence, verdict.sentence)
        self.assertEqual(self.logins.problem, sentence)
        self.clock.sent(FIRST.port)
        self.logins.check(PAP, CLIENT)
        self.answer(self.query().reply(REJECT))
        self.assertIsNone(self.logins.problem)

    def test_unreachable(self) -> None:
        """A packet that cannot be sent is a lost one."""
        self.logins.check(VERIFY, CLIENT)
        self.clock.ports[0].broken = True
        self.clock.advance(WAIT)
        self.clock.ports[0].broken = False
        self.clock.advance(WAIT)
        self.assertEqual(len(self.clock.sent(FIRST.port)), 2)

    def test_forged(self) -> None:
        """An answer with a wrong authenticator is ignored; without a valid one the sentence names likely causes.

        So is an answer without a Message-Authenticator (CVE-2024-3596), one of another server, and one that is none.
        """
        found = self.logins.check(VERIFY, CLIENT)
        query = self.query()
        grant = granting(query)
        for wrong in (
            query.reply(ACCEPT, grant, proved=False),
            query.reply(ACCEPT, grant, secret=b"another"),
            query.reply(ACCEPT, grant)[:-1],
            query.reply(ACCEPT, grant)[:4] + bytes(16) + query.reply(ACCEPT, grant)[20:],
            bytes((ACCEPT, query.identifier)),
            b"",
        ):
            self.answer(wrong)
        self.answer(query.reply(ACCEPT, grant), SECOND)
        self.assertNoResult(found)
        self.clock.pump([WAIT] * 2 * TRIES)
        verdict = self.successResultOf(found)
        assert isinstance(verdict, Denied)
        self.assertIn("only with another secret or without a Message-Authenticator", verdict.sentence)

    def test_many(self) -> None:
        """Requests beyond what identifiers can tell apart wait until others are answered."""
        verdicts: list[Granted | Denied] = []
        for _ in range(300):
            self.logins.check(AuthenticateRequest(1, b"bob", b""), None).addCallback(verdicts.append)
        sent = self.clock.sent(FIRST.port)
        self.assertEqual(len(sent), 200)
        self.assertEqual(len({data[1] for data, _ in sent}), 200)
        for data, _ in sent:
            self.answer(Query(data).reply(ACCEPT))
        self.assertEqual(len(self.clock.sent(FIRST.port)), 100)
        self.assertEqual(len(verdicts), 200)

    def test_stop(self) -> None:
        """When the server stops, logins under way end, and ports close when accounting has ended."""
        found = self.logins.check(VERIFY, CLIENT)
        self.logins.stop()
        self.assertIsInstance(self.successResultOf(found), Denied)
        self.assertIsInstance(self.successResultOf(self.logins.check(VERIFY, CLIENT)), Denied)
        query = Query(self.clock.sent(FIRST.port + 1)[0][0])
        self.assertEqual(query.values[40], b"\0\0\0\x08")
        self.answer(query.reply(5), Server(FIRST.address, FIRST.port + 1))
        self.assertFalse(any(port.open for port in self.clock.ports))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_occupied(self) -> None:
        """A port for the servers' requests that is in use ends the start with a sentence."""
        self.clock.occupied.add(3799)
        with self.assertRaises(ConfigError) as caught:
            RadiusLogins(self.clock.reactor, [FIRST], SECRET, disconnect_port=3799)
        self.assertIn("--sstp-radius-disconnect 3799 cannot be opened", str(caught.exception))
