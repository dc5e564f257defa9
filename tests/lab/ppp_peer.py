"""The client's end of a PPP link, written plainly for tests: it states what it did, and can be made to do wrong.

Frames go over a terminal in HDLC-like framing (RFC 1662), as between pppd and sstpc. Nothing of iphttps is used here.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from iphttps.lab.errors import DeadlinePassed
from tests.lab.chap_peer import Login, log_in

IPV4, IPV6, IPCP, IPV6CP, LCP, PAP, CHAP = 0x21, 0x57, 0x8021, 0x8057, 0xC021, 0xC023, 0xC223
"""Protocol numbers."""

REQUEST, ACK, NAK, REJECT, TERMINATE, TERMINATED, UNKNOWN_CODE, UNKNOWN_PROTOCOL, ECHO, ECHOED = range(1, 11)
"""Codes of the control protocols (RFC 1661 5); those of LCP alone from UNKNOWN_PROTOCOL on."""

CHALLENGE, RESPONSE, SUCCESS, FAILURE = range(1, 5)
"""Codes of CHAP (RFC 1994 4)."""

MRU, ACCM, AUTHENTICATION, MAGIC, PFC, ACFC = 1, 2, 3, 5, 7, 8
ADDRESS, DNS1, DNS2 = 3, 129, 131
INTERFACE_ID = 1
"""Options of LCP, IPCP and IPV6CP."""

BY_MSCHAPV2 = struct.pack(">HB", CHAP, 0x81)
BY_PAP = struct.pack(">H", PAP)
"""Values of the option AUTHENTICATION."""

RETRY = 1.0

T = TypeVar("T")

_FLAG, _ESCAPE = 0x7E, 0x7D
_GOOD_FCS = 0xF0B8
_ESCAPED = {*range(0x20), _FLAG, _ESCAPE}


def fcs(octets: bytes, value: int = 0xFFFF) -> int:
    """Return the FCS-16 of RFC 1662 C.2 before its complement."""
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
    return value


def framed(content: bytes) -> bytes:
    """Return a frame's content with its FCS, escaped, between flags (RFC 1662 4)."""
    whole = content + (fcs(content) ^ 0xFFFF).to_bytes(2, "little")
    escaped = b"".join(bytes((_ESCAPE, octet ^ 0x20)) if octet in _ESCAPED else bytes((octet,)) for octet in whole)
    return bytes((_FLAG,)) + escaped + bytes((_FLAG,))


