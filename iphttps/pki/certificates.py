"""Certificates and keys: read from the operator's files, and put into words."""

from __future__ import annotations

import os
import re
import stat
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

from ..core.errors import ConfigError
from ..core.identity import Identity, printable, shortened
from ..core.text import without_mark
from . import lenient, pem
from .lenient import UNREADABLE as UNREADABLE  # for those who read certificates by this file
from .private_keys import parse_private_keys

# What may stand unescaped in an alternative name. Without "=" none looks like a subject, without "," or a blank
# like two; only addresses of mail have "@".
_NOT_IN_NAME = re.compile(r"[^!-~]|[,=\\]")
_NOT_IN_DNS_NAME = re.compile(r"[^A-Za-z0-9.*_-]")

_USER_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # what Active Directory puts there
_UTF8_STRING = 0x0C

PIN = "sha256//"

SHOWN_HOSTS = 5
"""How many names of a certificate stand in a sentence about it."""

_ATTRIBUTES = {NameOID.EMAIL_ADDRESS: "emailAddress"}


# Files.


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate chain, the own one first, and its private key."""

    chain: list[x509.Certificate]
    key: crypto.PKey

    @classmethod
    def load(cls, certificate: Path, private_key: Path) -> Credentials:
        """Read both from files in PEM or DER.

        Raises:
            ConfigError: If they cannot serve, an expired one included.
        """
        chain = load_certificates(certificate)
        # OpenSSL's key, as it read it: of some keys, such as one for RSA-PSS only, cryptography makes another kind.
        keys = parse_private_keys(private_key, read(private_key))
        key = next((each for each in keys if _is_key_of(each, chain[0])), None)
        if key is None:
            raise ConfigError(
                f"{private_key} is not the key of {certificate}: give the key with which it was requested"
            )
        if sentence := expired(certificate, chain[0], datetime.now(UTC)):
            raise ConfigError(sentence)
        return cls(chain, key)

    def install(self, context: SSL.Context) -> None:
        """Have the context present this certificate."""
        context.use_certificate(lenient.as_openssl(self.chain[0]))
        for certificate in self.chain[1:]:
            context.add_extra_chain_cert(lenient.as_openssl(certificate))
        context.use_privatekey(self.key)


def expired(path: Path, certificate: x509.Certificate, now: datetime) -> str | None:
    """Say that the certificate in a file has expired, if it has."""
    expiry = certificate.not_valid_after_utc
    return f"{path} has expired on {expiry:%Y-%m-%d %H:%M} UTC: renew it" if expiry < now else None


def _is_key_of(key: crypto.PKey, certificate: x509.Certificate) -> bool:
    own, other = (
        crypto.dump_publickey(crypto.FILETYPE_ASN1, each)
        for each in (lenient.as_openssl(certificate).get_pubkey(), key)
    )
    try:
        # The parameters of one key may be written in several ways.
        return own == other or load_der_public_key(own) == load_der_public_key(other)
    except UNREADABLE:  # a kind of key that cryptography does not know
        return False


def load_certificates(path: Path) -> list[x509.Certificate]:
    """Read the certificates in a file, in PEM or one in DER.

    Raises:
        ConfigError: If there is none, or one is damaged.
    """
    content = read(path)
    data = certificate_data(content)
    found = [parsed_certificate(each) for each in data]
    if found in ([], [None]) and (sentence := pem.container(path, content)):
        raise ConfigError(sentence)
    if not found:
        raise ConfigError(f"{path} holds no certificate in PEM or DER form")
    if None in found:
        which = f"number {found.index(None) + 1} of {len(found)} certificates" if len(found) > 1 else "a certificate"
        raise ConfigError(f"{path} holds {which} that cannot be read: was it written to the end? Put a good copy there")
    return [each for each in found if each]


CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
"""What OpenSSL calls a certificate in PEM: now, in old versions, and with trust settings."""


def certificate_data(content: bytes, usage: bytes | None = None) -> list[bytes | None]:
    """Return the DER of each certificate in a file, None for one that is damaged.

    Given a usage, a certificate whose own settings (TRUSTED CERTIFICATE) do not trust it for that is left out.
    """
    if pem.is_der(content):
        return [pem.first(content)]
    found: list[bytes | None] = []
    for block in pem.blocks(content):
        if block.label not in CERTIFICATE_LABELS:
            continue
        data = block.data
        if data is not None and block.label == "TRUSTED CERTIFICATE":
            try:
                if usage is not None and not pem.is_trusted_for(data, usage):
                    continue
                data = pem.without_trust(data)
            except ValueError:
                data = None
        found.append(data)
    return found


def parsed_certificate(data: bytes | None) -> x509.Certificate | None:
    """Return a certificate given in DER, or None if it cannot be read."""
    try:
        return lenient.kept(data) if data is not None else None
    except UNREADABLE:
        return None


def read(path: Path) -> bytes:
    """Read a file, without a byte order mark in front of its text.

    A pipe or a device is refused: a running daemon reads some of these files again, and must not wait for anybody.

    Raises:
        ConfigError: If that cannot be.
    """
    try:
        with open(path, "rb", opener=opener) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"cannot read {path}: it is no regular file")
            return without_mark(file.read())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def opener(path: str, flags: int) -> int:
    """Open a file without waiting for anybody, as `open` has it done."""
    return os.open(path, flags | os.O_NONBLOCK)


def pin(certificate: x509.Certificate) -> str:
    """Return the fingerprint of the certificate's public key, as `--pin` and curl's --pinnedpubkey write it."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PIN + b64encode(sha256(key).digest()).decode("ascii")


