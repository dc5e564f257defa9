"""The misbehaviours of an SSTP server towards a client, from which the rows are built.

Malformed messages are written out as bytes; valid ones come from the steps of `Peer`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from ipaddress import IPv4Address

from scapy.layers.inet import ICMP, IP

from iphttps.core.sstp.attributes import AttributeID, Status, StatusInfo
from iphttps.core.sstp.packet import MessageType, data_packet, message
from iphttps.core.sstp.ppp.commands import Command
from iphttps.core.sstp.ppp.control import Code, ControlProtocol, packet
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.core.sstp.ppp.ipcp import ServerIPCP
from tests.sstp_raw_server import ASSIGNED, OWN, Act, Peer

LCP, CHAP, IPCP, IPV6CP = ProtocolNumber.LCP, ProtocolNumber.CHAP, ProtocolNumber.IPCP, ProtocolNumber.IPV6CP

EAP, PAP = bytes.fromhex("0304 c227"), bytes.fromhex("0304 c023")
"""Option Authentication-Protocol of LCP with a demand that is not MS-CHAPv2 (RFC 1661 section 6.2)."""

ECHOES = 20_000

PING = data_packet(bytes.fromhex("ff03 0021") + bytes(IP(src=OWN, dst=ASSIGNED) / ICMP() / bytes(1000)))


def then(*pieces: bytes | str, after: Callable[[Peer], None], hang_up: bool = False) -> Act:
    """Return a server that says this after a step, hexadecimal where it is text, and then keeps silent."""

    def act(peer: Peer) -> None:
        after(peer)
        peer.say(*(bytes.fromhex(piece) if isinstance(piece, str) else piece for piece in pieces))
        if not hang_up:
            peer.wait()

    return act


def endless_head(peer: Peer) -> None:
    """Answer with header lines that never end."""
    peer.request()
    peer.say(b"HTTP/1.1 200 OK\r\n")
    while True:
        peer.say(b"X-Endless: %s\r\n" % (b"x" * 1000))


def nak_for_ever(peer: Peer) -> None:
    """Reject each Call Connect Request ([MS-SSTP] 2.2.11)."""
    peer.accept()
    for times in itertools.count(1):
        peer.hear(MessageType.CALL_CONNECT_REQUEST, MessageType.CALL_ABORT, times=times)
        info = StatusInfo(AttributeID.ENCAPSULATED_PROTOCOL_ID, Status.VALUE_NOT_SUPPORTED, bytes.fromhex("0001"))
        peer.say(message(MessageType.CALL_CONNECT_NAK, info.build()))


def abort(status: int, attribute: int = AttributeID.ENCAPSULATED_PROTOCOL_ID) -> bytes:
    """Build a Call Abort."""
    return message(MessageType.CALL_ABORT, StatusInfo(attribute, status).build())


class Answering(ControlProtocol):
    """A protocol that asks for nothing, and answers each Configure-Request in one way."""

    def __init__(self, answers: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._answers = answers

    def receive(self, data: bytes, now: float) -> list[Command]:
        """Answer a Configure-Request, and let the client end the negotiation."""
        if data[0] == Code.TERMINATE_REQUEST:
            return [packet(Code.TERMINATE_ACK, data[1])]
        return [self._answers(data)] if data[0] == Code.CONFIGURE_REQUEST else []


def lcp_loop(peer: Peer) -> None:
    """Answer each Configure-Request of LCP with a Nak that wants another MRU."""
    mru = itertools.count(1300)
    peer.lcp = Answering(lambda data: packet(Code.CONFIGURE_NAK, data[1], b"\1\4" + next(mru).to_bytes(2)))
    peer.call()
    peer.wait()


def loopback(peer: Peer) -> None:
    """Send back each frame, as a looped line does (RFC 1661 section 6.4)."""
    peer.call()
    peer.answers_frames = False
    while True:
        peer.until(lambda: peer.frames)
        peer.frame(*peer.frames.pop(0))


def demand(option: bytes) -> Act:
    """Return a server that demands this way to log in and no other, and ends the link where it is rejected."""

    def act(peer: Peer) -> None:
        peer.call()
        peer.answers_frames = False
        for identifier in range(1, 20):
            peer.frame(LCP, packet(Code.CONFIGURE_REQUEST, identifier, option))
            if answer_to(peer, identifier) != Code.CONFIGURE_NAK:
                break
        peer.frame(LCP, packet(Code.TERMINATE_REQUEST, 99, b"another way to log in is required"))
        peer.disconnect()

    return act


def answer_to(peer: Peer, identifier: int) -> int:
    """Return the code with which the client answers a Configure-Request of LCP; acknowledge its own ones."""
    while True:
        peer.until(lambda: peer.frames)
        number, found = peer.frames.pop(0)
        if number == LCP and found[0] == Code.CONFIGURE_REQUEST:
            peer.frame(LCP, packet(Code.CONFIGURE_ACK, found[1], found[4:]))
        elif number == LCP and found[1] == identifier:
            return found[0]


def fail(text: bytes) -> Act:
    """Return a server that answers the response with a Failure (RFC 2759 section 6)."""

    def act(peer: Peer) -> None:
        peer.challenge()
        peer.result(False, text)
        peer.wait()

    return act


def succeed(text: bytes) -> Act:
    """Return a server that answers the response with a Success (RFC 2759 section 5)."""

    def act(peer: Peer) -> None:
        peer.challenge()
        peer.result(True, text)
        peer.wait()

    return act


def network(ipcp: Callable[[], ControlProtocol] | None) -> Act:
    """Return a server that negotiates IPCP like this, or not at all, and has no IPv6."""

    def act(peer: Peer) -> None:
        peer.ipcp, peer.ipv6cp = ipcp and ipcp(), None
        peer.login()
        peer.open(IPCP)
        peer.wait()

    return act


def assign(address: str, own: str = OWN) -> Act:
    """Return a server that assigns this address."""
    return network(lambda: ServerIPCP(IPv4Address(own).packed, IPv4Address(address).packed))


def reject_all() -> ControlProtocol:
    """Return an IPCP that rejects all options."""
    return Answering(lambda data: packet(Code.CONFIGURE_REJECT, data[1], data[4:]))


def nak_all() -> ControlProtocol:
    """Return an IPCP that has another address each time."""
    address = itertools.count(int(IPv4Address(ASSIGNED)))
    return Answering(lambda data: packet(Code.CONFIGURE_NAK, data[1], b"\3\6" + next(address).to_bytes(4)))


def echo_flood(peer: Peer) -> None:
    """Send a great many Echo Requests, count the answers, and disconnect."""
    peer.up()
    for _ in range(ECHOES // 1000):
        peer.say(message(MessageType.ECHO_REQUEST) * 1000)
    peer.hear(MessageType.ECHO_RESPONSE, times=ECHOES)
    peer.disconnect()


def disconnect_with_data(peer: Peer) -> None:
    """Disconnect between two data packets."""
    peer.up()
    peer.say(PING * 100)
    peer.disconnect()
    peer.say(PING * 100)


def rubbish(peer: Peer) -> None:
    """Send what claims to be IP and is not, frames that are none, unknown protocols; then disconnect."""
    peer.up()
    for content in ("", "21", "0021", "0021 45", "0057 60", "0021 ffff", "ff", "ff03", "4021 00", "00fd 1234", "c021"):
        peer.say(data_packet(bytes.fromhex(content)))
    peer.disconnect()
