"""Certificates and keys: reading the operator's files, and describing certificates in logs and messages."""

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
from ..core.identity import Identity, printable, shown
from ..core.text import without_mark
from . import lenient, pem
from .lenient import UNREADABLE as UNREADABLE  # re-exported for callers that read certificates with this module
from .private_keys import parse_private_keys

__all__ = [
    "CERTIFICATE_LABELS",
    "PIN",
    "SHOWN_HOSTS",
    "Credentials",
    "alternative_names",
    "certificate_data",
    "distinguished",
    "expired",
    "hosts",
    "identity",
    "issuer",
    "load_certificates",
    "opener",
    "parse_pin",
    "parsed",
    "parsed_certificate",
    "pin",
    "read",
    "subject",
]

# Characters escaped in an alternative name. Without "=" none looks like a subject, without "," or a space like
# two names; only mail addresses have "@".
_NOT_IN_NAME = re.compile(r"[^!-~]|[,=\\]")
_NOT_IN_DNS_NAME = re.compile(r"[^A-Za-z0-9.*_-]")

_USER_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # the user's name in Active Directory
_UTF8_STRING = 0x0C

PIN = "sha256//"

SHOWN_HOSTS = 5
"""Maximum number of a certificate's names shown in a message."""

_ATTRIBUTES = {NameOID.EMAIL_ADDRESS: "emailAddress"}


# Files.


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate chain, leaf first, and its private key."""

    chain: list[x509.Certificate]
    key: crypto.PKey

    @classmethod
    def load(cls, certificate: Path, private_key: Path) -> Credentials:
        """Read the chain and the key from PEM or DER files.

        Raises:
            ConfigError: A file cannot be read, the key is not the leaf's, or the leaf has expired.
        """
        chain = load_certificates(certificate)
        # Keep the key object that OpenSSL parsed: cryptography converts some keys, such as RSA-PSS, to another type.
        keys = parse_private_keys(private_key, read(private_key))
        key = next((each for each in keys if _is_key_of(each, chain[0])), None)
        if key is None:
            raise ConfigError(f"{private_key} is not the key of {certificate}: give the matching private key")
        if sentence := expired(certificate, chain[0], datetime.now(UTC)):
            raise ConfigError(sentence)
        return cls(chain, key)

    def install(self, context: SSL.Context) -> None:
        """Configure a TLS context to present this chain and key."""
        context.use_certificate(lenient.as_openssl(self.chain[0]))
        for certificate in self.chain[1:]:
            context.add_extra_chain_cert(lenient.as_openssl(certificate))
        context.use_privatekey(self.key)


def expired(path: Path, certificate: x509.Certificate, now: datetime) -> str | None:
    """Return a sentence that the certificate in a file has expired, or None if it has not."""
    expiry = certificate.not_valid_after_utc
    return f"{path} expired on {expiry:%Y-%m-%d %H:%M} UTC: renew it" if expiry < now else None


def _is_key_of(key: crypto.PKey, certificate: x509.Certificate) -> bool:
    own, other = (
        crypto.dump_publickey(crypto.FILETYPE_ASN1, each)
        for each in (lenient.as_openssl(certificate).get_pubkey(), key)
    )
    try:
        # The same key can be encoded with different parameters.
        return own == other or load_der_public_key(own) == load_der_public_key(other)
    except UNREADABLE:  # a key type that cryptography does not support
        return False


def load_certificates(path: Path) -> list[x509.Certificate]:
    """Read the certificates in a file, any number in PEM or one in DER.

    Raises:
        ConfigError: The file cannot be read, holds no certificate, or holds a damaged one.
    """
    content = read(path)
    data = certificate_data(content)
    found = [parsed_certificate(each) for each in data]
    if found in ([], [None]) and (sentence := pem.container(path, content)):
        raise ConfigError(sentence)
    if not found:
        raise ConfigError(f"{path} holds no certificate in PEM or DER form")
    if None in found:
        which = f"certificate {found.index(None) + 1} of {len(found)}" if len(found) > 1 else "the certificate"
        raise ConfigError(f"{which} in {path} cannot be read: the file may be truncated; replace it with a good copy")
    return [each for each in found if each]


CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
"""OpenSSL's PEM labels for a certificate: current, obsolete, and with trust settings."""


