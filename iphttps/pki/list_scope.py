"""The scope and extensions of a revocation list, and whether OpenSSL supports it (RFC 5280 sections 5.2 and 6.3.3).

OpenSSL reports an unsupported list only as a missing one, and only when a client connects. Unsupported features are
therefore detected when the file is read. The extensions are parsed by hand, because one that is not needed may be
unreadable or appear twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509

from .der import INTEGER, OBJECT_IDENTIFIER, SEQUENCE, Element, elements, encode, only

_TRUE = b"\x01\x01\xff"
_EXTENSIONS = 0xA0


def _kind(number: int) -> bytes:
    return encode(OBJECT_IDENTIFIER, bytes((0x55, 0x1D, number)))


_CRL_NUMBER, _DELTA, _SCOPE, _AUTHORITY_KEY = map(_kind, (20, 27, 28, 35))
_CERTIFICATE_ISSUER = _kind(29)

_UNDERSTOOD = frozenset((_DELTA, _SCOPE, _AUTHORITY_KEY))
"""The critical extensions that OpenSSL handles (crl_set_issuers and crl_cb in x_crl.c)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope of a list: its issuing distribution point (RFC 5280 section 5.2.5)."""

    written: bytes = b""
    named: bool = False
    users: bool = True
    authorities: bool = True
    some_reasons: bool = False
    indirect: bool = False


@dataclass(frozen=True, slots=True)
class ListProperties:
    """The properties of a list other than its entries."""

    number: int | None
    delta: bool
    scope: Scope
    unsupported: str | None
    """Describes a critical extension that OpenSSL does not support and that makes it reject every client."""


def list_properties(one: x509.CertificateRevocationList) -> ListProperties:
    """Return the properties of a list.

    Raises:
        ValueError: The list is malformed.
    """
    tbs = only(one.tbs_certlist_bytes, SEQUENCE).parts
    found: dict[bytes, tuple[bool, bytes]] = {}
    for part in tbs:
        if part.tag == _EXTENSIONS:
            for kind, critical, value in _extensions(only(part.content, SEQUENCE)):
                if kind in found and kind in (*_UNDERSTOOD, _CRL_NUMBER):
                    raise ValueError("an extension appears twice")
                found[kind] = critical or found.get(kind, (False, b""))[0], value
    strange = [kind for kind, (critical, _) in found.items() if critical and kind not in _UNDERSTOOD]
    number = only(found[_CRL_NUMBER][1], INTEGER).content if _CRL_NUMBER in found else None
    return ListProperties(
        None if number is None else int.from_bytes(number, signed=True),
        _DELTA in found,
        _scope(found[_SCOPE][1]) if _SCOPE in found else Scope(),
        "a critical extension" if strange else _strange_entry(one.tbs_certlist_bytes, tbs),
    )


def names_distribution_point(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate has a CRL distribution point."""
    return any(isinstance(extension.value, x509.CRLDistributionPoints) for extension in certificate.extensions)


def _extensions(listed: Element) -> Iterator[tuple[bytes, bool, bytes]]:
    for extension in listed.parts:
        kind, *critical, value = extension.parts
        yield kind.whole, any(each.whole == _TRUE for each in critical), value.content


def _scope(value: bytes) -> Scope:
    parts = {part.tag: part.content for part in only(value, SEQUENCE).parts}
    flags = {tag & 0x1F for tag, content in parts.items() if content != b"\0"}
    # [1] only user certificates, [2] only CA certificates, [5] only attribute certificates.
    only_some = flags & {1, 2, 5}
    return Scope(
        value,
        named=0 in flags,
        users=not only_some - {1},
        authorities=not only_some - {2},
        some_reasons=3 in flags,
        indirect=4 in flags,
    )


def _strange_entry(written: bytes, tbs: list[Element]) -> str | None:
    """Return a description if an entry has a critical extension other than certificateIssuer, else None."""
    if _TRUE not in written:
        return None  # no critical extension anywhere: saves parsing what may be a hundred thousand entries
    # revokedCertificates is the only SEQUENCE of SEQUENCEs that begin with an INTEGER.
    for part in tbs[3:]:
        if part.tag != SEQUENCE:
            continue
        for entry in elements(part.content):
            if entry.tag != SEQUENCE or _TRUE not in entry.content:
                continue
            last = entry.parts[-1]
            if last.tag == SEQUENCE:
                for kind, critical, _ in _extensions(last):
                    if critical and kind != _CERTIFICATE_ISSUER:
                        return "an entry with a critical extension"
    return None
