"""Tests for iphttps.core.sstp.radius."""

from __future__ import annotations

import contextlib
import hashlib
import struct
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.counters import Counters
from iphttps.core.errors import ProtocolError
from iphttps.core.queues.rate import AS_CONFIGURED, GrantedRate
from iphttps.core.sstp import radius
from iphttps.core.sstp.crypto_binding import NO_HLAK
from iphttps.core.sstp.ppp import mschapv2
from iphttps.core.sstp.ppp.chap import Response
from iphttps.core.sstp.ppp.mschapv2_authenticator import Verify
from iphttps.core.sstp.ppp.pap import AuthenticateRequest
from iphttps.core.sstp.radius import Received, Status, TerminateCause, Type
from iphttps.pki import des

SECRET, AUTHENTICATOR = b"shared", bytes(range(16))
# RFC 2759 section 9.2 and RFC 3079 section 3.5.3: the user `User` with the password `clientPass`
CHALLENGE = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
RESPONSE = Response(
    7,
    bytes.fromhex("21402324255E262A28295F2B3A337C7E"),
    bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF"),
    b"User",
)
PROVEN = b"S=407A5589115FD0D6209F510FE9C04566932CDA56"
SERVER_SEND = bytes.fromhex("8B7CDC149B993A1BA118CB153F56DCCB")
NT_HASH = bytes.fromhex("44EBBA8D5312B8D611474411F56989AE")
SERVER_RECEIVE = mschapv2.server_keys(NT_HASH, RESPONSE.nt_response).receive
KEYS = mschapv2.MasterKeys(SERVER_SEND, SERVER_RECEIVE)
VERIFY = Verify(CHALLENGE, RESPONSE)
PASSWORD = AuthenticateRequest(1, b"bob", b"secret")


def hidden(key: bytes, salt: bytes = b"\x80\x01", secret: bytes = SECRET) -> bytes:
    """Encrypt a key as RFC 2548 section 2.4.2 describes, step by step."""
    plain = bytes((len(key),)) + key
    plain += bytes(-len(plain) % 16)
    found, last = b"", AUTHENTICATOR + salt
    for start in range(0, len(plain), 16):
        mask = int.from_bytes(hashlib.md5(secret + last).digest(), "big")
        last = (int.from_bytes(plain[start : start + 16], "big") ^ mask).to_bytes(16, "big")
        found += last
    return salt + found


def accept(**changes: tuple[bytes, ...]) -> Received:
    """Return the attributes of an Access-Accept for MS-CHAPv2, with changes by name."""
    names = {
        "success": radius.CHAP2_SUCCESS,
        "send": radius.MPPE_SEND_KEY,
        "receive": radius.MPPE_RECV_KEY,
        "address": Type.FRAMED_IP_ADDRESS,
        "timeout": Type.SESSION_TIMEOUT,
        "idle": Type.IDLE_TIMEOUT,
        "interim": Type.ACCT_INTERIM_INTERVAL,
        "name": Type.USER_NAME,
        "classes": Type.CLASS,
        "up": (14122, 7),
        "down": (14122, 8),
    }
    values: dict[str, tuple[bytes, ...]] = {
        "success": (b"\x07" + PROVEN,),
        "send": (hidden(SERVER_SEND),),
        "receive": (hidden(SERVER_RECEIVE),),
        **changes,
    }
    return {names[name]: value for name, value in values.items()}


def read(attributes: Received) -> radius.Accepted:
    """Read an Access-Accept for the client that has used MS-CHAPv2."""
    return radius.read_accept(attributes, VERIFY, SECRET, AUTHENTICATOR)


class RequestTests(SynchronousTestCase):
    """The attributes of an Access-Request."""

    def test_mschapv2(self) -> None:
        """MS-CHAP2-Response is Ident, Flags, Peer-Challenge, 8 zeros, Response (RFC 2548 section 2.3.2)."""
        found = dict(radius.access_request(VERIFY, IPv4Address("192.0.2.1"), b"gateway", b"1f"))
        self.assertEqual(found[Type.USER_NAME], b"User")
        self.assertEqual(found[311, 11], CHALLENGE)
        value = found[311, 25]
        self.assertEqual(len(value), 50)
        self.assertEqual(value, b"\x07\x00" + RESPONSE.peer_challenge + bytes(8) + RESPONSE.nt_response)
        self.assertEqual(found[Type.CALLING_STATION_ID], b"192.0.2.1")
        self.assertEqual(found[Type.NAS_IDENTIFIER], b"gateway")
        self.assertEqual(found[Type.ACCT_SESSION_ID], b"1f")

    def test_pap(self) -> None:
        """A password is left to who hides it; without an outer address there is no Calling-Station-Id."""
        found = dict(radius.access_request(PASSWORD, None, b"gateway", b"1f"))
        self.assertEqual(found[Type.USER_NAME], b"bob")
        self.assertNotIn(Type.USER_PASSWORD, found)
        self.assertNotIn(Type.CALLING_STATION_ID, found)

    def test_too_long(self) -> None:
        """A name of 1 to 253 bytes fits into an attribute, a password of 128 can be hidden (RFC 2865 section 5)."""
        for name, password in ((b"", b""), (b"x" * 254, b""), (b"bob", b"x" * 129)):
            with self.assertRaises(ProtocolError):
                radius.access_request(AuthenticateRequest(1, name, password), None, b"gateway", b"1f")
        radius.access_request(AuthenticateRequest(1, b"x" * 253, b"x" * 128), None, b"gateway", b"1f")


