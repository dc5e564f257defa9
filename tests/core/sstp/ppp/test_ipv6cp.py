"""Tests for iphttps.core.sstp.ppp.ipv6cp."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.ipv6cp import IPV6CP
from tests.core.sstp.ppp.support import ACK, NAK, REJECT, REQUEST, configure, opened, started

OWN, SUGGESTED, OTHER = bytes(7) + b"\x01", bytes(7) + b"\x02", b"\x02\x11\x22\xff\xfe\x33\x44\x55"
ZERO = bytes(8)


def side(*, yielding: bool = False) -> IPV6CP:
    """Return the side under test."""
    return IPV6CP(OWN, SUGGESTED, yielding=yielding)


class IPV6CPTests(SynchronousTestCase):
    """The interface identifiers (RFC 5072 4.1)."""

    def answered(self, *options: tuple[int, bytes]) -> list[object]:
        """Return what is said to a request."""
        protocol = side()
        started(protocol)
        return [*protocol.receive(configure(REQUEST, 5, *options), 0.0)]

    def test_own(self) -> None:
        """Either side announces its identifier."""
        self.assertEqual(configure(REQUEST, 1, (1, OWN)), started(side()))

    def test_granted(self) -> None:
        """An identifier of the peer that is not zero and not ours is granted."""
        protocol = side()
        opened(protocol, (1, OTHER))
        self.assertEqual((OWN, OTHER), (protocol.identifier, protocol.peer_identifier))

    def test_suggested(self) -> None:
        """Zero, a collision and a wrong length bring another one by a Nak, as does a request without any."""
        nak = [configure(NAK, 5, (1, SUGGESTED))]
        for wrong in (ZERO, OWN, b"", OTHER[:7], OTHER + b"\x00"):
            self.assertEqual(nak, self.answered((1, wrong)))
        self.assertEqual(nak, self.answered())
        self.assertEqual([configure(ACK, 5, (1, SUGGESTED))], self.answered((1, SUGGESTED)))

    def test_rejected(self) -> None:
        """Other options are rejected, compression among them (RFC 5072 4.2)."""
        self.assertEqual([configure(REJECT, 5, (2, b"\x00\x4f"))], self.answered((1, OTHER), (2, b"\x00\x4f")))

    def test_nak_taken(self) -> None:
        """A client takes the identifier that the server suggests, if it is one."""
        client = side(yielding=True)
        started(client)
        for number, useless in enumerate((ZERO, OTHER[:7], b""), 1):
            (request,) = client.receive(configure(NAK, number, (1, useless)), 0.0)
            self.assertEqual(configure(REQUEST, number + 1, (1, OWN)), request)
        self.assertEqual([configure(REQUEST, 5, (1, OTHER))], client.receive(configure(NAK, 4, (1, OTHER)), 0.0))

    def test_suggestion_differs(self) -> None:
        """A client that took its own suggestion suggests another one to its peer."""
        client = side(yielding=True)
        started(client)
        client.receive(configure(NAK, 1, (1, SUGGESTED)), 0.0)
        self.assertEqual(SUGGESTED, client.identifier)
        self.assertEqual([configure(NAK, 1, (1, OWN))], client.receive(configure(REQUEST, 1, (1, SUGGESTED)), 0.0))

    def test_nak_not_taken(self) -> None:
        """A server keeps its identifier."""
        server = side()
        started(server)
        self.assertEqual([configure(REQUEST, 2, (1, OWN))], server.receive(configure(NAK, 1, (1, OTHER)), 0.0))

    def test_reject_taken(self) -> None:
        """Either side does without telling its identifier, and keeps it for itself."""
        protocol = side(yielding=True)
        started(protocol)
        (request,) = protocol.receive(configure(REJECT, 1, (1, OWN)), 0.0)
        self.assertEqual(configure(REQUEST, 2), request)
        self.assertEqual([configure(REQUEST, 3)], protocol.receive(configure(NAK, 2, (1, OTHER)), 0.0))
        self.assertEqual([configure(NAK, 1, (1, SUGGESTED))], protocol.receive(configure(REQUEST, 1, (1, OWN)), 0.0))
