"""MS-CHAPv2 of a client (RFC 2759) and its keys (RFC 3079), with scapy's MD4: nothing of ours that it could share."""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from scapy.layers.tls.crypto.hash import Hash_MD4

_SIGNING = b"Magic server to client signing constant"
_ITERATION = b"Pad to make it do more than one iteration"
_MASTER = b"This is the MPPE Master Key"
_CLIENT_SENDS = b"On the client side, this is the send key; on the server side, it is the receive key."
_CLIENT_RECEIVES = b"On the client side, this is the receive key; on the server side, it is the send key."


@dataclass(frozen=True, slots=True)
class Login:
    """A client's Response to a Challenge, and the keys."""

    value: bytes
    """The Value of the Response packet, 49 bytes (RFC 2759 4)."""

    success: bytes
    """The beginning of the Message of an honest server's Success packet: `S=` and 40 digits (RFC 2759 5)."""

    send_key: bytes
    receive_key: bytes
    """The client's master keys, 16 bytes each (RFC 3079 3)."""


def log_in(user: str, password: str, challenge: bytes, peer_challenge: bytes) -> Login:
    """Answer an authenticator's challenge of 16 bytes with a challenge of the peer's own, as long."""
    both = hashlib.sha1(peer_challenge + challenge + user.encode()).digest()[:8]
    password_hash = _md4(password.encode("utf-16-le"))
    padded = password_hash.ljust(21, b"\0")
    response = b"".join(_des(padded[at : at + 7], both) for at in (0, 7, 14))
    password_hash_hash = _md4(password_hash)
    signed = hashlib.sha1(password_hash_hash + response + _SIGNING).digest()
    success = hashlib.sha1(signed + both + _ITERATION).hexdigest().upper()
    master = hashlib.sha1(password_hash_hash + response + _MASTER).digest()[:16]
    return Login(
        peer_challenge + bytes(8) + response + b"\0",
        b"S=" + success.encode(),
        _start_key(master, _CLIENT_SENDS),
        _start_key(master, _CLIENT_RECEIVES),
    )


def _start_key(master: bytes, magic: bytes) -> bytes:
    return hashlib.sha1(master + bytes(40) + magic + b"\xf2" * 40).digest()[:16]


def _md4(text: bytes) -> bytes:
    return bytes(Hash_MD4().digest(text))


def _des(key: bytes, block: bytes) -> bytes:
    bits = int.from_bytes(key)
    # Seven bits to a byte; the eighth is parity, which nobody checks. Three equal keys make DES of Triple DES.
    spread = bytes((bits >> shift & 0x7F) << 1 for shift in range(49, -1, -7))
    encryptor = Cipher(TripleDES(spread * 3), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()
