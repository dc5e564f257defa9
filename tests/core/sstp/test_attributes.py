"""Tests for iphttps.core.sstp.attributes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.attributes import (
    NO_ERROR,
    NO_FRAME,
    Attribute,
    AttributeID,
    CryptoBinding,
    CryptoBindingRequest,
    HashProtocol,
    Message,
    Status,
    StatusInfo,
    check_bare,
    check_connected,
    check_request,
    encapsulated_protocol,
    peer_status,
    read,
)
from iphttps.core.sstp.packet import MAXIMUM_LENGTH, MessageType, message

REQUEST, CONNECTED = MessageType.CALL_CONNECT_REQUEST, MessageType.CALL_CONNECTED
ABORT, ECHO = MessageType.CALL_ABORT, MessageType.ECHO_REQUEST
NONCE = bytes.fromhex("412B489AEBD7ECC7D08966F26BE7CD72B231A0E9210D7C91B308862B0344C435")
CERTIFICATE_HASH = bytes.fromhex("7993EF314C493DACE9F02D60E7E61C84B6690AAFE9D7AEEA92CBBE8AD599422D")
MAC = bytes.fromhex("52A68EFD8CFFBF52770B8F0FE8EC73716583AF6D611EB6D179B3B20840985449")
BINDING = CryptoBinding(HashProtocol.SHA256, NONCE, CERTIFICATE_HASH, MAC)
"""The example of [MS-SSTP] 4.7."""

ATTRIBUTES = st.lists(st.builds(Attribute, st.integers(0, 255), st.binary(max_size=120)), max_size=20)


def refused(*attributes: bytes) -> list[tuple[int, int, bytes]]:
    """Return the Status Infos that a request with these attributes gets, as tuples."""
    found = check_request(read(message(REQUEST, *attributes)))
    return [(each.attribute, each.status, each.value) for each in found]


class BuildTests(SynchronousTestCase):
    """Attributes and bytes, both ways."""

    def test_encapsulated_protocol(self) -> None:
        """Encapsulated Protocol ID has 6 bytes and the value 1 for PPP (2.2.5)."""
        self.assertEqual(bytes.fromhex("00010006 0001"), encapsulated_protocol())

    def test_crypto_binding_request(self) -> None:
        """Crypto Binding Request has 40 bytes: three reserved, the bitmask, the nonce (2.2.6)."""
        asked = CryptoBindingRequest(HashProtocol.SHA1 | HashProtocol.SHA256, NONCE)
        self.assertEqual(bytes.fromhex("00040028 00000003") + NONCE, asked.build())
        self.assertEqual(48, len(message(MessageType.CALL_CONNECT_ACK, asked.build())))
        self.assertEqual(asked, CryptoBindingRequest.parse(asked.build()[4:]))

    def test_crypto_binding(self) -> None:
        """Crypto Binding has 104 bytes; in Call Connected nonce, hash and MAC are at 16, 48 and 80 (2.2.7, 2.2.11)."""
        sent = message(CONNECTED, BINDING.build())
        self.assertEqual(bytes.fromhex("10010070 00040001 00030068 00000002"), sent[:16])
        self.assertEqual((112, NONCE, CERTIFICATE_HASH, MAC), (len(sent), sent[16:48], sent[48:80], sent[80:]))
        self.assertEqual(BINDING, CryptoBinding.parse(sent[12:]))

    def test_crypto_binding_sha1(self) -> None:
        """With SHA-1, hash and MAC have 20 bytes and 12 of padding, which is ignored on receipt (2.2.7)."""
        short = CryptoBinding(HashProtocol.SHA1, NONCE, CERTIFICATE_HASH[:20], MAC[:20])
        built = short.build()
        self.assertEqual((104, bytes(12), bytes(12)), (len(built), built[60:72], built[92:]))
        padded = built[:60] + bytes(range(12)) + built[72:92] + bytes(range(12))
        self.assertEqual(short, CryptoBinding.parse(padded[4:]))

    def test_status_info(self) -> None:
        """Status Info has 12 bytes, and the rejected value behind them, at most 64 bytes of it (2.2.8)."""
        info = StatusInfo(AttributeID.ENCAPSULATED_PROTOCOL_ID, Status.VALUE_NOT_SUPPORTED, b"\0\2")
        self.assertEqual(bytes.fromhex("0002000e 00000001 00000004 0002"), info.build())
        self.assertEqual(info, StatusInfo.parse(info.build()[4:]))
        self.assertEqual(12, len(NO_ERROR.build()))
        self.assertEqual(76, len(StatusInfo(1, 3, bytes(100)).build()))

    def test_wrong_lengths(self) -> None:
        """A value of any other length than the attribute's is none (2.2.6, 2.2.7, 2.2.8)."""
        for length in range(200):
            value = bytes(length)
            self.assertEqual(length == 36, CryptoBindingRequest.parse(value) is not None)
            self.assertEqual(length == 100, CryptoBinding.parse(value) is not None)
            self.assertEqual(8 <= length <= 72, StatusInfo.parse(value) is not None)

    def test_status_values(self) -> None:
        """The status values are the numbers from 0 to 11 (2.2.8)."""
        self.assertEqual([*range(12)], [*Status])


