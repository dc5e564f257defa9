"""The attributes of control messages, both ways ([MS-SSTP] 2.2.4 to 2.2.8), and what is wrong with those received.

     0               1               2               3
    +---------------+---------------+-------+-----------------------+
    |   Reserved    | Attribute ID  |   R   |        Length         |
    +---------------+---------------+-------+-----------------------+
  4   Value, Length - 4 bytes

Reserved bits are sent as zero and ignored on receipt. Nothing here raises for bytes of a peer: a fault is a StatusInfo,
ready to be sent to the peer in a Call Connect NAK or a Call Abort.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from .crypto_binding import NONCE_LENGTH, HashProtocol
from .packet import MAXIMUM_LENGTH, MESSAGE_HEADER_LENGTH, MessageType

__all__ = [
    "NO_ERROR",
    "NO_FRAME",
    "PPP",
    "Attribute",
    "AttributeID",
    "CryptoBinding",
    "CryptoBindingRequest",
    "HashProtocol",
    "Message",
    "Status",
    "StatusInfo",
    "check_ack",
    "check_bare",
    "check_connected",
    "check_request",
    "encapsulated_protocol",
    "peer_status",
    "read",
]

PPP = 1
"""The only encapsulated protocol: SSTP_ENCAPSULATED_PROTOCOL_PPP (2.2.5)."""

MAXIMUM_VALUE = 64
"""Maximum bytes of a refused value that a NAK sends back (2.2.8)."""


class AttributeID(IntEnum):
    """The attributes; NO_ERROR stands for none of them (2.2.4, 2.2.8)."""

    NO_ERROR = 0
    ENCAPSULATED_PROTOCOL_ID = 1
    STATUS_INFO = 2
    CRYPTO_BINDING = 3
    CRYPTO_BINDING_REQ = 4


class Status(IntEnum):
    """The values of Status, why something failed (2.2.8)."""

    NO_ERROR = 0
    DUPLICATE_ATTRIBUTE = 1
    UNRECOGNIZED_ATTRIBUTE = 2
    INVALID_ATTRIB_VALUE_LENGTH = 3
    VALUE_NOT_SUPPORTED = 4
    UNACCEPTED_FRAME_RECEIVED = 5
    RETRY_COUNT_EXCEEDED = 6
    INVALID_FRAME_RECEIVED = 7
    NEGOTIATION_TIMEOUT = 8
    ATTRIB_NOT_SUPPORTED_IN_MSG = 9
    REQUIRED_ATTRIBUTE_MISSING = 10
    STATUS_INFO_NOT_SUPPORTED_IN_MSG = 11


_HEADER = struct.Struct("!BBH")
_STATUS_INFO = struct.Struct("!3xBI")
_CRYPTO_BINDING_REQ = struct.Struct(f"!3xB{NONCE_LENGTH}s")
_CRYPTO_BINDING = struct.Struct(f"!3xB{NONCE_LENGTH}s32s32s")
_HASH_LENGTH = {each: each.length for each in HashProtocol}


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of any kind: its Attribute ID, and the bytes behind its header."""

    number: int
    value: bytes

    def build(self) -> bytes:
        """Build the attribute (2.2.4)."""
        return _HEADER.pack(0, self.number, _HEADER.size + len(self.value)) + self.value


@dataclass(frozen=True, slots=True)
class StatusInfo:
    """A Status Info attribute: which attribute it is about, the status, and in a NAK the refused value (2.2.8)."""

    attribute: int
    status: int
    value: bytes = b""

    def build(self) -> bytes:
        """Build the attribute, with no more than the first 64 bytes of the value (2.2.8)."""
        body = _STATUS_INFO.pack(self.attribute, self.status) + self.value[:MAXIMUM_VALUE]
        return Attribute(AttributeID.STATUS_INFO, body).build()

    @classmethod
    def parse(cls, value: bytes) -> StatusInfo | None:
        """Read the bytes behind the attribute's header; None if the length is wrong."""
        if not _STATUS_INFO.size <= len(value) <= _STATUS_INFO.size + MAXIMUM_VALUE:
            return None
        attribute, status = _STATUS_INFO.unpack_from(value)
        return cls(attribute, status, value[_STATUS_INFO.size :])


