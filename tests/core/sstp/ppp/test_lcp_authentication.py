"""Tests for iphttps.core.sstp.ppp.lcp: the authentication protocol."""

from __future__ import annotations

from scapy.layers.ppp import PPP_LCP_Auth_Protocol_Option
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.automaton import State
from iphttps.core.sstp.ppp.commands import Reason
from iphttps.core.sstp.ppp.control import MAX_FAILURE
from iphttps.core.sstp.ppp.lcp import Authentication
from tests.core.sstp.ppp.support import (
    ACK,
    MAGIC,
    NAK,
    REJECT,
    REQUEST,
    TERMINATE_REQUEST,
    answer,
    configure,
    dissected,
    lcp_client,
    lcp_server,
    opened,
    started,
)

MSCHAPV2, PAP = Authentication.MSCHAPV2, Authentication.PAP
EAP = b"\xc2\x27"
MAGIC_OPTION = (5, MAGIC.to_bytes(4, "big"))
MRU_OPTION = (1, b"\x05\x78")
CHAP_OPTION, PAP_OPTION = (3, MSCHAPV2.value), (3, PAP.value)


class AuthenticationTests(SynchronousTestCase):
    """The authentication protocol (RFC 1661 6.2)."""

    def test_granted(self) -> None:
        """The acknowledged protocol is in force on both sides."""
        for side, options in ((lcp_server(MSCHAPV2), ()), (lcp_client(PAP, MSCHAPV2), (CHAP_OPTION,))):
            self.assertIsNone(side.authentication)
            opened(side, *options)
            self.assertIs(MSCHAPV2, side.authentication)

    def test_fallback(self) -> None:
        """A client that wants PAP by a Nak is asked for it, if the server allows it."""
        protocol = lcp_server(MSCHAPV2, PAP)
        started(protocol)
        (request,) = protocol.receive(configure(NAK, 1, PAP_OPTION), 0.0)
        self.assertEqual(configure(REQUEST, 2, MRU_OPTION, PAP_OPTION, MAGIC_OPTION), request)
        protocol.receive(answer(request), 0.0)
        self.assertIs(PAP, protocol.authentication)

    def test_fallback_unknown(self) -> None:
        """A client that wants what the server has not is asked for the same once more, then for the next one."""
        protocol = lcp_server(MSCHAPV2, PAP)
        started(protocol)
        for identifier, option in enumerate((CHAP_OPTION, PAP_OPTION, PAP_OPTION, CHAP_OPTION), 1):
            (request,) = protocol.receive(configure(NAK, identifier, (3, EAP)), 0.0)
            self.assertEqual(configure(REQUEST, identifier + 1, MRU_OPTION, option, MAGIC_OPTION), request)

    def test_no_fallback(self) -> None:
        """A server that allows MS-CHAPv2 alone asks for it until it is clear that the client will not."""
        for value in (EAP, PAP.value, b"\xc2\x23\x05", b""):
            protocol = lcp_server(MSCHAPV2)
            request = started(protocol)
            for _ in range(MAX_FAILURE - 1):
                self.assertIn(CHAP_OPTION[1], request)
                (command,) = protocol.receive(configure(NAK, request[1], (3, value)), 0.0)
                assert isinstance(command, bytes)
                request = command
            (command,) = protocol.receive(configure(NAK, request[1], (3, value)), 0.0)
            self.assertEqual(TERMINATE_REQUEST, dissected(command).code)
            self.assertIs(Reason.AUTHENTICATION_REFUSED, protocol.reason)
            self.assertIsNone(protocol.authentication)

    def test_rejected(self) -> None:
        """A client that rejects authentication altogether gets no further."""
        protocol = lcp_server(MSCHAPV2)
        started(protocol)
        (command,) = protocol.receive(configure(REJECT, 1, CHAP_OPTION), 0.0)
        self.assertEqual(TERMINATE_REQUEST, dissected(command).code)
        self.assertEqual((State.CLOSING, Reason.AUTHENTICATION_REFUSED), (protocol.state, protocol.reason))

    def test_of_server(self) -> None:
        """A server does not authenticate itself to a client that asks for it."""
        protocol = lcp_server(MSCHAPV2)
        started(protocol)
        self.assertEqual([configure(REJECT, 1, CHAP_OPTION)], protocol.receive(configure(REQUEST, 1, CHAP_OPTION), 0))

    def test_client(self) -> None:
        """A client grants what it can, and names its best otherwise."""
        for offered, asked, expected in (
            ((MSCHAPV2, PAP), PAP.value, ACK),
            ((MSCHAPV2, PAP), MSCHAPV2.value, ACK),
            ((MSCHAPV2,), PAP.value, NAK),
            ((MSCHAPV2, PAP), EAP, NAK),
            ((MSCHAPV2, PAP), b"\xc2\x23\x05", NAK),
        ):
            protocol = lcp_client(*offered)
            started(protocol)
            value = asked if expected == ACK else MSCHAPV2.value
            self.assertEqual(
                [configure(expected, 1, (3, value))], protocol.receive(configure(REQUEST, 1, (3, asked)), 0)
            )

    def test_client_without(self) -> None:
        """A server may demand nothing."""
        protocol = lcp_client(MSCHAPV2)
        opened(protocol)
        self.assertIsNone(protocol.authentication)

    def test_scapy(self) -> None:
        """The option is what scapy makes of it."""
        option = PPP_LCP_Auth_Protocol_Option(auth_protocol=0xC223, algorithm="MS-CHAP-v2")
        self.assertEqual(bytes(option), b"\x03\x05" + MSCHAPV2.value)
        self.assertEqual(bytes(PPP_LCP_Auth_Protocol_Option(auth_protocol=0xC023)), b"\x03\x04" + PAP.value)