class ReadTests(SynchronousTestCase):
    """Control packets, taken apart."""

    @given(st.sampled_from(MessageType), ATTRIBUTES)
    def test_any(self, kind: MessageType, attributes: list[Attribute]) -> None:
        """Any attributes of any message come out as they went in (2.2.2, 2.2.4)."""
        sent = message(kind, *(each.build() for each in attributes))
        self.assertEqual(Message(kind, tuple(attributes)), read(sent))

    def test_reserved(self) -> None:
        """Reserved bits of an attribute MUST be ignored on receipt (2.2.4)."""
        self.assertEqual((Attribute(1, b"\0\1"),), read(message(REQUEST, b"\xff\x01\xf0\x06\x00\x01")).attributes)

    def test_types(self) -> None:
        """A message type that is not recognized is an invalid frame (2.2.8)."""
        for kind in (0, 10, 0x0101, 0xFFFF):
            self.assertEqual(Message(None, fault=NO_FRAME), read(b"\x10\x01\x00\x08" + kind.to_bytes(2) + b"\0\0"))

    def test_short(self) -> None:
        """A control packet without room for type and number of attributes is an invalid frame (2.2.2)."""
        for length in range(4, 8):
            self.assertEqual(Message(None, fault=NO_FRAME), read(message(ECHO)[:length]))

    def test_count(self) -> None:
        """A number of attributes other than those that follow is an invalid frame (2.2.2)."""
        one = encapsulated_protocol()
        for count, body in ((0, one), (2, one), (1, one + b"\0"), (1, one * 2), (1, b""), (1, b"\0\1\0"), (65535, one)):
            packet = b"\x10\x01\0\0\0\x01" + count.to_bytes(2) + body
            self.assertEqual(NO_FRAME, read(packet).fault, (count, body))

    def test_lying_length(self) -> None:
        """An attribute shorter than its header, or longer than the message, has an invalid length (2.2.4)."""
        for length in (0, 1, 2, 3, 7, 0xFFF):
            packet = message(REQUEST, b"\0\1" + length.to_bytes(2) + b"\0\1")
            self.assertEqual(Message(REQUEST, (), StatusInfo(1, Status.INVALID_ATTRIB_VALUE_LENGTH)), read(packet))

    @given(st.binary(max_size=400), st.integers(0, 40), st.integers(0, 20))
    def test_anything(self, body: bytes, kind: int, count: int) -> None:
        """Any bytes are read and checked without an error, and the NAK to them fits a packet."""
        for packet in (body, b"\x10\x01\0\0" + kind.to_bytes(2) + count.to_bytes(2) + body):
            found = read(packet)
            check_connected(found)
            check_bare(found)
            peer_status(found)
            sent = message(MessageType.CALL_CONNECT_NAK, *(each.build() for each in check_request(found)))
            self.assertLessEqual(len(sent), MAXIMUM_LENGTH)


