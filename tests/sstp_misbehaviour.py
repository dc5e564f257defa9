"""Servers of SSTP that misbehave, a row each, and what the client is to make of them.

What is wrong with a server is written out as bytes; what is right comes from the steps of `Peer`. The rows are data for
any client: one that is new here is tried by the tests of all of them.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from scapy.layers.inet import ICMP, IP

from iphttps.core.sstp.attributes import AttributeID, Status, StatusInfo
from iphttps.core.sstp.packet import MessageType, data_packet, message
from iphttps.core.sstp.ppp.chap import FailureCode
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


class Next(enum.Enum):
    """When the next attempt is."""

    SOON = "after the reconnect timer"
    ASKED = "when the server has asked for it (Retry-After)"
    HELD = "after 15 minutes, since more wrong logins could lock the account"


@dataclass(frozen=True, slots=True)
class Row:
    """A server, and what the client is to say and do: stage and code in status, a part of the sentence, what follows.

    `up` says that the link comes up before anything goes wrong. `slow` says that the client waits for nothing else than
    its own timer.
    """

    name: str
    act: Act
    stage: str
    says: str
    next_attempt: Next = Next.SOON
    code: str | None = None
    up: bool = False
    slow: bool = False


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


def http() -> Iterator[Row]:
    """Yield the servers that do not get past HTTP."""
    head = b"HTTP/1.1 %s\r\n%s\r\n"
    answers: tuple[tuple[str, bytes, str, Next], ...] = (
        ("404", head % (b"404 Not Found", b"Content-Length: 0\r\n"), "404", Next.SOON),
        ("503", head % (b"503 Busy", b"Retry-After: 1000\r\nContent-Length: 0\r\n"), "503", Next.ASKED),
        ("a greeting that is not HTTP", b"220 mail.example ESMTP\r\n", "is not HTTP", Next.SOON),
        ("random bytes", bytes(range(255, 0, -1)), "is not HTTP", Next.SOON),
        ("a web page", head % (b"200 OK", b"Content-Type: text/html\r\n") + b"<html>", "web page", Next.SOON),
    )
    yield Row("silence after TLS", then(after=Peer.request), "http", "did not open the session", slow=True)
    yield Row("closed after TLS", then(after=Peer.request, hang_up=True), "http", "clos")
    for name, answer, says, following in answers:
        yield Row(name, then(answer, after=Peer.request), "http", says, following)
    yield Row("an endless head", endless_head, "http", "longer than 16384 bytes")


def calls() -> Iterator[Row]:
    """Yield the servers with which the call fails."""
    late, broken, aborts = "did not answer in time", "cannot be delineated", "this client aborted the call"
    yield Row("silence after 200", then(after=Peer.called), "sstp", late, slow=True)
    yield Row("closed after 200", then(after=Peer.accept, hang_up=True), "sstp", "connection lost")
    yield Row("NAK for ever", nak_for_ever, "sstp", "the server rejected the call: a value that is not supported")
    for status in (*Status, 99):
        yield Row(f"abort with status {status:d}", then(abort(status), after=Peer.called), "sstp", "aborted the call")
    for name, literal in (
        ("abort without status", "1001 0008 0005 0000"),
        ("abort with a status of 8 bytes", "1001 0010 0005 0001  0002 0008 00000004"),
        ("abort with a status of an ID that is not its own", "1001 0014 0005 0001  0000 000c 000000 00 00000004"),
    ):
        yield Row(name, then(literal, after=Peer.called), "sstp", "the server aborted the call", code="619")
    yield Row("disconnect at once", then("1001 0008 0006 0000", after=Peer.called), "sstp", "disconnected")
    nonce = "00" * 32
    for name, literal, stage, says in (
        ("ACK without a hash bit", f"1001 0030 0002 0001  0004 0028 000000 00 {nonce}", "binding", "no hash protocol"),
        ("ACK with unknown hash bits", f"1001 0030 0002 0001  0004 0028 000000 fc {nonce}", "binding", "no hash"),
        ("ACK with a nonce of 31 bytes", f"1001 002f 0002 0001  0004 0027 000000 03 {nonce[2:]}", "sstp", aborts),
        ("ACK with a nonce of 33 bytes", f"1001 0031 0002 0001  0004 0029 000000 03 {nonce}00", "sstp", aborts),
        ("ACK without attributes", "1001 0008 0002 0000", "sstp", aborts),
        ("ACK with a count that is too high", f"1001 0030 0002 0002  0004 0028 000000 03 {nonce}", "sstp", aborts),
        ("ACK with another attribute", "1001 000e 0002 0001  0001 0006 0001", "sstp", aborts),
        ("ACK with an unknown attribute", "1001 000e 0002 0001  00ff 0006 0001", "sstp", aborts),
        ("ACK whose attribute has no length", f"1001 0030 0002 0001  0004 0000 000000 03 {nonce}", "sstp", aborts),
        ("ACK whose attribute is too long", f"1001 0030 0002 0001  0004 0fff 000000 03 {nonce}", "sstp", aborts),
        ("an unknown message", "1001 0008 00ff 0000", "sstp", aborts),
        ("a message of half a head", "1001 0006 0002", "sstp", aborts),
        ("a message for servers", "1001 000e 0001 0001  0001 0006 0001", "sstp", aborts),
        ("an unexpected DISCONNECT_ACK", "1001 0008 0007 0000", "sstp", aborts),
        ("version 2", "2001 0008 0005 0000", "sstp", broken),
        ("a length of 3", "1001 0003 0005 0000", "sstp", broken),
        ("HTTP again", (b"HTTP/1.1 200 OK\r\n\r\n").hex(), "sstp", broken),
    ):
        yield Row(name, then(literal, after=Peer.called), stage, says)
    yield Row(
        "a truncated ACK",
        then("1001 0030 0002 0001 0004 0028", after=Peer.called, hang_up=True),
        "sstp",
        "connection lost",
    )


def links() -> Iterator[Row]:
    """Yield the servers with which PPP or the login fails."""
    end = data_packet(bytes.fromhex("ff03 c021  05 63 0004"))
    reject = data_packet(bytes.fromhex("ff03 c021  08 01 000a c021 0101 0004"))
    yield Row("silence after the ACK", then(after=Peer.call), "ppp", "does not answer", code="718", slow=True)
    yield Row("LCP for ever", lcp_loop, "ppp", "does not agree on the options", code="732")
    yield Row("a looped line", loopback, "ppp", "sends our own packets back", code="737")
    yield Row("EAP or nothing", demand(EAP), "ppp", "demands EAP", code="919")
    yield Row("PAP or nothing", demand(PAP), "ppp", "demands PAP", code="919")
    yield Row("LCP terminated", then(end, after=Peer.call), "ppp", "terminated", code="734", slow=True)
    yield Row("LCP rejected", then(reject, after=Peer.link), "login", "does not support the protocol", code="733")
    yield Row("silence after LCP", then(after=Peer.link), "login", "did not answer in time", slow=True)
    short = data_packet(bytes.fromhex("ff03 c223  01 01 0010 08 0102030405060708 726177"))
    yield Row("a challenge of 8 bytes", then(short, after=Peer.link), "login", "did not answer in time", slow=True)
    for code in FailureCode:
        following = Next.HELD if code is FailureCode.AUTHENTICATION_FAILURE else Next.SOON
        text = b"E=%d R=0 C=%s V=3 M=Go away" % (code, b"00" * 16)
        yield Row(f"failure {code:d}", fail(text), "login", '(it says "Go away")', following, str(code.value))
    yield Row("failure that may be repeated", fail(b"E=691 R=1 C=11 V=3"), "login", "is wrong", Next.HELD)
    yield Row("failure without a code", fail(b"\x00\xff Go\r\naway\x1b[2J"), "login", "without a code", Next.HELD)
    for name, text in (
        ("a wrong S=", b"S=" + b"0" * 40 + b" M=Welcome"),
        ("a short S=", b"S=0123456789"),
        ("no S=", b"M=Welcome"),
        ("an empty success", b""),
    ):
        yield Row(name, succeed(text), "login", "does not prove that it knows the password", code="778")
    yield Row("closed before the success", then(after=Peer.challenge, hang_up=True), "login", "connection lost")
    bound = abort(Status.VALUE_NOT_SUPPORTED, AttributeID.CRYPTO_BINDING)
    yield Row("the binding rejected", then(bound, after=Peer.login), "binding", "rejected the crypto binding")


def networks() -> Iterator[Row]:
    """Yield the servers with which no addresses are agreed on."""
    none = "assigns no address"
    yield Row("0.0.0.0", assign("0.0.0.0"), "addresses", none, code="738")
    yield Row("IPCP rejected", network(reject_all), "addresses", none, code="738")
    yield Row(
        "no protocol at all", network(None), "addresses", "IPv4: the peer does not support the protocol", code="720"
    )
    yield Row("another address each time", network(nak_all), "addresses", "does not agree on the options")
    for address in ("127.0.0.1", "224.0.0.1", "255.255.255.255"):
        yield Row(f"address {address}", assign(address), "addresses", "an address that no host may have", code="738")


def sessions() -> Iterator[Row]:
    """Yield the servers that misbehave when the link is up."""
    half = PING[: len(PING) // 2]
    end = data_packet(bytes.fromhex("ff03 c021  05 63 0004"))
    gone, broken = "connection lost", "cannot be delineated"
    yield Row("a flood of echoes", echo_flood, "sstp", "the server disconnected", up=True)
    yield Row("disconnect between data", disconnect_with_data, "sstp", "the server disconnected", up=True)
    yield Row("packets that are none", rubbish, "sstp", "the server disconnected", up=True)
    yield Row("half a packet", then(PING, half, after=Peer.up, hang_up=True), "sstp", gone, up=True)
    yield Row("abort", then(PING, abort(Status.INVALID_FRAME_RECEIVED), after=Peer.up), "sstp", "aborted", up=True)
    yield Row("no packet", then(PING, "6f6f 6f6f 6f6f", after=Peer.up), "sstp", broken, up=True)
    yield Row("an unknown message later", then("1001 0008 00ff 0000", after=Peer.up), "sstp", "aborted", up=True)
    yield Row("LCP terminated later", then(end, after=Peer.up), "ppp", "terminated", up=True)


ROWS = (*http(), *calls(), *links(), *networks(), *sessions())
