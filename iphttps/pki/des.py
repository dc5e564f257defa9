"""The DES block cipher (FIPS 46-3), for MS-CHAPv2 alone (RFC 2759 section 8.6)."""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes


def encrypt(key: bytes, block: bytes) -> bytes:
    """Return a block of 8 bytes encrypted with a key of 8 bytes, whose parity bits are not looked at.

    Triple DES encrypts, decrypts and encrypts; with three equal keys the first two steps cancel out.
    """
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()