class AcceptTests(SynchronousTestCase):
    """The content of an Access-Accept."""

    def test_keys(self) -> None:
        """The HLAK is the receive key and the send key of the server, decrypted ([MS-SSTP] 3.2.5.2.2, RFC 2548)."""
        found = read(accept())
        self.assertEqual(found.hlak, SERVER_RECEIVE + SERVER_SEND)
        # The server proves itself as if it had checked the response here (RFC 2759 section 9.2).
        self.assertEqual(mschapv2.verify(NT_HASH, CHALLENGE, RESPONSE, des.encrypt), mschapv2.Proof(PROVEN, KEYS))
        self.assertEqual(found.success, PROVEN)
        self.assertEqual(found, radius.Accepted(b"", PROVEN, SERVER_RECEIVE + SERVER_SEND))

    def test_granted(self) -> None:
        """The address, the times and the classes are those of RFC 2865; interim records come once a minute at most."""
        found = read(
            accept(
                address=(bytes((10, 0, 0, 7)),),
                timeout=(struct.pack("!I", 3600),),
                idle=(struct.pack("!I", 600),),
                interim=(struct.pack("!I", 10),),
                name=(b"user@example.org",),
                classes=(b"a", b"b"),
            )
        )
        self.assertEqual(found.address, IPv4Address("10.0.0.7"))
        self.assertEqual((found.session_timeout, found.idle_timeout, found.interim), (3600, 600, 60))
        self.assertEqual((found.name, found.classes), (b"user@example.org", (b"a", b"b")))
        self.assertEqual(read(accept(interim=(struct.pack("!I", 900),))).interim, 900)

    def test_max_rate(self) -> None:
        """The maximum rates are those of WISPr, each by itself; 0 is no limit, and none is that of the settings."""
        twenty = struct.pack("!I", 20_000_000)
        for found, rate in (
            (accept(), AS_CONFIGURED),
            (accept(up=(twenty,), down=(bytes(4),)), GrantedRate(20_000_000, 0)),
            (accept(down=(twenty, bytes(4))), GrantedRate(None, 20_000_000)),
        ):
            self.assertEqual(rate, read(found).max_rate)

    def test_pool(self) -> None:
        """255.255.255.254 and 255.255.255.255 leave the address to the pool (RFC 2865 section 5.8)."""
        for last in (254, 255):
            self.assertIsNone(read(accept(address=(bytes((255, 255, 255, last)),))).address)

    def test_pap(self) -> None:
        """After PAP there are no keys, and none are looked for."""
        found = radius.read_accept({}, PASSWORD, SECRET, AUTHENTICATOR)
        self.assertEqual(found, radius.Accepted())
        self.assertEqual(found.hlak, NO_HLAK)

    def test_missing(self) -> None:
        """Without the keys or the authenticator response, MS-CHAPv2 cannot end: the sentence says what is missing."""
        for name, what in (("send", "Send-Key"), ("receive", "Recv-Key"), ("success", "Success")):
            with self.assertRaises(ProtocolError) as caught:
                read(accept(**{name: ()}))
            self.assertIn(what, str(caught.exception))

    def test_malformed(self) -> None:
        """A wrong identifier, a short response, a number of another length: the login fails (RFC 2865 section 5)."""
        for wrong in (
            accept(success=(b"\x08" + PROVEN,)),
            accept(success=(b"\x07" + PROVEN[:-1],)),
            accept(success=(b"\x07" + b"T" + PROVEN[1:],)),
            accept(success=(b"",)),
            accept(timeout=(b"\0\0\x01",)),
            accept(address=(bytes(16),)),
            accept(up=(b"20M",)),
            accept(send=(hidden(SERVER_SEND), hidden(SERVER_SEND))),
        ):
            with self.assertRaises(ProtocolError):
                read(wrong)