NO_ERROR: Final = StatusInfo(AttributeID.NO_ERROR, Status.NO_ERROR)
NO_FRAME: Final = StatusInfo(AttributeID.NO_ERROR, Status.INVALID_FRAME_RECEIVED)
"""The message has a type or a format that is not recognized (2.2.8)."""


@dataclass(frozen=True, slots=True)
class CryptoBindingRequest:
    """A Crypto Binding Request attribute: the hash protocols that the server allows, one bit each, and its nonce."""

    hashes: int
    nonce: bytes

    def build(self) -> bytes:
        """Build the attribute, 40 bytes (2.2.6)."""
        return Attribute(AttributeID.CRYPTO_BINDING_REQ, _CRYPTO_BINDING_REQ.pack(self.hashes, self.nonce)).build()

    @classmethod
    def parse(cls, value: bytes) -> CryptoBindingRequest | None:
        """Read the bytes behind the attribute's header; None if the length is wrong."""
        return cls(*_CRYPTO_BINDING_REQ.unpack(value)) if len(value) == _CRYPTO_BINDING_REQ.size else None


@dataclass(frozen=True, slots=True)
class CryptoBinding:
    """A Crypto Binding attribute: hash protocol, the server's nonce, hash of its certificate, compound MAC.

    Hash and MAC have 20 bytes with SHA-1, else 32.
    """

    protocol: int
    nonce: bytes
    certificate_hash: bytes
    mac: bytes

    def build(self) -> bytes:
        """Build the attribute, 104 bytes: shorter hashes are padded with zeros (2.2.7)."""
        body = _CRYPTO_BINDING.pack(self.protocol, self.nonce, self.certificate_hash, self.mac)
        return Attribute(AttributeID.CRYPTO_BINDING, body).build()

    @classmethod
    def parse(cls, value: bytes) -> CryptoBinding | None:
        """Read the bytes behind the attribute's header, without the padding; None if the length is wrong."""
        if len(value) != _CRYPTO_BINDING.size:
            return None
        protocol, nonce, certificate_hash, mac = _CRYPTO_BINDING.unpack(value)
        length = _HASH_LENGTH.get(protocol, 32)  # of an unknown one: the whole field
        return cls(protocol, nonce, certificate_hash[:length], mac[:length])


def encapsulated_protocol(number: int = PPP) -> bytes:
    """Build an Encapsulated Protocol ID attribute, 6 bytes (2.2.5)."""
    return Attribute(AttributeID.ENCAPSULATED_PROTOCOL_ID, number.to_bytes(2)).build()


@dataclass(frozen=True, slots=True)
class Message:
    """A control message: its type, None if not recognized, and its attributes, as far as they can be told apart.

    `fault` says what is wrong with the form of the message, if anything is.
    """

    kind: MessageType | None
    attributes: tuple[Attribute, ...] = ()
    fault: StatusInfo | None = None


_KINDS = {int(kind): kind for kind in MessageType}


def read(packet: bytes) -> Message:
    """Read a whole control packet, header included (2.2.2, 2.2.4)."""
    if len(packet) < MESSAGE_HEADER_LENGTH:
        return Message(None, fault=NO_FRAME)
    kind, count = struct.unpack_from("!HH", packet, 4)
    if kind not in _KINDS:
        return Message(None, fault=NO_FRAME)
    attributes: list[Attribute] = []
    fault = None
    offset = MESSAGE_HEADER_LENGTH
    while len(attributes) < count and not fault:
        if len(packet) - offset < _HEADER.size:
            fault = NO_FRAME
            break
        _, number, length = _HEADER.unpack_from(packet, offset)
        length &= MAXIMUM_LENGTH
        value = packet[offset + _HEADER.size : offset + length]
        if length != _HEADER.size + len(value):
            fault = StatusInfo(number, Status.INVALID_ATTRIB_VALUE_LENGTH)
        else:
            attributes.append(Attribute(number, value))
        offset += length
    if not fault and offset < len(packet):
        fault = NO_FRAME
    return Message(_KINDS[kind], tuple(attributes), fault)


