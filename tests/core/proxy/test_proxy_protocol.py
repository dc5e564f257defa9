"""Tests for iphttps.core.proxy.proxy_protocol.

By the letter of HAProxy's specification and by headers that HAProxy sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProtocolError
from iphttps.core.proxy.crc32c import crc32c
from iphttps.core.proxy.proxy_protocol import Announcement, ProxyProtocol
from tests.proxyprotocol import (
    LOCAL,
    PP2_SUBTYPE_SSL_CN,
    PP2_TYPE_AUTHORITY,
    PP2_TYPE_CRC32C,
    PP2_TYPE_SSL,
    PROXY,
    SIGNATURE,
    TCP4,
    TCP6,
    UDP4,
    UNIX,
    UNSPEC,
    field,
    header,
    tls,
    version1,
    version2,
)
from tests.support import every_cut

ADDRESSES = bytes((192, 0, 2, 7, 198, 51, 100, 1, 0x04, 0xD2, 0x01, 0xBB))
CLIENT = IPv4Address("192.0.2.7")
REST = b"POST /IPHTTPS HTTP/1.1\r\n"
BINARY = version2("192.0.2.7", "198.51.100.1", 1234)

RECORDED = bytes.fromhex(
    "0d0a0d0a000d0a515549540a 21 11 002d 7f000001 7f000001 cf8a ad0d"
    "20 001e 07 00000000 21 0007 544c5376312e33 22 000c 636c69656e742d616c696365"
)
"""A header of HAProxy 2.6 with send-proxy-v2-ssl-cn for a client certificate with the name client-alice."""

CHECKED = bytes.fromhex(
    "0d0a0d0a000d0a515549540a 21 11 0025 7f000001 7f000001 e64c 46a1"
    "03 0004 495af29d 20 000f 01 00000000 21 0007 544c5376312e33"
)
"""The same with proxy-v2-options crc32c, for a client without a certificate."""


def read(pieces: Iterable[bytes]) -> Announcement | None:
    """Feed the pieces; return what is announced, with all that follows."""
    parser, found, rest = ProxyProtocol(), None, b""
    for piece in pieces:
        if found:
            rest += piece
        else:
            found = parser.feed(piece)
    return found and Announcement(found.address, found.port, found.common_name, found.rest + rest)


class ProxyProtocolCase(SynchronousTestCase):
    """A header, and what becomes of it."""

    def assert_announces(self, stream: bytes, expected: Announcement) -> None:
        """Check what a header announces, whole, byte by byte, and cut at every point."""
        for pieces in every_cut(stream):
            self.assertEqual(expected, read(pieces))

    def assert_refused(self, stream: bytes, words: str = "malformed") -> None:
        """Check that a header is rejected, whole and byte by byte."""
        for pieces in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
            self.assertIn(words, str(self.assertRaises(ProtocolError, read, pieces)), stream)


class TextTests(ProxyProtocolCase):
    """Version 1 (section 2.1)."""

    def test_addresses(self) -> None:
        """The first address and port are the client's."""
        for source, destination in (("192.0.2.7", "198.51.100.1"), ("2001:db8::7", "2001:db8:ffff::1")):
            expected = Announcement(ip_address(source), 1234, None, REST)
            self.assert_announces(version1(source, destination, 1234, 443) + REST, expected)

    def test_unknown(self) -> None:
        """If the front knows nothing there is no address, whatever else it says."""
        for line in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", b"PROXY UNKNOWN  x\r\n"):
            self.assert_announces(line + REST, Announcement(None, 0, None, REST))

    def test_ports(self) -> None:
        """A port is a decimal number from 0 to 65535, without zeros before it."""
        for port in (0, 1, 65535):
            found = read([version1("192.0.2.7", "198.51.100.1", port, port)])
            self.assertEqual(port, found and found.port)
        for bad in ("65536", "100000", "-1", "+1", "01", "00", "1.0", "0x1", "", "a", "\N{SUPERSCRIPT TWO}"):
            self.assert_refused(version1("192.0.2.7", "198.51.100.1", bad, 443))
            self.assert_refused(version1("192.0.2.7", "198.51.100.1", 1234, bad))

    def test_malformed(self) -> None:
        """Any other line is rejected."""
        for line in (
            b"PROXY \r\n",
            b"PROXY TCP4\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 1234\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 1234 443 \r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 1234 443 5\r\n",
            b"PROXY TCP4  192.0.2.7 198.51.100.1 1234 443\r\n",
            b"PROXY TCP4\t192.0.2.7 198.51.100.1 1234 443\r\n",
            b"PROXY TCP5 192.0.2.7 198.51.100.1 1234 443\r\n",
            b"PROXY tcp4 192.0.2.7 198.51.100.1 1234 443\r\n",
            b"PROXY UDP4 192.0.2.7 198.51.100.1 1234 443\r\n",
            b"PROXY TCP4 192.0.2 198.51.100.1 1234 443\r\n",
            b"PROXY TCP4 192.0.2.07 198.51.100.1 1234 443\r\n",
            b"PROXY TCP4 2001:db8::7 198.51.100.1 1234 443\r\n",
            b"PROXY TCP4 192.0.2.7 nowhere 1234 443\r\n",
            b"PROXY TCP6 192.0.2.7 198.51.100.1 1234 443\r\n",
            b"PROXY TCP6 fe80::1%eth0 ::1 1234 443\r\n",
            b"PROXY unknown\r\n",
        ):
            self.assert_refused(line)

    def test_not_ended(self) -> None:
        """A line has at most 107 bytes, its end included."""
        longest = b"PROXY UNKNOWN ".ljust(105, b"x")
        self.assert_announces(longest + b"\r\n" + REST, Announcement(None, 0, None, REST))
        for stream in (longest + b"x\r\n", longest + b"\r \n", longest + b"\n", b"PROXY ".ljust(200, b"x")):
            self.assert_refused(stream.ljust(108, b"x"), "does not end")