class RequestTests(SynchronousTestCase):
    """The faults in the NAK to a Call Connect Request (3.3.5.2.2)."""

    def test_acceptable(self) -> None:
        """Encapsulated Protocol ID with PPP is acceptable; a Status Info without an error does no harm."""
        self.assertEqual([], refused(encapsulated_protocol()))
        self.assertEqual([], refused(NO_ERROR.build(), encapsulated_protocol()))

    def test_status_info(self) -> None:
        """1. A Status Info with an error: its own ID, STATUS_INFO_NOT_SUPPORTED_IN_MSG."""
        info = StatusInfo(1, 4, bytes(64))
        self.assertEqual([(2, 11, info.build()[4:68])], refused(encapsulated_protocol(), info.build()))

    def test_length(self) -> None:
        """2. A wrong length: the attribute's ID, INVALID_ATTRIB_VALUE_LENGTH, and the value, 64 bytes at most."""
        for value in (b"", b"\1", b"\0\0\1"):
            self.assertEqual([(1, 3, value)], refused(Attribute(1, value).build()))
        self.assertEqual([(1, 3, bytes(64))], refused(Attribute(1, bytes(70)).build()))
        self.assertEqual([(2, 3, bytes(7))], refused(encapsulated_protocol(), Attribute(2, bytes(7)).build()))

    def test_lying_length(self) -> None:
        """2. An attribute that does not end in the message has a wrong length, too, and no value."""
        self.assertEqual([(1, 3, b"")], refused(b"\0\1\0\7\0\1"))
        self.assertEqual([(9, 3, b"")], refused(encapsulated_protocol(), b"\0\x09\0\0"))

    def test_duplicate(self) -> None:
        """3. A duplicate: the attribute's ID, DUPLICATE_ATTRIBUTE."""
        self.assertEqual([(1, 1, b"\0\1")], refused(*[encapsulated_protocol()] * 3))
        self.assertEqual([(2, 1, bytes(8))], refused(encapsulated_protocol(), *[NO_ERROR.build()] * 2))

    def test_unrecognized(self) -> None:
        """4. An attribute that is not recognized: its ID, UNRECOGNIZED_ATTRIBUTE, and no value."""
        for number in (0, 3, 4, 5, 255):
            self.assertEqual(
                [(number, 2, b"")], refused(encapsulated_protocol(), *[Attribute(number, b"?").build()] * 2)
            )

    def test_protocol(self) -> None:
        """5. Another protocol than PPP: its ID, VALUE_NOT_SUPPORTED, and the value."""
        self.assertEqual([(1, 4, b"\0\2")], refused(encapsulated_protocol(2)))

    def test_missing(self) -> None:
        """6. No Encapsulated Protocol ID: REQUIRED_ATTRIBUTE_MISSING for it, without a value (2.2.8)."""
        self.assertEqual([(1, 10, b"")], refused())
        self.assertEqual([(1, 10, b"")], refused(NO_ERROR.build()))

    def test_several(self) -> None:
        """The NAK has a Status Info for each attribute that is not acceptable."""
        self.assertEqual([(9, 2, b""), (1, 4, b"\0\2")], refused(Attribute(9, b"").build(), encapsulated_protocol(2)))

    def test_longest(self) -> None:
        """A request that is nothing but faults gets a NAK that fits a packet."""
        wrong = b"".join(Attribute(number, b"").build() for number in range(256))
        wrong += b"".join(Attribute(number, bytes(80)).build() for number in (1, 2) * 5)
        wrong += encapsulated_protocol(2) + StatusInfo(1, 1, bytes(64)).build()
        packet = b"\x10\x01\0\0\0\x01" + (256 + 12).to_bytes(2) + wrong
        sent = message(MessageType.CALL_CONNECT_NAK, *(each.build() for each in check_request(read(packet))))
        self.assertLess(3000, len(sent))
        self.assertLessEqual(len(sent), MAXIMUM_LENGTH)


class OtherTests(SynchronousTestCase):
    """The faults of other messages."""

    def test_connected(self) -> None:
        """Call Connected has just a Crypto Binding of 104 bytes, else ATTRIB_NOT_SUPPORTED_IN_MSG (3.3.5.2.3)."""
        binding = BINDING.build()
        self.assertIsNone(check_connected(read(message(CONNECTED, binding))))
        fault = StatusInfo(AttributeID.STATUS_INFO, Status.ATTRIB_NOT_SUPPORTED_IN_MSG)
        for wrong in (
            (),
            (binding, binding),
            (binding, NO_ERROR.build()),
            (StatusInfo(1, 4).build(),),
            (Attribute(3, bytes(99)).build(),),
            (Attribute(3, bytes(101)).build(),),
            (Attribute(4, bytes(100)).build(),),
            (binding[:3] + b"\xff" + binding[4:],),
            (binding, b"\0\3\0\0"),
        ):
            self.assertEqual(fault, check_connected(read(message(CONNECTED, *wrong))))

    def test_bare(self) -> None:
        """Echo messages and Call Disconnect Acknowledge have no attributes (2.2.15)."""
        for kind in (MessageType.CALL_DISCONNECT_ACK, ECHO, MessageType.ECHO_RESPONSE):
            self.assertIsNone(check_bare(read(message(kind))))
            fault = StatusInfo(1, Status.ATTRIB_NOT_SUPPORTED_IN_MSG)
            self.assertEqual(fault, check_bare(read(message(kind, encapsulated_protocol()))))
            fault = StatusInfo(1, Status.INVALID_ATTRIB_VALUE_LENGTH)
            self.assertEqual(fault, check_bare(read(message(kind, b"\0\1\0\0"))))

    def test_peer_status(self) -> None:
        """Call Abort and Call Disconnect say why, or nothing, or something that cannot be read (2.2.13, 2.2.14)."""
        info = StatusInfo(3, Status.VALUE_NOT_SUPPORTED)
        self.assertEqual(info, peer_status(read(message(ABORT, info.build()))))
        self.assertEqual(info, peer_status(read(message(ABORT, encapsulated_protocol(), info.build()))))
        for wrong in ((), (Attribute(2, bytes(4)).build(),), (Attribute(0, bytes(8)).build(),)):
            self.assertIsNone(peer_status(read(message(ABORT, *wrong))))
