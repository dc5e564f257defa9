"""Tests for iphttps.core.sstp.packet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.packet import (
    HEADER_LENGTH,
    INCOMPLETE,
    MAXIMUM_FRAME,
    MAXIMUM_LENGTH,
    UNDELINEABLE,
    MessageType,
    data_packet,
    is_control,
    message,
    packet_length,
)

REQUEST = bytes.fromhex("1001000e 0001 0001 00010006 0001")
"""The Call Connect Request of [MS-SSTP] 2.2.9."""


class BuildTests(SynchronousTestCase):
    """From values to bytes."""

    def test_message(self) -> None:
        """A control packet has the header, the message type, the number of attributes, the attributes (2.2.2)."""
        self.assertEqual(REQUEST, message(MessageType.CALL_CONNECT_REQUEST, REQUEST[8:]))
        self.assertEqual(bytes.fromhex("10010008 0008 0000"), message(MessageType.ECHO_REQUEST))

    def test_types(self) -> None:
        """The message types are the numbers from 1 to 9 (2.2.2)."""
        self.assertEqual([*range(1, 10)], [*MessageType])

    def test_data(self) -> None:
        """A data packet has the C bit clear and the PPP frame behind the header (2.2.3)."""
        self.assertEqual(bytes.fromhex("1000000a ff03c021 0109"), data_packet(bytes.fromhex("ff03c0210109")))
        self.assertEqual(MAXIMUM_LENGTH, packet_length(data_packet(bytes(MAXIMUM_FRAME))))


class DelineationTests(SynchronousTestCase):
    """From the byte stream to packets (3.1.5.1)."""

    def test_lengths(self) -> None:
        """Length counts the whole packet, so it is 4 to 4095; anything below cannot be delineated (2.2.1)."""
        for length in range(MAXIMUM_LENGTH + 1):
            found = packet_length(b"\x10\x01" + length.to_bytes(2))
            self.assertEqual(length if length >= HEADER_LENGTH else UNDELINEABLE, found)

    def test_versions(self) -> None:
        """A version other than 1.0 cannot be delineated, and its first byte tells (2.2.1, 3.1.5.1)."""
        for version in range(256):
            for rest in (b"", b"\x01\x00\x08"):
                known = len(rest) and 8
                self.assertEqual(known if version == 0x10 else UNDELINEABLE, packet_length(bytes((version,)) + rest))

    def test_incomplete(self) -> None:
        """Before the four bytes of the header are there, the length is not known (2.2.1)."""
        for have in range(1, HEADER_LENGTH):
            self.assertEqual(INCOMPLETE, packet_length(REQUEST[:have]))
            self.assertEqual(INCOMPLETE, packet_length(REQUEST + REQUEST[:have], len(REQUEST)))

    @given(st.integers(0, 127), st.integers(0, 15), st.booleans(), st.integers(4, 4095))
    def test_reserved(self, first: int, second: int, control: bool, length: int) -> None:
        """Reserved bits MUST be ignored on receipt (2.2.1)."""
        header = bytes((0x10, first << 1 | control)) + (second << 12 | length).to_bytes(2)
        self.assertEqual((length, control), (packet_length(header), is_control(header)))
        self.assertEqual((length, control), (packet_length(b"?" + header, 1), is_control(b"?" + header, 1)))