class KeyTests(SynchronousTestCase):
    """MS-MPPE-Send-Key and MS-MPPE-Recv-Key (RFC 2548 section 2.4.2)."""

    @given(st.binary(min_size=1, max_size=64), st.binary(min_size=2, max_size=2))
    def test_round(self, key: bytes, salt: bytes) -> None:
        """A key of any length is decrypted, over any number of blocks."""
        self.assertEqual(radius.mppe_key(hidden(key, salt), SECRET, AUTHENTICATOR), key)

    def test_wrong(self) -> None:
        """Another secret, another length, and a value that is too short are rejected."""
        value = hidden(SERVER_SEND)
        for wrong in (hidden(SERVER_SEND, secret=b"other"), value[:-1], value + b"\0", value[:2], value[:1], b""):
            with self.assertRaises(ProtocolError):
                radius.mppe_key(wrong, SECRET, AUTHENTICATOR)

    @given(st.binary(max_size=70))
    def test_any(self, value: bytes) -> None:
        """Any value gives a key or a ProtocolError."""
        with contextlib.suppress(ProtocolError):
            self.assertTrue(radius.mppe_key(value, SECRET, AUTHENTICATOR))


class RejectTests(SynchronousTestCase):
    """The content of an Access-Reject."""

    def test_code(self) -> None:
        """The client gets the code of MS-CHAP-Error (RFC 2548 section 2.1.5), the log the Reply-Message."""
        error = b"\x07E=647 R=0 C=00112233445566778899AABBCCDDEEFF V=3 M=disabled"
        found = radius.read_reject({radius.CHAP_ERROR: (error,), Type.REPLY_MESSAGE: (b"no", b"way\n")})
        self.assertEqual(found, (647, "no way\\x0a"))

    def test_without(self) -> None:
        """Without one that can be read it is 691, a wrong name or password (RFC 2759 section 6)."""
        self.assertEqual(radius.read_reject({}), (691, ""))
        self.assertEqual(radius.read_reject({radius.CHAP_ERROR: (b"\x07what",)}), (691, ""))


class AccountingTests(SynchronousTestCase):
    """The attributes of an Accounting-Request (RFC 2866)."""

    def test_session(self) -> None:
        """A record has the session's identity, its addresses and classes, and the time of day (RFC 2869 5.3)."""
        found = radius.accounting(
            Status.START,
            1_700_000_000.9,
            nas=b"gateway",
            session=b"1f",
            name=b"alice",
            address=IPv6Address("2001:db8::1"),
            ipv4=bytes((10, 0, 0, 7)),
            classes=(b"a", b"b"),
        )
        self.assertEqual([value for key, value in found if key == Type.CLASS], [b"a", b"b"])
        values = dict(found)
        self.assertEqual(values[Type.ACCT_STATUS_TYPE], struct.pack("!I", 1))
        self.assertEqual(values[Type.EVENT_TIMESTAMP], struct.pack("!I", 1_700_000_000))
        self.assertEqual(values[Type.USER_NAME], b"alice")
        self.assertEqual(values[Type.CALLING_STATION_ID], b"2001:db8::1")
        self.assertEqual(values[Type.FRAMED_IP_ADDRESS], bytes((10, 0, 0, 7)))
        self.assertEqual(values[Type.ACCT_SESSION_ID], b"1f")

    def test_no_address(self) -> None:
        """A session without IPv4 has no Framed-IP-Address."""
        found = radius.accounting(Status.START, 0.0, nas=b"gateway", session=b"1f", name=b"alice")
        self.assertNotIn(Type.FRAMED_IP_ADDRESS, dict(found))

    def test_server(self) -> None:
        """A record about the server itself names no user (RFC 2866 section 5.1)."""
        found = dict(radius.accounting(Status.ON, 0.0, nas=b"gateway", session=b"own"))
        self.assertEqual(
            set(found), {Type.ACCT_STATUS_TYPE, Type.EVENT_TIMESTAMP, Type.NAS_IDENTIFIER, Type.ACCT_SESSION_ID}
        )

    def test_usage(self) -> None:
        """Input is what came from the client; what exceeds 32 bits is in the gigawords (RFC 2869 section 5.1)."""
        counters = Counters(packets_in=1, bytes_in=(5 << 32) + 2, packets_out=3, bytes_out=4)
        found = {key: int.from_bytes(value, "big") for key, value in radius.usage(counters, 61.9)}
        self.assertEqual(found, {46: 61, 42: 2, 43: 4, 47: 1, 48: 3, 52: 5, 53: 0})

    def test_cause(self) -> None:
        """The last record says why the session has ended (RFC 2866 section 5.10)."""
        found = dict(radius.usage(Counters(), 0.0, TerminateCause.SESSION_TIMEOUT))
        self.assertEqual(found[Type.ACCT_TERMINATE_CAUSE], struct.pack("!I", 5))
