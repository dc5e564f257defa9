"""The side that ended a call, for accounting."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.call import Call
from iphttps.core.sstp.codec import ControlPacket, Frame
from tests.core.sstp.calls import DISCONNECT, REQUEST

HEADER = 4
LCP = b"\xff\x03\xc0\x21"


class EndTests(SynchronousTestCase):
    """`ended_by_client` after each kind of end."""

    def setUp(self) -> None:
        """Begin a call, up to PPP."""
        self.call = Call(bytes, b"iphttps", [bytes(32)])
        self.call.start(0.0)
        self.said = self.call.receive(ControlPacket(REQUEST), 0.0)

    def test_client(self) -> None:
        """A Call Disconnect is the client's ([MS-SSTP] 3.1.5.3)."""
        self.call.receive(ControlPacket(DISCONNECT), 0.0)
        self.assertIs(self.call.ended_by_client, True)

    def test_terminated(self) -> None:
        """So is a Terminate-Request of PPP (RFC 1661 section 3.7)."""
        request = next(packet for packet in self.said if isinstance(packet, bytes) and LCP + b"\x01" in packet)
        acknowledged = request[HEADER:].replace(LCP + b"\x01", LCP + b"\x02")
        for frame in (acknowledged, LCP + b"\x01\x01\0\x04", LCP + b"\x05\x02\0\x04"):
            self.call.receive(Frame(frame), 0.0)
        self.call.expired(10.0)
        self.assertIs(self.call.ended_by_client, True)

    def test_server(self) -> None:
        """The server's own disconnect is not, even when the client answers it."""
        self.call.disconnect("it is time", 0.0)
        self.call.receive(ControlPacket(DISCONNECT), 0.0)
        self.assertIs(self.call.ended_by_client, False)

    def test_lost(self) -> None:
        """A lost connection is nobody's end."""
        self.call.lost(0.0)
        self.assertIsNone(self.call.ended_by_client)
