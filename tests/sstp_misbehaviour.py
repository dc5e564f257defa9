"""Servers of SSTP that misbehave, a row each, and what the client is to make of them.

The rows are data for any client: one that is new here is tried by the tests of all of them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from iphttps.core.sstp.attributes import AttributeID, Status
from iphttps.core.sstp.packet import data_packet
from iphttps.core.sstp.ppp.chap import FailureCode
from tests.sstp_behaviours import (
    EAP,
    PAP,
    PING,
    abort,
    assign,
    demand,
    disconnect_with_data,
    echo_flood,
    endless_head,
    fail,
    lcp_loop,
    loopback,
    nak_all,
    nak_for_ever,
    network,
    reject_all,
    rubbish,
    succeed,
    then,
)
from tests.sstp_raw_server import Act, Peer


class Next(enum.Enum):
    """When the next attempt is."""

    SOON = "after the reconnect timer"
    ASKED = "when the server has asked for it (Retry-After)"
    HELD = "after the reconnect timer, but without the login for 15 minutes: more wrong ones could lock the account"


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