def unframed(between_flags: bytes) -> bytes | None:
    """Return the content of what stood between two flags, or None where that is no frame."""
    pieces = between_flags.split(bytes((_ESCAPE,)))
    whole = pieces[0] + b"".join(bytes((piece[0] ^ 0x20,)) + piece[1:] for piece in pieces[1:] if piece)
    return whole[:-2] if len(whole) >= 4 and fcs(whole) == _GOOD_FCS else None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was sent or received: its protocol and information."""

    sent: bool
    protocol: int
    information: bytes

    @property
    def code(self) -> int:
        """The code of a control packet."""
        return self.information[0]


@dataclass
class PppPeer:
    """A client with a name and a password, on a terminal."""

    terminal: int
    user: str = "alice"
    password: str = "secret"
    authentication: bytes = BY_MSCHAPV2
    """The login method; it is requested in a Configure-Nak if the server requests another."""

    logged_in: Callable[[Login | None], None] = lambda login: None
    """Called with the keys when the server has accepted the user; with None after PAP."""

    check: Callable[[], None] = lambda: None
    """Called while it waits; raises where there is nothing to wait for any more."""

    magic: bytes = field(default_factory=lambda: os.urandom(4))
    interface_id: bytes = field(default_factory=lambda: b"\x02" + os.urandom(7))
    seen: list[Frame] = field(default_factory=list)
    """Every frame so far, both ways."""

    address: IPv4Address | None = None
    server_address: IPv4Address | None = None
    server_interface_id: bytes = b""
    name_servers: list[IPv4Address] = field(default_factory=list)
    refused: bytes = b""
    """The Message with which the server has rejected the user."""

    def __post_init__(self) -> None:
        """Prepare the three negotiations."""
        self._input = b""
        self._read = 0
        self._login: Login | None = None
        self._accepted = False
        self._identifier = 0
        self._ours: dict[int, dict[int, bytes]] = {
            LCP: {MAGIC: self.magic},
            IPCP: {ADDRESS: bytes(4), DNS1: bytes(4), DNS2: bytes(4)},
            IPV6CP: {INTERFACE_ID: self.interface_id},
        }
        self._asked: dict[int, int] = {}  # the identifier of the last request
        self._acknowledged: set[tuple[int, bool]] = set()  # protocol, and whether it was our request

    # What a test calls.

    def open(self, *protocols: int, deadline: float = 20.0) -> None:
        """Negotiate LCP, log in, and negotiate these network protocols, by default both.

        It returns early where the server rejects the user; `refused` says so.

        Raises:
            DeadlinePassed: The link does not come up in time.
        """
        wanted = protocols or (IPCP, IPV6CP)
        self._negotiate([LCP], deadline)
        self.wait(lambda: self._accepted or bool(self.refused), "the server's word about the user", deadline)
        if not self.refused:
            self._negotiate(wanted, deadline)

    def negotiate(self, *protocols: int, deadline: float = 20.0) -> None:
        """Negotiate protocols by new requests."""
        for protocol in protocols:
            self._acknowledged -= {(protocol, True), (protocol, False)}
        self._negotiate(protocols, deadline)

    def is_open(self, protocol: int) -> bool:
        """Tell whether both sides have acknowledged the options of the other."""
        return {(protocol, True), (protocol, False)} <= self._acknowledged

    def send(self, protocol: int, information: bytes) -> None:
        """Send a frame of any protocol with any information."""
        self.seen.append(Frame(True, protocol, information))
        left = framed(struct.pack(">HH", 0xFF03, protocol) + information)
        while left:
            left = left[os.write(self.terminal, left) :]

    def receive(self, protocol: int, deadline: float = 5.0, wanted: Callable[[bytes], bool] = lambda _: True) -> bytes:
        """Return the information of the next unread frame of a protocol that is wanted; those before it are read.

        Raises:
            DeadlinePassed: None comes in time.
        """

        def found() -> bytes | None:
            while self._read < len(self.seen):
                frame = self.seen[self._read]
                self._read += 1
                if not frame.sent and frame.protocol == protocol and wanted(frame.information):
                    return frame.information
            return None

        return self.wait(found, f"a frame of protocol {protocol:#06x}", deadline)

    def terminate(self, deadline: float = 5.0) -> None:
        """End the link by LCP and wait for the server's agreement."""
        self._send_control(LCP, TERMINATE, self._next(), b"")
        self.receive(LCP, deadline, lambda information: information[0] == TERMINATED)

    @property
    def link_local(self) -> IPv6Address:
        """The link-local address that follows from the interface identifier."""
        return IPv6Address(b"\xfe\x80" + bytes(6) + self.interface_id)

    @property
    def server_link_local(self) -> IPv6Address:
        """The server's."""
        return IPv6Address(b"\xfe\x80" + bytes(6) + self.server_interface_id)

    def wait(self, condition: Callable[[], T | None], awaited: str, deadline: float) -> T:
        """Handle what comes until a condition is true, and return its value."""
        end = time.monotonic() + deadline
        while not (value := condition()):
            left = end - time.monotonic()
            if left <= 0:
                raise DeadlinePassed(f"{awaited}: not seen within {deadline:g} s")
            if not self.handle(min(left, 0.2)):
                self.check()
        return value

    def handle(self, seconds: float) -> bool:
        """Handle what comes first within so many seconds, and tell whether anything came."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return False
        *frames, self._input = (self._input + os.read(self.terminal, 1 << 16)).split(bytes((_FLAG,)))
        for content in filter(None, map(unframed, filter(None, frames))):
            self._frame(content.removeprefix(b"\xff\x03"))
        return True

    # The rest is what it does with what comes.

    def _negotiate(self, protocols: Iterable[int], deadline: float) -> None:
        end = time.monotonic() + deadline
        while waiting := [protocol for protocol in protocols if not self.is_open(protocol)]:
            for protocol in waiting:
                if (protocol, True) not in self._acknowledged:
                    self._ask(protocol)
            with suppress(DeadlinePassed):
                self.wait(lambda: all(map(self.is_open, waiting)), "the end of negotiation", RETRY)
            if time.monotonic() > end:
                names = ", ".join(f"{protocol:#06x}" for protocol in waiting)
                raise DeadlinePassed(f"the end of negotiation of {names}: not seen within {deadline:g} s")

    def _ask(self, protocol: int) -> None:
        self._asked[protocol] = self._next()
        self._send_control(protocol, REQUEST, self._asked[protocol], _options(self._ours[protocol].items()))

    def _next(self) -> int:
        self._identifier = self._identifier % 255 + 1
        return self._identifier

    def _send_control(self, protocol: int, code: int, identifier: int, data: bytes) -> None:
        self.send(protocol, struct.pack(">BBH", code, identifier, 4 + len(data)) + data)

    def _frame(self, content: bytes) -> None:
        short = content[0] & 1  # PFC, RFC 1661 6.5
        protocol = content[0] if short else int.from_bytes(content[:2])
        information = content[1 if short else 2 :]
        self.seen.append(Frame(False, protocol, information))
        if protocol not in (LCP, IPCP, IPV6CP, PAP, CHAP):
            return
        code, identifier, length = struct.unpack_from(">BBH", information)
        data = information[4:length]
        if protocol == CHAP:
            self._chap(code, identifier, data)
        elif protocol == PAP:
            self._answered(code == ACK, data[1:], None)
        elif code == REQUEST:
            self._requested(protocol, identifier, data)
        elif code in (ACK, NAK, REJECT) and identifier == self._asked.get(protocol):
            self._replied(protocol, code, data)
        elif code == TERMINATE:
            self._send_control(protocol, TERMINATED, identifier, b"")
        elif protocol == LCP and code == ECHO:
            self._send_control(LCP, ECHOED, identifier, self.magic + data[4:])

    def _requested(self, protocol: int, identifier: int, data: bytes) -> None:
        known = {
            LCP: (MRU, ACCM, AUTHENTICATION, MAGIC, PFC, ACFC),
            IPCP: (ADDRESS,),
            IPV6CP: (INTERFACE_ID,),
        }[protocol]
        options = list(_parsed(data))
        unknown = [option for option in options if option[0] not in known]
        values = dict(options)
        if unknown:
            self._send_control(protocol, REJECT, identifier, _options(unknown))
            return
        if protocol == LCP and values.get(AUTHENTICATION, self.authentication) != self.authentication:
            self._send_control(LCP, NAK, identifier, _options([(AUTHENTICATION, self.authentication)]))
            return
        self._send_control(protocol, ACK, identifier, data)
        self._acknowledged.add((protocol, False))
        if protocol == IPCP and ADDRESS in values:
            self.server_address = IPv4Address(values[ADDRESS])
        if protocol == IPV6CP:
            self.server_interface_id = values.get(INTERFACE_ID, b"")
        self._maybe_log_in()

    def _replied(self, protocol: int, code: int, data: bytes) -> None:
        ours = self._ours[protocol]
        if code == ACK:
            self._acknowledged.add((protocol, True))
            if protocol == IPCP:
                self.address = IPv4Address(ours.get(ADDRESS, bytes(4)))
                self.name_servers = [
                    IPv4Address(ours[each]) for each in (DNS1, DNS2) if ours.get(each, bytes(4)).strip(b"\0")
                ]
            self._maybe_log_in()
            return
        for kind, value in _parsed(data):
            if code == NAK:
                ours[kind] = value
            else:
                ours.pop(kind, None)
        self._ask(protocol)

    def _maybe_log_in(self) -> None:
        if self.is_open(LCP) and self.authentication == BY_PAP and not self._accepted:
            words = (word.encode() for word in (self.user, self.password))
            self._send_control(PAP, REQUEST, self._next(), b"".join(bytes((len(word),)) + word for word in words))

    def _chap(self, code: int, identifier: int, data: bytes) -> None:
        if code == CHALLENGE:
            self._login = log_in(self.user, self.password, data[1 : 1 + data[0]], os.urandom(16))
            value = self._login.value
            self._send_control(CHAP, RESPONSE, identifier, bytes((len(value),)) + value + self.user.encode())
        elif code in (SUCCESS, FAILURE) and self._login:
            # A server that does not know the password cannot prove that it does (RFC 2759 8.7).
            proven = code == SUCCESS and data.startswith(self._login.success)
            self._answered(proven, data or b"?", self._login)

    def _answered(self, accepted: bool, message: bytes, login: Login | None) -> None:
        if not accepted:
            self.refused = message or b"?"
        elif not self._accepted:
            self._accepted = True
            self.logged_in(login)


def _options(options: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes((kind, 2 + len(value))) + value for kind, value in options)


def _parsed(data: bytes) -> Iterable[tuple[int, bytes]]:
    while len(data) >= 2 and 2 <= data[1] <= len(data):
        yield data[0], data[2 : data[1]]
        data = data[data[1] :]
