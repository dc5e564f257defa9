"""A lenient reader for certificates and revocation lists that OpenSSL accepts but the cryptography library rejects.

Some authorities issue certificates with names in Latin-1, notices with accented letters or invalid alternative names.
OpenSSL accepts them because it does not decode the fields that it does not need. cryptography rejects them, either when
loading them or on access to the malformed field. For these a repaired copy is made: every string of a name becomes a
UTF8String, and unreadable fields that are not needed are left out. The copy is only for reading, since its signature is
no longer valid; OpenSSL is always given the original.

No decision depends on an omitted field: as in OpenSSL, a certificate is rejected if an extension that matters is
unreadable or appears twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

from .der import INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, UTF8_STRING, Element, encode, only

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""The errors that cryptography raises for a malformed certificate, on loading it or on access to a field."""

MOST_EXTENSIONS = 64
"""Maximum extensions of a certificate that needs a copy: each is parsed separately to find the malformed ones."""

MOST_NAMES = 256
"""Maximum alternative names of a certificate that needs a copy."""

_VERSION = 0xA0
_EXTENSIONS = 0xA3

# RFC 5280 section 4.2.1: basicConstraints, keyUsage, extKeyUsage, subjectAltName.
_NEEDED = frozenset(encode(OBJECT_IDENTIFIER, bytes((0x55, 0x1D, number))) for number in (19, 15, 37, 17))
_ALTERNATIVE_NAMES = encode(OBJECT_IDENTIFIER, bytes((0x55, 0x1D, 17)))

