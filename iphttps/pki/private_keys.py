"""Private keys, read from the operator's files by OpenSSL itself."""

from __future__ import annotations

from pathlib import Path

from OpenSSL import crypto

from ..core.errors import ConfigError
from . import pem

_KEY = "PRIVATE KEY"
_ENCRYPTIONS = tuple(map(bytes.fromhex, ("2a864886f70d0105", "2a864886f70d010c01")))
"""How the identifiers of PKCS#8's encryptions begin (RFC 8018 appendix A, RFC 7292 appendix C)."""


def parse_private_keys(path: Path, content: bytes) -> list[crypto.PKey]:
    """Return the private keys of a file in PEM or DER.

    Blocks of other kinds, such as EC PARAMETERS and the certificate itself, may stand in the same file.

    Raises:
        ConfigError: If there is none that can be used.
    """
    if pem.is_der(content):
        return [_parse_der(path, content)]
    found = [block for block in pem.blocks(content) if block.label.endswith(_KEY)]
    keys = [key for block in found if (key := _parse(block))]
    if keys:
        return keys
    if any(block.encrypted for block in found):
        raise _encrypted(path)
    if any(block.label.startswith("OPENSSH") for block in found):
        raise ConfigError(f"{path} is a key of OpenSSH: `ssh-keygen -p -m PKCS8 -f {path}` makes it one of OpenSSL")
    if found:
        raise ConfigError(f"{path} holds a private key that OpenSSL cannot read: was it written to the end?")
    raise ConfigError(f"{path} holds no private key in PEM or DER form")


def _parse(block: pem.Block) -> crypto.PKey | None:
    if block.data is None or block.encrypted:
        return None
    # In OpenSSL's own form, since it is strict about lines and blanks. A label may name another form than the key has.
    for label in dict.fromkeys((block.label, _KEY)):
        text = pem.written(label, block.data)
        try:
            return crypto.load_privatekey(crypto.FILETYPE_PEM, text, b"")
        except crypto.Error:
            continue
    try:
        return crypto.load_privatekey(crypto.FILETYPE_ASN1, block.data)
    except crypto.Error:
        return None


def _parse_der(path: Path, content: bytes) -> crypto.PKey:
    try:
        return crypto.load_privatekey(crypto.FILETYPE_ASN1, content)
    except crypto.Error as error:
        if any(content[2:24].find(each) >= 0 for each in _ENCRYPTIONS):
            raise _encrypted(path) from error
        if sentence := pem.container(path, content):
            raise ConfigError(sentence) from error
        raise ConfigError(f"{path} holds no private key in PEM or DER form") from error


def _encrypted(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} needs a password, and nobody is there to type it: `openssl pkey -in {path} -out NEW` writes a key "
        "without one"
    )