def parse_pin(text: str) -> str:
    """Read such a fingerprint.

    Raises:
        ConfigError: ???
    """
    try:
        digest = b64decode(text.removeprefix(PIN), validate=True)
    except ValueError:
        digest = b""
    if not text.startswith(PIN) or len(digest) != sha256().digest_size:
        raise ConfigError(f"--pin {text!r} is not a key's fingerprint: it must look like {PIN}, then 44 characters")
    return PIN + b64encode(digest).decode("ascii")


# Words.


def subject(certificate: x509.Certificate) -> str:
    """Return the subject, fit for a log."""
    return shortened(distinguished(certificate.subject)) or "(no subject)"


def issuer(certificate: x509.Certificate) -> str:
    """Return the issuer, fit for a log."""
    return shortened(distinguished(certificate.issuer)) or "(no issuer)"


def hosts(certificate: x509.Certificate) -> str:
    """Return the names that the certificate is for, the first of them if there are many, fit for a log."""
    found = [shortened(name) for name in names(certificate)]
    if len(found) > SHOWN_HOSTS:
        found[SHOWN_HOSTS:] = [f"{len(found) - SHOWN_HOSTS} more"]
    # RFC 9525 section 2: a common name does not count.
    return ", ".join(found) or f"no name at all but the subject {subject(certificate)}"


def distinguished(name: x509.Name) -> str:
    """Write a distinguished name as RFC 4514 says, in printable ASCII."""
    return printable(name.rfc4514_string(_ATTRIBUTES))


def parsed(name: str) -> x509.Name:
    """Read a distinguished name written as `distinguished` does.

    Raises:
        ValueError: ???
    """
    return x509.Name.from_rfc4514_string(name, {word: kind for kind, word in _ATTRIBUTES.items()})


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the subject alternative names that people know: of hosts, of mail, of Windows users, addresses, URIs."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_written(found))


def _written(found: x509.SubjectAlternativeName) -> Iterator[str]:
    for name in found:
        match name:
            case x509.DNSName(value=text):
                yield printable(text, _NOT_IN_DNS_NAME)
            case x509.RFC822Name(value=text) | x509.UniformResourceIdentifier(value=text):
                yield printable(text, _NOT_IN_NAME)
            case x509.IPAddress(value=address):
                yield str(address)
            case x509.OtherName(type_id=kind, value=der) if kind == _USER_PRINCIPAL_NAME:
                # A UTF8String shorter than 128 bytes; a longer one would have a longer head.
                if len(der) > 2 and der[0] == _UTF8_STRING and der[1] == len(der) - 2 < 128:
                    yield printable(der[2:].decode("utf-8", "replace"), _NOT_IN_NAME)


def identity(certificate: x509.Certificate) -> Identity:
    """Return whom the certificate is for."""
    return Identity(distinguished(certificate.subject), names(certificate))
