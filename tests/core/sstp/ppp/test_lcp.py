"""Tests for iphttps.core.sstp.ppp.lcp; scapy builds the peer's packets, and reads ours."""

from __future__ import annotations

from collections.abc import Sequence

from scapy.layers.ppp import (
    PPP_CHAP,
    PPP_LCP_ACCM_Option,
    PPP_LCP_Configure,
    PPP_LCP_Echo,
    PPP_LCP_Magic_Number_Option,
    PPP_LCP_MRU_Option,
    PPP_LCP_Option,
    PPP_LCP_Protocol_Reject,
)
from scapy.packet import Packet
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.automaton import State
from iphttps.core.sstp.ppp.commands import Layer, ProtocolRejected, Reason
from iphttps.core.sstp.ppp.control import MAX_FAILURE, MINIMUM_MRU
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.core.sstp.ppp.lcp import DEFAULT_MRU, LCP, MRU, Authentication
from iphttps.core.sstp.ppp.options import Option
from tests.core.sstp.ppp.support import (
    ACK,
    DISCARD,
    ECHO_REPLY,
    ECHO_REQUEST,
    IDENTIFICATION,
    MAGIC,
    NAK,
    PROTOCOL_REJECT,
    REJECT,
    REQUEST,
    TERMINATE_REQUEST,
    TIME_REMAINING,
    answer,
    configure,
    dissected,
    lcp_client,
    lcp_server,
    magic_numbers,
    opened,
    plain,
    started,
)

MSCHAPV2 = Authentication.MSCHAPV2
MAGIC_OPTION = (5, MAGIC.to_bytes(4, "big"))
MRU_OPTION = (1, b"\x05\x78")
CHAP_OPTION = (3, MSCHAPV2.value)


class OwnOptionsTests(SynchronousTestCase):
    """The options that a side requests, and its handling of Nak and Reject."""

    def test_server(self) -> None:
        """The server asks for MRU, authentication and magic number; scapy reads them."""
        request = dissected(started(lcp_server(MSCHAPV2)), PPP_LCP_Configure)
        mru, authentication, magic = request.options
        self.assertEqual((1, MRU), (mru.type, mru.max_recv_unit))
        self.assertEqual(
            (3, 0xC223, 0x81), (authentication.type, authentication.auth_protocol, authentication.algorithm)
        )
        self.assertEqual((5, MAGIC), (magic.type, magic.magic_number))

    def test_client(self) -> None:
        """The client does not demand authentication; the MRU may be another."""
        self.assertEqual(configure(REQUEST, 1, MRU_OPTION, MAGIC_OPTION), started(lcp_client(MSCHAPV2)))
        self.assertEqual(configure(REQUEST, 1, (1, b"\x0f\xfb"), MAGIC_OPTION), started(LCP(magic_numbers(), 4091)))

    def test_magic_never_zero(self) -> None:
        """A magic number is never zero (RFC 1661 6.4)."""
        self.assertEqual(configure(REQUEST, 1, MRU_OPTION, (5, b"\0\0\0\1")), started(LCP(lambda: 0)))

    def after(self, code: int, *options: Option, demanded: Sequence[Authentication] = (MSCHAPV2,)) -> bytes:
        """Return the options of the request after this answer to the first."""
        protocol = lcp_server(*demanded)
        started(protocol)
        (request,) = protocol.receive(configure(code, 1, *options), 0.0)
        assert isinstance(request, bytes)
        self.assertEqual((REQUEST, 2), (request[0], request[1]))
        return request

    def test_mru_nak(self) -> None:
        """A smaller MRU that still carries IPv6 is taken; otherwise the option is left out, which means 1500 (6.1)."""
        for value, taken in ((b"\x05\x00", True), (b"\x05\x78", True), (b"\x05\x79", False), (b"\x04\xff", False)):
            expected = ((1, value),) if taken else ()
            self.assertEqual(
                configure(REQUEST, 2, *expected, CHAP_OPTION, MAGIC_OPTION), self.after(NAK, (1, value)), value
            )
        self.assertEqual(configure(REQUEST, 2, CHAP_OPTION, MAGIC_OPTION), self.after(NAK, (1, b"\x00\x05\x00")))

    def test_rejects(self) -> None:
        """MRU and magic number are left out once rejected (5.4)."""
        self.assertEqual(configure(REQUEST, 2, CHAP_OPTION, MAGIC_OPTION), self.after(REJECT, MRU_OPTION))
        self.assertEqual(configure(REQUEST, 2, MRU_OPTION, CHAP_OPTION), self.after(REJECT, MAGIC_OPTION))

    def test_magic_nak(self) -> None:
        """A Nak of the magic number brings another one (6.4)."""
        self.assertEqual(
            configure(REQUEST, 2, MRU_OPTION, CHAP_OPTION, (5, b"\x01\x02\x03\x05")), self.after(NAK, (5, bytes(4)))
        )