class BinaryTests(ProxyProtocolCase):
    """Version 2 (section 2.2)."""

    def test_addresses(self) -> None:
        """The first address and port are the client's."""
        self.assertEqual(header(PROXY, TCP4, ADDRESSES), BINARY)
        self.assert_announces(BINARY + REST, Announcement(CLIENT, 1234, None, REST))
        six = version2("2001:db8::7", "2001:db8:ffff::1", 65535)
        self.assert_announces(six + REST, Announcement(IPv6Address("2001:db8::7"), 65535, None, REST))

    def test_no_address(self) -> None:
        """The front's own connections have none, nor have those over UNIX sockets; what else they hold is ignored."""
        nobody = Announcement(None, 0, None, REST)
        for command, family, content in (
            (LOCAL, UNSPEC, b""),
            (LOCAL, TCP4, ADDRESSES + tls(b"alice")),
            (LOCAL, TCP4, b"x"),
            (PROXY, UNSPEC, b""),
            (PROXY, UNSPEC, tls(b"alice")),
            (PROXY, UNIX, bytes(216) + tls(b"alice")),
        ):
            self.assert_announces(header(command, family, content) + REST, nobody)

    def test_unknown(self) -> None:
        """Another version, command or protocol is rejected."""
        for command in (0x00, 0x11, 0x22, 0x2F, 0x31):
            self.assert_refused(header(command, TCP4, ADDRESSES), "unsupported")
        for family in (UDP4, 0x10, 0x13, 0x22, 0x32, 0x41, 0xFF):
            self.assert_refused(header(PROXY, family, bytes(216)), "unsupported")

    def test_too_short(self) -> None:
        """The addresses must be there."""
        self.assert_refused(header(PROXY, TCP4, ADDRESSES[:-1]), "too short")
        self.assert_refused(header(PROXY, TCP6, bytes(35)), "too short")
        self.assert_refused(header(PROXY, TCP6, b""), "too short")

    def test_fields(self) -> None:
        """Fields that mean nothing here are passed over."""
        fields = (field(PP2_TYPE_AUTHORITY, b"gateway.example"), field(0x04, bytes(3)), field(0xEE, b""))
        stream = version2("192.0.2.7", "198.51.100.1", 1234, *fields)
        self.assert_announces(stream + REST, Announcement(CLIENT, 1234, None, REST))

    def test_cut_off_fields(self) -> None:
        """A field that goes beyond the header is rejected, inside that about TLS too."""
        for fields in (b"\x04", b"\x04\0", b"\x04\0\1", field(4, b"") + b"\x04\0\2x"):
            self.assert_refused(version2("192.0.2.7", "198.51.100.1", 1234, fields), "cut off")
            within = field(PP2_TYPE_SSL, b"\x07" + bytes(4) + fields)
            self.assert_refused(version2("192.0.2.7", "198.51.100.1", 1234, within), "cut off")

    def test_checksum(self) -> None:
        """A checksum, wherever it stands, must be that of the header (section 2.2.3); this is what HAProxy sends."""
        expected = Announcement(IPv4Address("127.0.0.1"), 58956, None, REST)
        self.assert_announces(CHECKED + REST, expected)
        for at in range(16, len(CHECKED)):
            if at not in (28, 29):  # the checksum's own kind, without which it is none, and length
                self.assert_refused(CHECKED[:at] + bytes((CHECKED[at] ^ 1,)) + CHECKED[at + 1 :], "damaged")
        before = version2("192.0.2.7", "198.51.100.1", 1234, field(0x04, b"x"), field(PP2_TYPE_CRC32C, bytes(4)))
        good = before[:-4] + crc32c(before).to_bytes(4)
        self.assert_announces(good + REST, Announcement(CLIENT, 1234, None, REST))
        for value in (b"", b"\0", bytes(4), bytes(5)):
            stream = version2("192.0.2.7", "198.51.100.1", 1234, field(PP2_TYPE_CRC32C, value))
            self.assert_refused(stream, "damaged")
        ignored = header(LOCAL, TCP4, ADDRESSES + field(PP2_TYPE_CRC32C, bytes(4)))
        self.assert_announces(ignored + REST, Announcement(None, 0, None, REST))

    def test_longest(self) -> None:
        """A header may be as long as its length can say."""
        room = 0xFFFF - len(ADDRESSES) - 3
        found = read([version2("192.0.2.7", "198.51.100.1", 1234, field(0xEE, bytes(room))), REST])
        self.assertEqual(Announcement(CLIENT, 1234, None, REST), found)


