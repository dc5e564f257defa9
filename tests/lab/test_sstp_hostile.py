"""Misbehaviour of an SSTP client: each with its exact outcome, while another client's ping continues."""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

from iphttps.core.sstp.crypto_binding import HashProtocol, call_connected
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.lab.poll import DEADLINE
from tests.lab.sstp_attacker import Attacker, HostileCase
from tests.lab.test_sstp import SERVER
from tests.sstp_client import (
    CALL_ABORT,
    CALL_CONNECT_ACK,
    CALL_CONNECT_NAK,
    CALL_CONNECT_REQUEST,
    CALL_CONNECTED,
    CALL_DISCONNECT,
    CALL_DISCONNECT_ACK,
    ECHO_REQUEST,
    ECHO_RESPONSE,
    data,
    message,
    packet,
)

LCP, CHAP, IPCP = ProtocolNumber.LCP, ProtocolNumber.CHAP, ProtocolNumber.IPCP
NOT_ACCEPTABLE, VALUE_NOT_SUPPORTED, NOT_IN_MESSAGE, INVALID = 5, 4, 9, 7
"""Status codes ([MS-SSTP] 2.2.8)."""


class HostileTests(HostileCase):
    """Each attack, by the part of the protocol that it is against."""

    def test_data(self) -> None:
        """No data passes without the right binding, nor from a foreign source."""
        self.check_binding()
        self.check_spoofed()
        self.unharmed()

    def test_messages(self) -> None:
        """Messages where none should be, lengths that lie, and streams in single bytes."""
        self.check_states()
        self.check_lengths()
        self.check_single_bytes()
        self.unharmed()

    def test_floods(self) -> None:
        """Too much of what is allowed: loops, repetitions, floods and names without end."""
        self.check_loops()
        self.check_identifiers()
        self.check_long_name()
        self.check_echoes()
        self.unharmed()

    def test_login_storm(self) -> None:
        """Many failed logins, at the same time."""
        self.check_storm()
        self.unharmed()

    def check_binding(self) -> None:
        """Without the right binding no packet passes, and the call is aborted (3.3.5.2.3)."""
        early = self.attacker()
        early.unbound()
        early.say(early.echo_request(), early.echo_request(), early.bound())
        self.assertEqual(early.ping(), [3])

        def changed(at: int) -> Callable[[Attacker], bytes]:
            def change(attacker: Attacker) -> bytes:
                whole = bytearray(attacker.bound())
                whole[at] ^= 1
                return bytes(whole)

            return change

        def other_nonce(attacker: Attacker) -> bytes:
            return call_connected(attacker.hlak, bytes(32), attacker.certificate_hash, HashProtocol.SHA256)

        def other_certificate(attacker: Attacker) -> bytes:
            return call_connected(attacker.hlak, attacker.nonce, bytes(32), HashProtocol.SHA256)

        def no_keys(attacker: Attacker) -> bytes:
            return call_connected(bytes(32), attacker.nonce, attacker.certificate_hash, HashProtocol.SHA256)

        replayed = early.bound()
        rows: list[tuple[str, Callable[[Attacker], bytes], int]] = [
            ("absent", lambda _: message(CALL_CONNECTED), NOT_IN_MESSAGE),
            ("short", lambda attacker: message(CALL_CONNECTED, attacker.bound()[8:-1], 1), NOT_IN_MESSAGE),
            ("wrong MAC", changed(80), VALUE_NOT_SUPPORTED),
            ("wrong MAC at its end", changed(111), VALUE_NOT_SUPPORTED),
            ("MAC of other keys", no_keys, VALUE_NOT_SUPPORTED),
            ("wrong nonce", other_nonce, VALUE_NOT_SUPPORTED),
            ("another certificate", other_certificate, VALUE_NOT_SUPPORTED),
            ("another hash protocol", changed(15), VALUE_NOT_SUPPORTED),
            ("of another connection", lambda _: replayed, VALUE_NOT_SUPPORTED),
        ]
        for name, binding, status in rows:
            attacker = self.attacker()
            attacker.unbound()
            attacker.say(binding(attacker), attacker.echo_request(), attacker.bound(), attacker.echo_request())
            with self.subTest(name):
                self.aborted(attacker, status)
        self.all_over()
        early.ping()

    def check_states(self) -> None:
        """Each message in each state has the outcome of the table of 3.3.5.2, whatever follows it."""
        abort, nothing = (CALL_ABORT, NOT_ACCEPTABLE), None
        ends: dict[int, Any] = {CALL_ABORT: (CALL_ABORT, 0), CALL_DISCONNECT: (CALL_DISCONNECT_ACK, None)}
        outcomes: dict[str, dict[int, Any]] = {
            "nothing said": {1: (CALL_CONNECT_ACK, None), 2: abort, 3: abort, 4: abort, 7: abort, 8: abort, 9: abort},
            "acknowledged": {1: abort, 2: abort, 3: abort, 7: abort, 8: abort, 9: abort},
            "connected": {1: abort, 2: abort, 3: abort, 4: abort, 7: abort, 8: (ECHO_RESPONSE, None), 9: nothing},
        }
        ack = message(CALL_CONNECT_ACK, struct.pack("!BBHI32s", 0, 4, 40, 3, bytes(32)), 1)
        nak = message(CALL_CONNECT_NAK, struct.pack("!BBHII", 0, 2, 12, 1, 4), 1)
        for state, row in outcomes.items():
            for kind, outcome in {**row, **ends}.items():
                attacker = self.attacker()
                if state == "acknowledged":
                    attacker.say(CALL_CONNECT_REQUEST)
                    attacker.hear(1)
                elif state == "connected":
                    attacker.call()
                    attacker.ping()
                attacker.messages.clear()
                bound = message(CALL_CONNECTED, struct.pack("!BBHI96s", 0, 3, 104, 2, bytes(96)), 1)
                whole = {1: CALL_CONNECT_REQUEST, 2: ack, 3: nak, 4: bound}.get(kind, message(kind))
                attacker.say(whole)
                if outcome is nothing:
                    attacker.ping()
                    self.assertEqual(attacker.kinds, [], (state, kind))
                else:
                    attacker.hear(1)
                    status = attacker.status if attacker.kinds[0] == CALL_ABORT else None
                    self.assertEqual((attacker.kinds[0], status), outcome, (state, kind))
                attacker.close()

    def check_lengths(self) -> None:
        """Undelineable data ends without a message (3.1.5.1); other faults are aborted, rejected or discarded."""
        silent = ("11000008", "10010000", "10000003", "1001f003", "00", "16030100")
        for each in silent:
            attacker = self.attacker()
            attacker.say(bytes.fromhex(each), b"GET / HTTP/1.1\r\n\r\n")
            attacker.to_end()
            self.assertEqual(attacker.messages, [], each)
        # Control packets: an attribute of length 0, 3, 255 or more than there is; more or fewer of them than counted.
        for each, status in (
            ("10010004", INVALID),  # no message at all
            ("10010006 0008", INVALID),
            ("10010008 0063 0000", INVALID),  # a type that does not exist
            ("10010008 0008 0001", INVALID),
            ("1001000c 0008 0000 00000000", INVALID),
            ("1001000e 0001 0001 0001 0005 0001", INVALID),
        ):
            attacker = self.attacker()
            attacker.say(bytes.fromhex(each))
            self.aborted(attacker, status)
        for each in ("0001 0000 0001", "0001 0003 0001", "0001 00ff 0001", "0001 0fff 0001"):
            attacker = self.attacker()
            whole = bytes.fromhex("1001000e 0001 0001") + bytes.fromhex(each)
            attacker.say(whole * 3)
            attacker.hear(3)
            self.assertEqual(attacker.kinds, [CALL_CONNECT_NAK] * 3, each)
            attacker.say(whole)
            self.aborted(attacker, 6)
        self.all_over()
        # PPP and what is in it: discarded, and the call goes on as if nothing had been sent.
        attacker = self.attacker()
        frames = ["", "ff", "ff03", "c0", "ff03c0", "c021", "c02101", "c021010000", "c02101000003", "c0210100ffff"]
        frames += ["c0210100000601", "c02101000006 0100", "c02101000006 01ff", "c02101000005 01", "c021090000ffff"]
        frames += [
            "c223 0201ffff31",
            "c223 02010004",
            "c223 0201000531",
            "c223 020100 06 ff00",
            "c023 0101ffff",
            "8021 0101ffff",
        ]
        frames += ["21", "0021", "2145", "57", "5760", "00fd00", "0000", "0100", "feff", "8057 01 01 0004"]
        # Options of length 0, 1, 255 and one more than there is, in each protocol that has options.
        frames += [
            f"{each} 0101 000a 03{size} 00000000" for each in ("8021", "8057") for size in ("00", "01", "ff", "07")
        ]
        frames += [f"c021 0101 000a 05{size} 00000000" for size in ("00", "01", "ff", "07")]
        broken = b"".join(struct.pack("!HH", 0x1000, 4 + len(each)) + each for each in map(bytes.fromhex, frames))
        attacker.say(CALL_CONNECT_REQUEST, broken)
        attacker.until(lambda: attacker.ready)
        attacker.say(broken)
        own = bytes(IP(src=".".join(map(str, attacker.ipcp.address)), dst=SERVER) / ICMP())
        for lie in (0, 19, 21, len(own) + 1, 0xFFFF):
            attacker.say(packet(own[:2] + lie.to_bytes(2) + own[4:]))
        attacker.ping()
        # The longest packets that there are, of each kind, come and go whole.
        padded = data(LCP, bytes.fromhex("0b 07 0ff9 00000000") + bytes(4081), b"")
        echo = data(LCP, bytes.fromhex("09 07 0ff9 00000000") + bytes(4081), b"")
        reject = data(0x4021, bytes(4089), b"")
        self.assertEqual([len(each) for each in (padded, echo, reject)], [4095] * 3)
        attacker.frames.clear()
        attacker.say(padded, echo, reject, data(LCP, bytes.fromhex("09 08 0008 00000000")))
        attacker.until(lambda: any(each[1][:2] == b"\x0a\x08" for each in attacker.frames))
        attacker.ping()

    def check_single_bytes(self) -> None:
        """A whole call in TLS records of one byte each goes on as it should."""
        attacker = self.attacker()
        waiting = CALL_CONNECT_REQUEST
        end = time.monotonic() + DEADLINE
        while not attacker.ready and time.monotonic() < end:
            for byte in waiting:
                attacker.wire.send(bytes((byte,)))
            waiting = attacker.receive(attacker.wire.recv(65536))
        for byte in waiting:
            attacker.wire.send(bytes((byte,)))
        attacker.ping()

    def check_loops(self) -> None:
        """A negotiation that does not converge ends by a Call Disconnect, in whatever way it does not."""
        unknown = data(LCP, bytes.fromhex("01 01 0007 2a 03 00"))
        own_magic = data(LCP, bytes.fromhex("01 01 000a 05 06 00000000"))
        again = data(LCP, bytes.fromhex("01 01 0004"))
        for each, times in ((unknown, 40), (own_magic, 40), (again, 1)):
            attacker = self.attacker()
            if each is again:
                attacker.call()
            attacker.say(b"" if each is again else CALL_CONNECT_REQUEST, each * times)
            attacker.hear(kind=CALL_DISCONNECT)
            self.assertIn(CALL_DISCONNECT, attacker.kinds)
            attacker.say(message(CALL_DISCONNECT_ACK))
            attacker.to_end()

    def check_identifiers(self) -> None:
        """An identifier used again gets the same answer again, and no second look at a password (RFC 1994 4.1)."""
        attacker = self.attacker()
        attacker.say(CALL_CONNECT_REQUEST)
        attacker.until(lambda: attacker.hlak)
        attacker.frames.clear()
        wrong = attacker.response.encode()[:-5] + b"bob.."
        attacker.say(data(CHAP, attacker.response.encode()) + data(CHAP, wrong))
        attacker.until(lambda: len([each for each in attacker.frames if each[0] == CHAP]) == 2)
        first, second = (packet for number, packet in attacker.frames if number == CHAP)
        self.assertEqual((first, first[0]), (second, 3))
        attacker.until(lambda: attacker.ready)
        attacker.ping()

    def check_echoes(self) -> None:
        """Floods of echo requests are answered while the answers are read; who does not read them, is ended."""
        attacker = self.attacker()
        attacker.call()
        attacker.ping()
        lcp_echo = data(LCP, bytes.fromhex("09 07 0008 00000000"))
        attacker.frames.clear()
        for _ in range(20):
            attacker.say(message(ECHO_REQUEST) * 200, lcp_echo * 200)
        attacker.until(lambda: len(attacker.kinds) == 4001 and len(attacker.frames) == 4000)
        attacker.ping()
        # LCP: unknown codes and protocols are rejected, each of them; discard requests have no answer.
        attacker.frames.clear()
        unknown, discarded = data(LCP, bytes.fromhex("63 07 0004")), data(LCP, bytes.fromhex("0b 07 0008 00000000"))
        for _ in range(5):
            attacker.say((unknown + discarded + data(0x4021, b"\0")) * 200)
        attacker.until(lambda: len(attacker.frames) == 2000)
        self.assertEqual({7: 1000, 8: 1000}, Counter(packet[0] for _, packet in attacker.frames))
        attacker.ping()
        deaf = self.attacker()
        deaf.call()
        deaf.ping()
        long_echo = 8 * data(LCP, bytes.fromhex("09 07 0578 00000000") + bytes(1392))  # as long as its answer
        deaf.wire.settimeout(2)
        end = time.monotonic() + DEADLINE
        with self.assertRaises(OSError):
            while time.monotonic() < end:
                deaf.wire.sendall(long_echo)
        self.program.wait_for("it does not read its answers")

    def check_long_name(self) -> None:
        """A name of a megabyte is no name: what says so is discarded, and the call goes on."""
        attacker = self.attacker()
        attacker.say(CALL_CONNECT_REQUEST)
        attacker.until(lambda: CALL_CONNECT_ACK in attacker.kinds)
        value = b"\x31" + bytes(49)
        name = bytes.fromhex("02 01 ffff") + value + b"a" * 4000
        fitting = bytes.fromhex("02 01 0fda") + value + b"a" * 4000
        attacker.say(*[data(CHAP, name), data(CHAP, fitting)] * 125)
        attacker.until(lambda: attacker.ready)
        attacker.ping()

    def check_storm(self) -> None:
        """Failed logins delay who fails, not another user elsewhere, and fill no log."""
        for _ in range(60):
            attacker = self.attacker(password="wrong")
            attacker.say(CALL_CONNECT_REQUEST)
        other = self.attacker(2, user="bob")
        begin = time.monotonic()
        other.call()
        other.ping()
        self.assertLess(time.monotonic() - begin, 3.0)
        victim = self.attacker(2)
        victim.call()
        victim.ping()
        self.assertLess(time.monotonic() - begin, 9.0)

    def check_spoofed(self) -> None:
        """A packet with another's source goes nowhere, in both families, and is counted."""
        victim, attacker = self.attacker(user="bob"), self.attacker()
        victim.call()
        victim.ping()
        attacker.ipv6cp.identifier = b"\x02" + bytes(6) + b"\x08"
        attacker.call()
        attacker.ping()
        theirs = ".".join(map(str, victim.ipcp.address))
        victim.packets.clear()
        spoofed = [attacker.echo_request(source) for source in (theirs, SERVER, "0.0.0.0", "127.0.0.1", "224.0.0.1")]
        for source in ("fe80::200:0:0:7", "fe80::1", "2001:db8:3::1", "2001:db8:1::80", "::1", "::", "ff02::1"):
            spoofed.append(packet(bytes(IPv6(src=source, dst="2001:db8:3::1") / ICMPv6EchoRequest())))
        attacker.say(*spoofed)
        attacker.ping()
        victim.ping()
        self.assertEqual(len(victim.packets), 1)
        attacker.say(message(CALL_DISCONNECT))
        attacker.to_end()
        self.program.wait_for(f"{len(spoofed)} dropped")