class PeerOptionsTests(SynchronousTestCase):
    """The options granted to a peer."""

    def said(self, *asked: Option | Packet) -> bytes:
        """Return the answer to a request."""
        protocol = lcp_server(MSCHAPV2)
        started(protocol)
        options = [
            PPP_LCP_Option(type=o[0], len=len(o[1]) + 2, data=o[1]) if isinstance(o, tuple) else o for o in asked
        ]
        (command,) = protocol.receive(bytes(PPP_LCP_Configure(code=1, id=5, options=options)), 0.0)
        return bytes(dissected(command))

    def test_granted(self) -> None:
        """MRU, ACCM, magic number, PFC and ACFC are granted, and taken note of (6.1, 6.4 to 6.6)."""
        protocol = lcp_server(MSCHAPV2)
        self.assertEqual((DEFAULT_MRU, False, False), (protocol.peer_mru, protocol.pfc, protocol.acfc))
        opened(protocol, (1, b"\x0f\xfb"), (2, bytes(4)), (5, b"magi"), (7, b""), (8, b""))
        self.assertEqual((4087, True, True), (protocol.peer_mru, protocol.pfc, protocol.acfc))

    def test_by_scapy(self) -> None:
        """A request as a Windows client sends it, but for the callback, is granted as it stands."""
        asked = [
            PPP_LCP_MRU_Option(max_recv_unit=4091),
            PPP_LCP_ACCM_Option(accm=0xFFFFFFFF),
            PPP_LCP_Magic_Number_Option(magic_number=77),
        ]
        self.assertEqual(bytes(PPP_LCP_Configure(code=2, id=5, options=asked)), self.said(*asked))

    def test_again(self) -> None:
        """Options that a later request leaves out have their default values again (6)."""
        protocol = lcp_server(MSCHAPV2)
        opened(protocol, (1, b"\x0f\xfb"), (7, b""), (8, b""))
        protocol.receive(configure(REQUEST, 6), 0.0)
        self.assertEqual((DEFAULT_MRU, False, False), (protocol.peer_mru, protocol.pfc, protocol.acfc))

    def test_refused_changes_nothing(self) -> None:
        """Nothing of a request that is rejected holds."""
        protocol = lcp_server(MSCHAPV2)
        started(protocol)
        protocol.receive(configure(REQUEST, 1, (1, b"\x0f\xfb"), (7, b""), (13, b"\x06")), 0.0)
        self.assertEqual((DEFAULT_MRU, False), (protocol.peer_mru, protocol.pfc))

    def test_closing_changes_nothing(self) -> None:
        """Nothing of a request that is not answered holds either (4.1, RCR+ in state Closing)."""
        protocol = lcp_server(MSCHAPV2)
        opened(protocol)
        protocol.close(0.0)
        self.assertEqual([], protocol.receive(configure(REQUEST, 6, (1, b"\x0f\xfb")), 0.0))
        self.assertEqual(DEFAULT_MRU, protocol.peer_mru)

    def test_rejected(self) -> None:
        """Quality, callback, multilink and whatever is unknown is rejected, and only that."""
        for kind in (0, 4, 6, 9, 13, 17, 18, 19, 23, 255):
            self.assertEqual(configure(REJECT, 5, (kind, b"\x06")), self.said(MRU_OPTION, (kind, b"\x06"), (7, b"")))

    def test_small_mru(self) -> None:
        """An MRU that cannot carry IPv6 is answered by the least that can."""
        for value in (b"\x00\x00", b"\x02\x40", b"\x04\xff"):
            self.assertEqual(configure(NAK, 5, (1, MINIMUM_MRU.to_bytes(2, "big"))), self.said((1, value)))
        self.assertEqual(configure(ACK, 5, (1, b"\x05\x00")), self.said((1, b"\x05\x00")))

    def test_lengths(self) -> None:
        """An option of a wrong length is answered by a right one (6)."""
        right = {1: b"\x05\xdc", 2: bytes(4), 5: b"\x01\x02\x03\x05", 7: b"", 8: b""}
        for kind, value in right.items():
            for wrong in (value + b"\x00", value[:-1] if value else b"\x00\x00"):
                self.assertEqual(configure(NAK, 5, (kind, value)), self.said((kind, wrong)), (kind, wrong))

    def test_magic_zero(self) -> None:
        """A magic number of zero is answered by another one (6.4)."""
        self.assertEqual(configure(NAK, 5, (5, b"\x01\x02\x03\x05")), self.said((5, bytes(4))))

    def test_loopback(self) -> None:
        """A peer with our own magic number is told another; after five times the link is known to be looped (6.4)."""
        protocol = lcp_server(MSCHAPV2)
        started(protocol)
        for number in range(1, MAX_FAILURE):
            self.assertEqual(
                [configure(NAK, 5, (5, (MAGIC + number).to_bytes(4, "big")))],
                protocol.receive(configure(REQUEST, 5, MAGIC_OPTION), 0.0),
            )
        (command,) = protocol.receive(configure(REQUEST, 5, MAGIC_OPTION), 0.0)
        self.assertEqual((TERMINATE_REQUEST, Reason.LOOPBACK), (dissected(command).code, protocol.reason))


