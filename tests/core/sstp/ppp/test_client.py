"""Tests for iphttps.core.sstp.ppp.client: cases that the tests of whole calls do not cover."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.failure import Stage
from iphttps.core.sstp.ppp.client import PPPClient
from iphttps.core.sstp.ppp.commands import Reason
from iphttps.core.sstp.ppp.frame import ProtocolNumber, build, parse
from iphttps.core.sstp.ppp.link import Ended, Phase
from iphttps.core.sstp.ppp.login import Login
from iphttps.pki.des import encrypt
from tests.core.sstp.ppp.support import REQUEST, answer, configure
from tests.core.sstp.scripted import MSCHAPV2, PAP, numbers

LCP, CHAP, IPCP, IPV6CP = ProtocolNumber.LCP, ProtocolNumber.CHAP, ProtocolNumber.IPCP, ProtocolNumber.IPV6CP


class ClientTests(SynchronousTestCase):
    """A client's side, and a server's packets."""

    def make(self, *, allow_pap: bool = False) -> PPPClient:
        """Return a client that has not started."""
        return PPPClient(numbers(), Login(b"alice", bytes(16), b"secret"), encrypt, allow_pap=allow_pap)

    def opened(self, client: PPPClient, method: bytes) -> list[object]:
        """Have a server open LCP and demand this method; return the client's commands."""
        (request,) = client.start(0.0)
        assert isinstance(request, bytes)
        parsed = parse(request)
        assert parsed
        client.receive(build(LCP, answer(request[parsed[1] :])), 0.0)
        return [*client.receive(build(LCP, configure(REQUEST, 1, (3, method))), 0.0)]

    def test_request(self) -> None:
        """The client asks for its MRU and a magic number, and demands no authentication (RFC 1661 6)."""
        (request,) = self.make().start(0.0)
        self.assertEqual(build(LCP, configure(REQUEST, 1, (1, (1400).to_bytes(2)), (5, b"\0\0\0\1"))), request)

    def test_dead(self) -> None:
        """Before the start nothing is received, and no timer runs."""
        client = self.make()
        for frame in (build(LCP, configure(REQUEST, 1)), build(IPCP, b""), build(CHAP, b"\1"), b"", b"\xff\x03"):
            self.assertEqual([], client.receive(frame, 0.0))
        self.assertEqual((Phase.DEAD, None, [], None, None, False), (
            client.phase, client.deadline, client.expired(9.0), client.ipv4, client.ipv6, client.settled,
        ))  # fmt: skip

    def test_methods(self) -> None:
        """PAP is accepted only if it is allowed, and its request follows at once."""
        client = self.make(allow_pap=True)
        found = self.opened(client, PAP.value)
        self.assertEqual((Stage.LOGIN, 2), (client.stage, len(found)))
        client = self.make()
        self.opened(client, PAP.value)
        self.assertEqual((Stage.PPP, PAP.value), (client.stage, client.lcp.unwanted))

    def test_early(self) -> None:
        """Before the login IPCP and IPV6CP are discarded; a method that is not agreed on is rejected (RFC 1661 3.5)."""
        client = self.make()
        self.opened(client, MSCHAPV2.value)
        for number in (IPCP, IPV6CP):
            self.assertEqual([], client.receive(build(number, configure(REQUEST, 1)), 0.0))
        self.assertEqual(1, len(client.receive(build(ProtocolNumber.PAP, b"\2\1\0\4"), 0.0)))
        self.assertEqual("the Challenge of MS-CHAPv2, or the answer to it", client.awaits)

    def test_no_timer_of_its_own(self) -> None:
        """During MS-CHAPv2 only the server has timers."""
        client = self.make()
        self.opened(client, MSCHAPV2.value)
        self.assertEqual((None, []), (client.deadline, client.expired(100.0)))

    def test_close(self) -> None:
        """A link that this side closes terminates, and reports its end (RFC 1661 3.7)."""
        client = self.make()
        client.start(0.0)
        client.close(0.0, Reason.CLOSED)
        self.assertIs(Phase.TERMINATE, client.phase)
        client.expired(3.0)
        self.assertEqual([Ended("PPP: it was closed on this side")], client.expired(6.0))