def certificate_data(content: bytes, usage: bytes | None = None) -> list[bytes | None]:
    """Return the DER encoding of each certificate in a file, or None in the place of a damaged one.

    With a usage, certificates whose trust settings (TRUSTED CERTIFICATE) exclude that usage are left out.
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
    """Return the certificate encoded in DER, or None if it cannot be read."""
    try:
        return lenient.certificate_with_original(data) if data is not None else None
    except UNREADABLE:
        return None


def read(path: Path) -> bytes:
    """Read a file, without a leading byte order mark.

    Pipes and devices are rejected: the daemons re-read some of these files and must not block.

    Raises:
        ConfigError: The file cannot be read or is not a regular file.
    """
    try:
        with open(path, "rb", opener=opener) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"cannot read {path}: it is not a regular file")
            return without_mark(file.read())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def opener(path: str, flags: int) -> int:
    """Open a file without blocking on a pipe; for the `opener` argument of `open`."""
    return os.open(path, flags | os.O_NONBLOCK)


def pin(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint of the certificate's public key in the format of curl's --pinnedpubkey."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PIN + b64encode(sha256(key).digest()).decode("ascii")


def parse_pin(text: str) -> str:
    """Parse a public key fingerprint given to `--pin`; return it in canonical form.

    Raises:
        ConfigError: The text is not a SHA-256 fingerprint.
    """
    try:
        digest = b64decode(text.removeprefix(PIN), validate=True)
    except ValueError:
        digest = b""
    if not text.startswith(PIN) or len(digest) != sha256().digest_size:
        raise ConfigError(f"--pin {text!r} is not a key fingerprint: it must be {PIN} and 44 base64 characters")
    return PIN + b64encode(digest).decode("ascii")


# Words.


def subject(certificate: x509.Certificate) -> str:
    """Return the certificate's subject, shortened and printable."""
    return shown(distinguished(certificate.subject)) or "(no subject)"


def issuer(certificate: x509.Certificate) -> str:
    """Return the certificate's issuer, shortened and printable."""
    return shown(distinguished(certificate.issuer)) or "(no issuer)"


def hosts(certificate: x509.Certificate) -> str:
    """Return the certificate's alternative names for a message: at most `SHOWN_HOSTS`, then the number left out."""
    found = [shown(name) for name in alternative_names(certificate)]
    if len(found) > SHOWN_HOSTS:
        found[SHOWN_HOSTS:] = [f"{len(found) - SHOWN_HOSTS} more"]
    # RFC 9525 section 2: a common name does not count.
    return ", ".join(found) or f"no host name, only the subject {subject(certificate)}"


def distinguished(name: x509.Name) -> str:
    """Return a distinguished name in the string format of RFC 4514, in printable ASCII."""
    return printable(name.rfc4514_string(_ATTRIBUTES))


def parsed(name: str) -> x509.Name:
    """Parse a distinguished name in the format that `distinguished` returns.

    Raises:
        ValueError: The text is not a distinguished name.
    """
    return x509.Name.from_rfc4514_string(name, {word: kind for kind, word in _ATTRIBUTES.items()})


def alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the subject alternative names: host names, mail addresses, Windows user names, IP addresses, URIs."""
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
                # Only a UTF8String shorter than 128 bytes, whose length takes one byte.
                if len(der) > 2 and der[0] == _UTF8_STRING and der[1] == len(der) - 2 < 128:
                    yield printable(der[2:].decode("utf-8", "replace"), _NOT_IN_NAME)


def identity(certificate: x509.Certificate) -> Identity:
    """Return the peer's identity: the certificate's subject and alternative names."""
    return Identity(distinguished(certificate.subject), alternative_names(certificate))