class RealPeersTests(SynchronousTestCase):
    """Negotiations as real peers begin them."""

    def test_windows_client(self) -> None:
        """Windows asks for a callback too, and does without once that is rejected."""
        rest = ((1, b"\x0f\xfb"), (5, b"magi"), (7, b""), (8, b""))
        protocol = lcp_server(MSCHAPV2)
        request = started(protocol)
        self.assertEqual(
            [configure(REJECT, 0, (13, b"\x06"))],
            protocol.receive(configure(REQUEST, 0, *rest, (13, b"\x06")), 0.0),
        )
        self.assertEqual([configure(ACK, 1, *rest)], protocol.receive(configure(REQUEST, 1, *rest), 0.0))
        self.assertEqual([Layer.UP], protocol.receive(answer(request), 0.0))

    def test_windows_server(self) -> None:
        """A Windows server wants EAP, a callback and multilink first; it is led to MS-CHAPv2 alone."""
        protocol = lcp_client(MSCHAPV2)
        request = started(protocol)
        rest = ((1, b"\x0f\xfb"), (3, b"\xc2\x27"), (5, b"magi"))
        extra = ((13, b"\x06"), (17, b"\x06\x4e"), (19, b"\x01" + bytes(16)))
        self.assertEqual([configure(REJECT, 0, *extra)], protocol.receive(configure(REQUEST, 0, *rest, *extra), 0.0))
        self.assertEqual([configure(NAK, 1, CHAP_OPTION)], protocol.receive(configure(REQUEST, 1, *rest), 0.0))
        granted = (rest[0], CHAP_OPTION, rest[2])
        self.assertEqual([configure(ACK, 2, *granted)], protocol.receive(configure(REQUEST, 2, *granted), 0.0))
        self.assertEqual([Layer.UP], protocol.receive(answer(request), 0.0))
        self.assertIs(MSCHAPV2, protocol.authentication)

    def test_nothing_left(self) -> None:
        """A peer all of whose options were rejected asks for nothing, and gets that."""
        protocol = lcp_server(MSCHAPV2)
        started(protocol)
        extra = ((13, b"\x06"), (23, b"\x00\x01"))
        self.assertEqual([configure(REJECT, 0, *extra)], protocol.receive(configure(REQUEST, 0, *extra), 0.0))
        self.assertEqual([configure(ACK, 1)], protocol.receive(configure(REQUEST, 1), 0.0))