_ENCODINGS = {
    UTF8_STRING: "utf-8",
    0x12: "utf-8",  # NumericString
    0x13: "utf-8",  # PrintableString
    0x14: "utf-8",  # T61String, which in practice holds UTF-8 or Latin-1
    0x16: "utf-8",  # IA5String
    0x1A: "utf-8",  # VisibleString
    0x1B: "utf-8",  # GeneralString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}

_originals: dict[x509.Certificate, bytes] = {}


def certificate(der: bytes) -> x509.Certificate:
    """Return the certificate, or a repaired copy if cryptography cannot read the original.

    Raises:
        UNREADABLE: No readable copy can be made; one of the errors of that tuple.
    """
    try:
        found = x509.load_der_x509_certificate(der)
        _look_at(found)
    except UNREADABLE:
        found = x509.load_der_x509_certificate(_certificate_copy(der))
        _look_at(found)
    return found


def certificate_with_original(der: bytes) -> x509.Certificate:
    """Like `certificate`, but remember the original of a copy, so that `as_openssl` can return it.

    For certificates from the operator's files. The originals are kept for the life of the process, which a peer's
    certificates must not be.

    Raises:
        ValueError: OpenSSL cannot read the certificate.
        UNREADABLE: No readable copy can be made; one of the errors of that tuple.
    """
    try:
        crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    except crypto.Error as error:
        raise ValueError("OpenSSL cannot read it") from error
    found = certificate(der)
    if is_copy(found, der):
        _originals[found] = der
    return found


def is_copy(found: x509.Certificate, der: bytes) -> bool:
    """Tell whether the certificate read from these bytes is a repaired copy."""
    return found.public_bytes(Encoding.DER) != der


def original(found: x509.Certificate) -> bytes:
    """Return the original DER encoding of a certificate read by `certificate_with_original`."""
    return _originals.get(found) or found.public_bytes(Encoding.DER)


def as_openssl(found: x509.Certificate) -> crypto.X509:
    """Return the original certificate, as signed by its issuer, as an OpenSSL object."""
    return crypto.load_certificate(crypto.FILETYPE_ASN1, original(found))


def list_issuer(found: x509.CertificateRevocationList) -> x509.Name:
    """Return the issuer of a revocation list.

    Raises:
        UNREADABLE: The issuer's name cannot be read, nor a repaired copy; one of the errors of that tuple.
    """
    try:
        return found.issuer
    except UNREADABLE:
        first, second, third, *_ = only(found.tbs_certlist_bytes, SEQUENCE).parts
        return _name(third if first.tag == INTEGER else second)  # the version is optional


def _look_at(found: x509.Certificate) -> None:
    """Access every field that callers use, so that a malformed one raises one of `UNREADABLE` here."""
    _ = found.subject, found.issuer, found.extensions, found.not_valid_after_utc, found.not_valid_before_utc


def _certificate_copy(der: bytes) -> bytes:
    tbs, *signature = only(der, SEQUENCE).parts
    fields = tbs.parts
    at = int(bool(fields) and fields[0].tag == _VERSION)
    if len(fields) < at + 6:
        raise ValueError("a field of the certificate is missing")
    copied = [field.whole for field in fields]
    issuer, subject = at + 2, at + 4
    copied[issuer], copied[subject] = _name_copy(fields[issuer]), _name_copy(fields[subject])
    for number, field in enumerate(fields[at + 6 :], at + 6):
        if field.tag == _EXTENSIONS:
            listed = only(field.content, SEQUENCE).parts
            bare = [*copied[:number], *copied[number + 1 :]]
            fit = list(_fit_extensions(listed, bare, signature))
            copied[number] = encode(_EXTENSIONS, encode(SEQUENCE, fit)) if fit else b""
    return _joined(copied, signature)


def _joined(fields: list[bytes], signature: list[Element]) -> bytes:
    return encode(SEQUENCE, (encode(SEQUENCE, fields), *(part.whole for part in signature)))


def _fit_extensions(listed: list[Element], bare: list[bytes], signature: list[Element]) -> Iterator[bytes]:
    """Yield the extensions that can be read.

    Raises:
        ValueError: A needed extension is unreadable or appears twice, or there are more than `MOST_EXTENSIONS`.
    """

    def readable(extension: bytes) -> bool:
        single = encode(_EXTENSIONS, encode(SEQUENCE, extension))
        try:
            _look_at(x509.load_der_x509_certificate(_joined([*bare, single], signature)))
        except UNREADABLE:
            return False
        return True

    if len(listed) > MOST_EXTENSIONS:
        raise ValueError(f"the certificate has more than {MOST_EXTENSIONS} extensions")
    seen: set[bytes] = set()
    for extension in listed:
        identifier, *_ = extension.parts
        kind = identifier.whole
        twice, needed = kind in seen, kind in _NEEDED
        seen.add(kind)
        if not twice and readable(extension.whole):
            yield extension.whole
        elif not twice and kind == _ALTERNATIVE_NAMES:
            yield from _fit_names(extension, readable)
        elif needed:
            raise ValueError("a needed extension of the certificate is unreadable or appears twice")


def _fit_names(extension: Element, readable: Callable[[bytes], bool]) -> Iterator[bytes]:
    """Yield the extension with its readable alternative names; nothing if none is readable.

    Raises:
        ValueError: There are more than `MOST_NAMES`.
    """
    kind, *_, value = extension.parts
    listed = only(only(value.whole, OCTET_STRING).content, SEQUENCE).parts
    if len(listed) > MOST_NAMES:
        raise ValueError(f"the certificate has more than {MOST_NAMES} alternative names")

    def written(names: Iterable[bytes]) -> bytes:
        return encode(SEQUENCE, (kind.whole, encode(OCTET_STRING, encode(SEQUENCE, names))))

    fit = [name.whole for name in listed if readable(written([name.whole]))]
    if fit:
        yield written(fit)


def _name_copy(name: Element) -> bytes:
    """Return the encoding of a distinguished name with every string converted to UTF8String."""
    if name.tag != SEQUENCE:
        raise ValueError("a name is not a SEQUENCE")
    return encode(SEQUENCE, (encode(0x31, map(_attribute_copy, rdn.parts)) for rdn in name.parts))


def _attribute_copy(attribute: Element) -> bytes:
    kind, value = attribute.parts
    if value.tag not in _ENCODINGS:
        return attribute.whole
    return encode(SEQUENCE, (kind.whole, encode(UTF8_STRING, _text(value).encode("utf-8"))))


def _text(value: Element) -> str:
    encoding = _ENCODINGS[value.tag]
    if encoding != "utf-8":
        return value.content.decode(encoding, "replace")
    try:
        return value.content.decode("utf-8")
    except UnicodeDecodeError:
        return value.content.decode("latin-1")


def _name(element: Element) -> x509.Name:
    """Parse a distinguished name, inside a template certificate: cryptography has no function for a name alone."""
    template = x509.load_der_x509_certificate
    empty = encode(SEQUENCE, b"")
    time = encode(0x17, b"250101000000Z")
    algorithm = encode(SEQUENCE, bytes.fromhex("06082a8648ce3d040302"))
    key = encode(SEQUENCE, (algorithm, encode(0x03, b"\0")))
    fields = (encode(0x02, b"\1"), algorithm, _name_copy(element), encode(SEQUENCE, time * 2), empty, key)
    return template(encode(SEQUENCE, (encode(SEQUENCE, fields), algorithm, encode(0x03, b"\0")))).issuer
