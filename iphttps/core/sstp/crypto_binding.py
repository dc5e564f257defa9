"""The crypto binding: proof that TLS and PPP authentication have the same endpoints ([MS-SSTP] 3.2.5.2).

A man in the middle could terminate the client's TLS connection and relay the PPP authentication inside it to the real
server. Therefore the client sends in its CALL_CONNECTED the hash of the certificate that it saw in the TLS handshake,
and the nonce of this connection, under a MAC. The MAC's key comes from the PPP authentication, which the man in the
middle does not have:

    HLAK          the Higher-Layer Authentication Key: 32 bytes from the keys of MS-CHAPv2, or zeros where the method
                  has no keys, such as PAP
    CMK           the Compound MAC Key: HMAC(HLAK, seed, length, 1)
    compound MAC  HMAC(CMK, the CALL_CONNECTED with zeros in place of the MAC)

Without an HLAK, anyone can compute the MAC: then the binding proves nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable
from enum import Flag, IntEnum, auto

HLAK_LENGTH = 32
NO_HLAK = bytes(HLAK_LENGTH)
"""The HLAK of PAP, and of a connection without PPP authentication ([MS-SSTP] 3.2.5.2.2)."""

NONCE_LENGTH = 32
CALL_CONNECTED_LENGTH = 112  # [MS-SSTP] 2.2.11

# [MS-SSTP] 2.2.11: the header, the message type 4, one attribute; then the attribute Crypto Binding of 104 bytes.
_HEAD = bytes.fromhex("10010070 00040001 00030068 000000")
_HASH_PROTOCOL = len(_HEAD)
_NONCE = slice(16, 48)
_CERTIFICATE_HASH = 48
_COMPOUND_MAC = 80

_SEED = b"SSTP inner method derived CMK"  # [MS-SSTP] 3.2.5.2.2: 29 bytes, without a NUL
_LENGTH = struct.Struct("<H")  # the only little-endian integer of the protocol


class HashProtocol(IntEnum):
    """A hash function of the crypto binding: a bit of the Hash Protocol Bitmask ([MS-SSTP] 2.2.6, 2.2.7)."""

    SHA1 = 1
    SHA256 = 2

    @property
    def function(self) -> str:
        """The name of the function for hashlib."""
        return self.name.lower()

    @property
    def length(self) -> int:
        """The length of a hash in bytes."""
        return 20 if self is HashProtocol.SHA1 else 32


class Mismatch(Flag):
    """The invalid parts of a CALL_CONNECTED; NONE means that it is valid."""

    NONE = 0
    LENGTH = auto()
    """The message does not have 112 bytes; no other part was compared."""
    HASH_PROTOCOL = auto()
    """The hash function is unknown or was not offered; the hashes were not compared."""
    NONCE = auto()
    """The nonce is not the one sent on this connection."""
    CERTIFICATE_HASH = auto()
    """The client saw another certificate: TLS is terminated between it and this server."""
    COMPOUND_MAC = auto()
    """The client does not have the key of the PPP authentication, or the message was changed."""


def client_hlak(send_key: bytes, receive_key: bytes) -> bytes:
    """Return the HLAK of a client from its own master keys, padded with zeros to 32 bytes ([MS-SSTP] 3.2.5.2.2)."""
    return (send_key + receive_key)[:HLAK_LENGTH].ljust(HLAK_LENGTH, b"\0")


def server_hlak(send_key: bytes, receive_key: bytes) -> bytes:
    """Return the HLAK of a server from its own master keys, which equals that of its client ([MS-SSTP] 3.2.5.2.2).

    The server's receive key is the client's send key, and therefore comes first. RADIUS also names the keys from the
    server's point of view: MS-MPPE-Send-Key and MS-MPPE-Recv-Key (RFC 2548 section 2.4).
    """
    return client_hlak(receive_key, send_key)


def certificate_hash(certificate: bytes, protocol: HashProtocol) -> bytes:
    """Return the hash of the server's certificate, which is in DER."""
    return hashlib.new(protocol.function, certificate).digest()