class OpenedTests(SynchronousTestCase):
    """The packets that LCP alone has."""

    def protocol(self) -> LCP:
        """Return a server in state Opened."""
        protocol = lcp_server(MSCHAPV2)
        opened(protocol, (1, b"\x05\x00"))
        return protocol

    def test_echo(self) -> None:
        """An Echo-Request is answered with its data and our magic number (5.8)."""
        asked = bytes(PPP_LCP_Echo(code=ECHO_REQUEST, id=7, magic_number=99, data=b"are you there"))
        self.assertEqual(
            [bytes(PPP_LCP_Echo(code=ECHO_REPLY, id=7, magic_number=MAGIC, data=b"are you there"))],
            self.protocol().receive(asked, 0.0),
        )

    def test_echo_bounded(self) -> None:
        """The answer is not longer than the peer can receive; a request without magic number is malformed."""
        (reply,) = self.protocol().receive(plain(ECHO_REQUEST, 7, bytes(4000)), 0.0)
        self.assertEqual(1280, len(dissected(reply)))
        self.assertEqual([], self.protocol().receive(plain(ECHO_REQUEST, 7, b"abc"), 0.0))

    def test_echo_without_magic(self) -> None:
        """Without a magic number of its own this side says zero (5.8)."""
        protocol = lcp_server(MSCHAPV2)
        started(protocol)
        (request,) = protocol.receive(configure(REJECT, 1, MAGIC_OPTION), 0.0)
        protocol.receive(answer(request), 0.0)
        protocol.receive(configure(REQUEST, 1), 0.0)
        self.assertEqual([plain(ECHO_REPLY, 7, bytes(4))], protocol.receive(plain(ECHO_REQUEST, 7, b"magi"), 0.0))

    def test_only_opened(self) -> None:
        """Echo-Requests and Protocol-Rejects are discarded before LCP is open (5.7, 5.8)."""
        protocol = lcp_server(MSCHAPV2)
        started(protocol)
        for packet in (plain(ECHO_REQUEST, 1, bytes(4)), plain(PROTOCOL_REJECT, 1, b"\xc0\x21")):
            self.assertEqual([], protocol.receive(packet, 0.0))
        self.assertIs(State.REQ_SENT, protocol.state)

    def test_ignored(self) -> None:
        """Echo-Reply, Discard-Request, Identification and Time-Remaining are ignored (5.8, 5.9; RFC 1570)."""
        waiting = lcp_server(MSCHAPV2)
        started(waiting)
        for protocol in (waiting, self.protocol()):
            for code in (ECHO_REPLY, DISCARD, IDENTIFICATION, TIME_REMAINING):
                for data in (b"", bytes(4), MAGIC_OPTION[1]):
                    self.assertEqual([], protocol.receive(plain(code, 7, data), 0.0))

    def test_unknown_code(self) -> None:
        """Other codes are rejected (5.6)."""
        for code in (0, 14, 255):
            self.assertEqual([plain(7, 2, plain(code, 9, b"x"))], self.protocol().receive(plain(code, 9, b"x"), 0.0))

    def test_protocol_reject(self) -> None:
        """The Protocol-Reject for a frame names its protocol, and is cut to the peer's MRU (5.7)."""
        protocol = self.protocol()
        reject = protocol.protocol_reject(ProtocolNumber.CCP, b"\x01\x01\x00\x04")
        assert reject
        packet = dissected(reject, PPP_LCP_Protocol_Reject)
        self.assertEqual(
            (8, 2, 0x80FD, b"\x01\x01\x00\x04"),
            (packet.code, packet.id, packet.rejected_protocol, bytes(packet.rejected_information)),
        )
        long = protocol.protocol_reject(0x003D, bytes(4000))
        assert long
        self.assertEqual((3, 1280), (long[1], len(long)))

    def test_protocol_reject_only_opened(self) -> None:
        """Before LCP is open, unknown protocols are discarded without a word (5.7)."""
        protocol = lcp_server(MSCHAPV2)
        started(protocol)
        self.assertIsNone(protocol.protocol_reject(ProtocolNumber.CCP, b""))

    def test_rejected_protocol(self) -> None:
        """The owner is told which protocol the peer rejects (5.7)."""
        protocol = self.protocol()
        packet = bytes(PPP_LCP_Protocol_Reject(id=1, rejected_protocol=0x8057, rejected_information=PPP_CHAP()))
        self.assertEqual([ProtocolRejected(ProtocolNumber.IPV6CP)], protocol.receive(packet, 0.0))
        self.assertEqual([], protocol.receive(plain(PROTOCOL_REJECT, 1, b"\x80"), 0.0))
        self.assertIs(State.OPENED, protocol.state)

    def test_rejected_lcp(self) -> None:
        """A peer that rejects LCP itself ends the link (4.3, RXJ-)."""
        protocol = self.protocol()
        down, request = protocol.receive(plain(PROTOCOL_REJECT, 1, b"\xc0\x21"), 0.0)
        self.assertEqual((Layer.DOWN, TERMINATE_REQUEST), (down, dissected(request).code))
        self.assertIs(Reason.REJECTED, protocol.reason)