class CertificateTests(ProxyProtocolCase):
    """The client's certificate, as the front has seen it (section 2.2.5)."""

    def name(self, *fields: bytes) -> str | None:
        """Return the name that a header with these fields announces."""
        found = read([version2("192.0.2.7", "198.51.100.1", 1234, *fields)])
        assert found
        return found.common_name

    def test_recorded(self) -> None:
        """HAProxy's header is parsed."""
        self.assert_announces(RECORDED + REST, Announcement(IPv4Address("127.0.0.1"), 53130, "client-alice", REST))

    def test_verified(self) -> None:
        """A name counts if a certificate was shown, in the connection or the session, and the front has verified it."""
        for flags, verify, expected in (
            (0x07, 0, "alice"),
            (0x03, 0, "alice"),
            (0x05, 0, "alice"),
            (0x01, 0, None),
            (0x00, 0, None),
            (0x07, 1, None),
            (0x07, 0x0100_0000, None),
            (0x07, 20, None),
        ):
            self.assertEqual(expected, self.name(tls(b"alice", flags, verify)), (flags, verify))

    def test_nameless(self) -> None:
        """Without a name there is nobody."""
        for name in (None, b""):
            self.assertIsNone(self.name(tls(name)))
        self.assertIsNone(self.name())
        self.assertIsNone(self.name(field(PP2_SUBTYPE_SSL_CN, b"alice")), "outside the field about TLS")

    def test_unicode(self) -> None:
        """A name is UTF-8, and bad UTF-8 is rejected."""
        self.assertEqual("J\xfcrgen", self.name(tls("J\xfcrgen".encode())))
        self.assert_refused(version2("192.0.2.7", "198.51.100.1", 1234, tls(b"J\xfcrgen")), "not UTF-8")

    def test_twice(self) -> None:
        """Two words about the same leave open which one counts, and are rejected."""
        for fields in (
            tls(b"alice") + tls(b"bob"),
            tls(b"alice") + tls(b"alice"),
            field(PP2_TYPE_SSL, b"\x07" + bytes(4) + 2 * field(PP2_SUBTYPE_SSL_CN, b"alice")),
        ):
            self.assert_refused(version2("192.0.2.7", "198.51.100.1", 1234, fields), "duplicated")

    def test_too_short(self) -> None:
        """The field about TLS has flags and a result."""
        stream = version2("192.0.2.7", "198.51.100.1", 1234, field(PP2_TYPE_SSL, b"\x07\0\0\0"))
        self.assert_refused(stream, "too short")


class OtherTests(ProxyProtocolCase):
    """Invalid headers."""

    def test_refused_at_once(self) -> None:
        """As soon as a byte belongs to no header, nothing more is waited for."""
        for stream in (b"PO", b"\x16", b"PROXX", b"\r\n\r\nX", SIGNATURE[:-1] + b"X", b" ", b"\0"):
            self.assert_refused(stream, "sent no PROXY header")
            self.assertIsNone(read([stream[:-1]]) if stream[:-1] else None)

    @given(st.binary())
    def test_any_bytes(self, stream: bytes) -> None:
        """Any input is a header, an error or incomplete, with the same result byte by byte as at once."""
        outcomes = []
        for prefix in (b"", b"PROXY ", SIGNATURE, BINARY[:16]):
            whole = prefix + stream
            for pieces in ([whole], [whole[at : at + 1] for at in range(len(whole))]):
                try:
                    outcomes.append(read(pieces))
                except ProtocolError as error:
                    outcomes.append(str(error))  # type: ignore[arg-type]
            self.assertEqual(outcomes[-2], outcomes[-1])

    @given(st.ip_addresses(v=4), st.integers(0, 65535), st.text(min_size=1), st.binary(), st.data())
    def test_any_client(self, client: IPv4Address, port: int, name: str, rest: bytes, data: st.DataObject) -> None:
        """The announced client is the same for any split of the stream."""
        name = name.encode("utf-8", "replace").decode()
        stream = version2(str(client), "198.51.100.1", port, tls(name.encode())) + rest
        at = data.draw(st.integers(0, len(stream)))
        expected = Announcement(client, port, name, rest)
        self.assertEqual(expected, read([piece for piece in (stream[:at], stream[at:]) if piece]))