def check_request(message: Message) -> tuple[StatusInfo, ...]:
    """Return what the NAK to a Call Connect Request says; nothing if the request is acceptable (3.3.5.2.2).

    Each fault is told once for each Attribute ID, so that the longest NAK fits into a packet.
    """
    faults: dict[tuple[int, int], StatusInfo] = {}
    seen = set()

    def add(number: int, status: Status, value: bytes = b"") -> None:
        faults.setdefault((number, status), StatusInfo(number, status, value[:MAXIMUM_VALUE]))

    for attribute in message.attributes:
        number, value = attribute.number, attribute.value
        if number not in (AttributeID.ENCAPSULATED_PROTOCOL_ID, AttributeID.STATUS_INFO):
            # 2.2.8: no value where the attribute "is not understood by the server". The server's own attributes and
            # the one of Call Connected mean nothing here either.
            add(number, Status.UNRECOGNIZED_ATTRIBUTE)
            continue
        if number in seen:
            add(number, Status.DUPLICATE_ATTRIBUTE, value)
        seen.add(number)
        if number == AttributeID.STATUS_INFO:
            info = StatusInfo.parse(value)
            if info is None:
                add(number, Status.INVALID_ATTRIB_VALUE_LENGTH, value)
            elif info.status != Status.NO_ERROR:
                add(number, Status.STATUS_INFO_NOT_SUPPORTED_IN_MSG, value)
        elif len(value) != 2:
            add(number, Status.INVALID_ATTRIB_VALUE_LENGTH, value)
        elif int.from_bytes(value) != PPP:
            add(number, Status.VALUE_NOT_SUPPORTED, value)
    if message.fault:
        add(message.fault.attribute, Status.INVALID_ATTRIB_VALUE_LENGTH)
        seen.add(message.fault.attribute)
    if AttributeID.ENCAPSULATED_PROTOCOL_ID not in seen:
        # By 2.2.8 the AttribID is that of the missing attribute; 3.3.5.2.2 names the ID of Status Info itself.
        add(AttributeID.ENCAPSULATED_PROTOCOL_ID, Status.REQUIRED_ATTRIBUTE_MISSING)
    return tuple(faults.values())


def check_connected(message: Message) -> StatusInfo | None:
    """Return what the Call Abort for a Call Connected says; None if it has just a Crypto Binding (3.3.5.2.3).

    Whether the binding is right is another question.
    """
    one = message.attributes[0] if len(message.attributes) == 1 and not message.fault else None
    if one and one.number == AttributeID.CRYPTO_BINDING and CryptoBinding.parse(one.value):
        return None
    return StatusInfo(AttributeID.STATUS_INFO, Status.ATTRIB_NOT_SUPPORTED_IN_MSG)


def check_ack(message: Message, hashes: int) -> StatusInfo | CryptoBindingRequest:
    """Return the Crypto Binding Request of a Call Connect ACK, or what the Call Abort for it says (3.2.5.3.2).

    `hashes` are the bits of the hash protocols that the client supports; the server must allow one of them.
    """
    if message.fault:
        return message.fault
    requests = []
    for attribute in message.attributes:
        if attribute.number != AttributeID.CRYPTO_BINDING_REQ:
            known = attribute.number in (*AttributeID,)
            unexpected = Status.ATTRIB_NOT_SUPPORTED_IN_MSG if known else Status.UNRECOGNIZED_ATTRIBUTE
            return StatusInfo(attribute.number, unexpected)
        requests.append(CryptoBindingRequest.parse(attribute.value))
    number = AttributeID.CRYPTO_BINDING_REQ
    if not requests:
        return StatusInfo(number, Status.REQUIRED_ATTRIBUTE_MISSING)
    request, *more = requests
    if more:
        return StatusInfo(number, Status.DUPLICATE_ATTRIBUTE)
    if request is None:
        return StatusInfo(number, Status.INVALID_ATTRIB_VALUE_LENGTH)
    return request if request.hashes & hashes else StatusInfo(number, Status.VALUE_NOT_SUPPORTED)


def check_bare(message: Message) -> StatusInfo | None:
    """Return what the Call Abort says for a message that should have no attributes; None if it has none (2.2.15)."""
    if message.attributes:
        return StatusInfo(message.attributes[0].number, Status.ATTRIB_NOT_SUPPORTED_IN_MSG)
    return message.fault


def peer_status(message: Message) -> StatusInfo | None:
    """Return the first Status Info of a Call Abort, a Call Disconnect or a NAK (2.2.12, 2.2.13, 2.2.14).

    It is None if there is none that can be read. Peers are known that send one of the wrong length or ID here; the call
    ends all the same.
    """
    for attribute in message.attributes:
        if attribute.number == AttributeID.STATUS_INFO:
            return StatusInfo.parse(attribute.value)
    return None