def choose_protocol(offered: int, supported: Iterable[HashProtocol] = HashProtocol) -> HashProtocol | None:
    """Return the strongest supported function in a Crypto Binding Request's bitmask, or None ([MS-SSTP] 3.2.5.3.2)."""
    usable = [protocol for protocol in supported if offered & protocol.value]
    return max(usable, key=lambda protocol: protocol.length, default=None)


def compound_mac_key(hlak: bytes, protocol: HashProtocol) -> bytes:
    """Return the CMK, which is as long as a hash ([MS-SSTP] 3.2.5.2.2, 3.2.5.2.4).

    The PRF+ of RFC 4306 is truncated to the length of a hash, so that only its first block is needed.
    """
    return hmac.digest(hlak, _SEED + _LENGTH.pack(protocol.length) + b"\x01", protocol.function)


def compound_mac(cmk: bytes, message: bytes, protocol: HashProtocol) -> bytes:
    """Return the compound MAC of a CALL_CONNECTED ([MS-SSTP] 3.2.5.2.1, 3.2.5.2.3).

    The MAC field and the padding count as zeros, regardless of their content.
    """
    covered = message[: _CERTIFICATE_HASH + protocol.length]
    return hmac.digest(cmk, covered.ljust(CALL_CONNECTED_LENGTH, b"\0"), protocol.function)


def call_connected(hlak: bytes, nonce: bytes, hash_of_certificate: bytes, protocol: HashProtocol) -> bytes:
    """Return a client's CALL_CONNECTED, 112 bytes ([MS-SSTP] 2.2.11); the nonce is that of the Crypto Binding Request.

    Raises:
        ValueError: The nonce or the certificate's hash has the wrong length.
    """
    if len(nonce) != NONCE_LENGTH or len(hash_of_certificate) != protocol.length:
        raise ValueError("the nonce has 32 bytes, and the certificate's hash is of the same protocol as the MAC")
    head = _HEAD + bytes((protocol.value,)) + nonce + hash_of_certificate
    message = head.ljust(_COMPOUND_MAC, b"\0")
    mac = compound_mac(compound_mac_key(hlak, protocol), message, protocol)
    return (message + mac).ljust(CALL_CONNECTED_LENGTH, b"\0")


def check_call_connected(
    message: bytes,
    *,
    hlak: bytes,
    nonce: bytes,
    certificate_hashes: Iterable[bytes],
    offered: Iterable[HashProtocol] = HashProtocol,
) -> Mismatch:
    """Verify a CALL_CONNECTED; return the parts that are invalid ([MS-SSTP] 3.3.5.2.3).

    The caller has checked the headers of the message and the attribute. `nonce` is the nonce of this connection's
    Crypto Binding Request. `certificate_hashes` holds both hashes of the certificate of this connection's TLS
    handshake, or of every certificate that a TLS terminator in front of the server may use ([MS-SSTP] 4.6).

    Every part is compared in constant time, even after a mismatch.
    """
    if len(message) != CALL_CONNECTED_LENGTH:
        return Mismatch.LENGTH
    found = Mismatch.NONE
    if not hmac.compare_digest(message[_NONCE], nonce):
        found |= Mismatch.NONCE
    protocol = next((each for each in offered if each.value == message[_HASH_PROTOCOL]), None)
    if protocol is None:
        return found | Mismatch.HASH_PROTOCOL
    shown = message[_CERTIFICATE_HASH : _CERTIFICATE_HASH + protocol.length]
    if not sum(hmac.compare_digest(shown, each) for each in certificate_hashes):
        found |= Mismatch.CERTIFICATE_HASH
    mac = message[_COMPOUND_MAC : _COMPOUND_MAC + protocol.length]
    if not hmac.compare_digest(mac, compound_mac(compound_mac_key(hlak, protocol), message, protocol)):
        found |= Mismatch.COMPOUND_MAC
    return found
