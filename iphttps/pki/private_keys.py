"""Private keys from the operator's files, parsed by OpenSSL."""

from __future__ import annotations

from pathlib import Path

from OpenSSL import crypto

from ..core.errors import ConfigError
from . import pem

_KEY = "PRIVATE KEY"
_ENCRYPTIONS = tuple(map(bytes.fromhex, ("2a864886f70d0105", "2a864886f70d010c01")))
"""OID prefixes of the PKCS#8 encryption schemes (RFC 8018 appendix A, RFC 7292 appendix C)."""


def parse_private_keys(path: Path, content: bytes) -> list[crypto.PKey]:
    """Return the private keys in the content of a PEM or DER file; `path` is only for error messages.

    Other PEM blocks, such as EC PARAMETERS or the certificate, are ignored.

    Raises:
        ConfigError: There is no usable key.
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
        raise ConfigError(f"{path} is an OpenSSH key: `ssh-keygen -p -m PKCS8 -f {path}` converts it for OpenSSL")
    if found:
        raise ConfigError(f"{path} holds a private key that OpenSSL cannot read: the file may be truncated")
    raise ConfigError(f"{path} holds no private key in PEM or DER form")


def _parse(block: pem.Block) -> crypto.PKey | None:
    if block.data is None or block.encrypted:
        return None
    # Rewritten in OpenSSL's format, because OpenSSL is strict about line breaks and spaces. The label may be wrong
    # about the key's format.
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
        f"{path} is encrypted, and a daemon cannot ask for the password: `openssl pkey -in {path} -out NEW` decrypts it"
    )
