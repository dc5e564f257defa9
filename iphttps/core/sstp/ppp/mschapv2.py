"""The calculations of MS-CHAPv2 (RFC 2759 section 8) and of the keys derived from it (RFC 3079 section 3).

The password is never sent, only proof that both ends know its NT hash. DES is an argument, since core has no ciphers: a
function of an 8-byte key, whose parity bits are ignored, and an 8-byte block.

MS-CHAPv2 alone is weak: an observer of the exchange can find the NT hash by a search of 2^56 DES keys. It relies on the
protection of the TLS connection.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from .chap import Response
from .md4 import md4
from .user_names import without_domain

DES = Callable[[bytes, bytes], bytes]

KEY_LENGTH = 16
"""Length of a 128-bit master key in bytes (RFC 3079 section 3.3)."""

NOBODY = bytes(16)
"""The NT hash used for an unknown user, so that verification takes the same time."""

# RFC 2759 section 8.7
_SIGNING = b"Magic server to client signing constant"
_ITERATION = b"Pad to make it do more than one iteration"

# RFC 3079 section 3.4
_MASTER = b"This is the MPPE Master Key"
_CLIENT_SENDS = b"On the client side, this is the send key; on the server side, it is the receive key."
_SERVER_SENDS = b"On the client side, this is the receive key; on the server side, it is the send key."
_PAD_1, _PAD_2 = bytes(40), b"\xf2" * 40


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The keys of one end, 16 bytes each; its send key is the other end's receive key (RFC 3079 section 3)."""

    send: bytes
    receive: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of a successful verification of a peer's Response."""

    success: bytes
    """The authenticator response, 42 bytes: `S=` and 40 hexadecimal digits (RFC 2759 section 5)."""

    keys: MasterKeys
    """The authenticator's keys."""


def nt_password_hash(password: str) -> bytes:
    """Return the NT hash of a password, 16 bytes (RFC 2759 section 8.3)."""
    return md4(password.encode("utf-16-le", "surrogatepass"))


def challenge_hash(peer_challenge: bytes, challenge: bytes, name: bytes) -> bytes:
    """Return the challenge hash, 8 bytes, over the name as sent without its domain (RFC 2759 section 8.2).

    For `EXAMPLE\\alice` a Windows client hashes `alice`, for `alice@example.org` the whole name.
    """
    return hashlib.sha1(peer_challenge + challenge + without_domain(name)).digest()[:8]


def challenge_response(hashed_challenge: bytes, nt_hash: bytes, des: DES) -> bytes:
    """Return 8 bytes encrypted with each third of the padded NT hash, 24 bytes (RFC 2759 section 8.5)."""
    padded = nt_hash + bytes(5)
    return b"".join(des(_des_key(padded[start : start + 7]), hashed_challenge) for start in (0, 7, 14))


def nt_response(peer_challenge: bytes, challenge: bytes, name: bytes, nt_hash: bytes, des: DES) -> bytes:
    """Return the NT-Response, 24 bytes (RFC 2759 section 8.1)."""
    return challenge_response(challenge_hash(peer_challenge, challenge, name), nt_hash, des)


def authenticator_response(nt_hash: bytes, challenge: bytes, response: Response) -> bytes:
    """Return the authenticator response, `S=` and 40 hexadecimal digits (RFC 2759 section 8.7)."""
    digest = hashlib.sha1(md4(nt_hash) + response.nt_response + _SIGNING).digest()
    hashed = challenge_hash(response.peer_challenge, challenge, response.name)
    return b"S=" + hashlib.sha1(digest + hashed + _ITERATION).hexdigest().upper().encode("ascii")


def client_keys(nt_hash: bytes, response_sent: bytes) -> MasterKeys:
    """Return the keys of the peer that sent this NT-Response (RFC 3079 section 3.4)."""
    master = hashlib.sha1(md4(nt_hash) + response_sent + _MASTER).digest()[:KEY_LENGTH]

    def start_key(direction: bytes) -> bytes:
        return hashlib.sha1(master + _PAD_1 + direction + _PAD_2).digest()[:KEY_LENGTH]

    return MasterKeys(start_key(_CLIENT_SENDS), start_key(_SERVER_SENDS))


def server_keys(nt_hash: bytes, response_received: bytes) -> MasterKeys:
    """Return the keys of the authenticator that received this NT-Response (RFC 3079 section 3.4)."""
    keys = client_keys(nt_hash, response_received)
    return MasterKeys(keys.receive, keys.send)


def verify(nt_hash: bytes | None, challenge: bytes, response: Response, des: DES) -> Proof | None:
    """Verify a peer's Response to a challenge; return None if it is wrong (RFC 2759 section 4).

    For an unknown user `nt_hash` is None: the result is None, after the same time.
    """
    known = NOBODY if nt_hash is None else nt_hash
    expected = nt_response(response.peer_challenge, challenge, response.name, known, des)
    if not hmac.compare_digest(expected, response.nt_response) or nt_hash is None:
        return None
    return Proof(
        authenticator_response(nt_hash, challenge, response),
        server_keys(nt_hash, response.nt_response),
    )


def respond(
    nt_hash: bytes, identifier: int, challenge: bytes, peer_challenge: bytes, name: bytes, des: DES
) -> Response:
    """Return a peer's Response to a Challenge of this identifier; `peer_challenge` is 16 random bytes."""
    return Response(
        identifier,
        peer_challenge,
        nt_response(peer_challenge, challenge, name, nt_hash, des),
        name,
    )


def check_success(message: bytes, nt_hash: bytes, challenge: bytes, response: Response) -> bool:
    """Tell whether the message of a Success packet has the right authenticator response.

    Otherwise the peer must end the link (RFC 2759 section 5).
    """
    # Some authenticators send lower-case digits.
    proof = message[:2] + message[2:42].upper()
    return hmac.compare_digest(proof, authenticator_response(nt_hash, challenge, response))


def _des_key(seven: bytes) -> bytes:
    """Return 56 bits as an 8-byte DES key, with zero parity bits (RFC 2759 section 8.6)."""
    bits = int.from_bytes(seven, "big")
    return bytes(bits >> shift << 1 & 0xFE for shift in range(49, -1, -7))
