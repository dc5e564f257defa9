"""RADIUS packets, encoded and authenticated by pyrad (RFC 2865, 2866, 5176).

Each request has a Message-Authenticator, and an answer to a login must have one (RFC 2869 section 5.14): otherwise
an attacker on the path to the server can change an Access-Reject into an Access-Accept (CVE-2024-3596, BlastRADIUS).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pyrad.dictionary import Dictionary
from pyrad.packet import (
    AccessAccept,
    AccessReject,
    AccountingResponse,
    AcctPacket,
    AuthPacket,
    CoAPacket,
    CoARequest,
    DisconnectRequest,
    Packet,
    PacketError,
)

from ...core.sstp.radius import Key, Received, Type

_NAK = {DisconnectRequest: 42, CoARequest: 45}
_ACK = {DisconnectRequest: 41}

# pyrad splits vendor-specific attributes only if it has a dictionary; an empty one leaves all values as bytes.
_EMPTY = Dictionary()

_Pairs = Iterable[tuple[Key, bytes]]


class Outcome(Enum):
    """The kind of an answer; the value is pyrad's packet code."""

    ACCEPT = AccessAccept
    REJECT = AccessReject
    ACCOUNTED = AccountingResponse
    OTHER = None
    """An unsupported answer, such as Access-Challenge."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's authenticated answer, and the authenticator of the request, 16 bytes."""

    outcome: Outcome
    attributes: Received
    authenticator: bytes


class Request:
    """A request to one server; `data` is the packet to send."""

    def __init__(self, packet: Packet) -> None:
        packet.add_message_authenticator()
        self.data: bytes = packet.RequestPacket()
        self._packet = packet

    def read(self, data: bytes) -> Answer | None:
        """Return the answer in a packet, or None if it is malformed or its authenticator is wrong."""
        try:
            reply = self._packet.CreateReply(packet=data)
        except PacketError:
            return None
        if not self._packet.VerifyReply(reply, enforce_ma=True):
            return None
        outcome = Outcome(reply.code) if reply.code in (2, 3, 5) else Outcome.OTHER
        return Answer(outcome, _received(reply), self._packet.authenticator)


def login(identifier: int, secret: bytes, attributes: _Pairs, password: bytes | None) -> Request:
    """Return an Access-Request, with the PAP password if there is one."""
    packet = AuthPacket(id=identifier, secret=secret)
    packet.authenticator = packet.CreateAuthenticator()
    _fill(packet, attributes)
    if password is not None:
        packet[int(Type.USER_PASSWORD)] = [packet.PwCrypt(password)]
    return Request(packet)


def account(identifier: int, secret: bytes, attributes: _Pairs) -> Request:
    """Return an Accounting-Request."""
    packet = AcctPacket(id=identifier, secret=secret)
    _fill(packet, attributes)
    return Request(packet)


@dataclass(frozen=True, slots=True)
class Change:
    """A Disconnect-Request or CoA-Request (RFC 5176 section 3)."""

    disconnects: bool
    attributes: Received
    packet: Packet

    def answer(self, error: int = 0) -> bytes:
        """Return the ACK packet, or the NAK packet with this Error-Cause."""
        reply = self.packet.CreateReply()
        reply.code = _NAK[self.packet.code] if error else _ACK[self.packet.code]
        if error:
            reply[int(Type.ERROR_CAUSE)] = [error.to_bytes(4, "big")]
        reply.message_authenticator = True
        answer: bytes = reply.ReplyPacket()
        return answer


def change(data: bytes, secret: bytes) -> Change | None:
    """Return the request in a packet, or None if it is of another kind, malformed or wrongly authenticated."""
    try:
        packet = CoAPacket(secret=secret, dict=_EMPTY, packet=data)
    except PacketError:
        return None
    if packet.code not in (DisconnectRequest, CoARequest):
        return None
    if not packet.VerifyCoARequest():
        return None
    if packet.message_authenticator and not packet.verify_message_authenticator():
        return None
    return Change(packet.code == DisconnectRequest, _received(packet), packet)


def _fill(packet: Packet, attributes: _Pairs) -> None:
    packet.dict = _EMPTY
    for key, value in attributes:
        packet.setdefault(key if isinstance(key, tuple) else int(key), []).append(value)


def _received(packet: Packet) -> Received:
    return {key: tuple(values) for key, values in packet.items() if isinstance(values, list)}
