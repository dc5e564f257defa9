"""The comparison of two revocation lists of an issuer by age (RFC 5280 sections 5.1.2.4 and 5.2.3).

A list in force is never replaced by an older one. Otherwise an attacker who can substitute the file, such as a
man in the middle of its download, could undo every later revocation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .lenient import UNREADABLE, list_issuer
from .list_scope import list_properties

ListKind = tuple[x509.Name, bytes, bytes]
"""Lists of one kind are comparable: the issuer, an identifier of the signing key, and the scope in DER."""


_KEY, _IDENTIFIER = b"k", b"i"
"""Prefixes of a key identifier: a trusted authority's key that verified the signature, or an unverified one."""


@dataclass(frozen=True, slots=True)
class Age:
    """The issue date (thisUpdate) and CRL number of a list; not every issuer numbers its lists."""

    begin: datetime
    number: int | None

    def newer(self, other: Age) -> Age:
        """Return the later date and the higher number, the minimum for a successor of both lists."""
        numbers = [age.number for age in (self, other) if age.number is not None]
        return Age(max(self.begin, other.begin), max(numbers, default=None))


Ages = Mapping[ListKind, Age]


def ages(
    lists: Sequence[x509.CertificateRevocationList], authorities: Sequence[x509.Certificate]
) -> dict[ListKind, Age]:
    """Return the age of the newest list of each kind."""
    found: dict[ListKind, Age] = {}
    for each in lists:
        said = list_properties(each)
        kind = list_issuer(each), _signer(each, authorities), said.scope.written
        age = Age(each.last_update_utc, said.number)
        found[kind] = age.newer(found[kind]) if kind in found else age
    return found


def outdated(
    fresh: Ages, before: Ages, authorities: Sequence[x509.Certificate], now: datetime
) -> Iterator[tuple[x509.Name, str]]:
    """Yield each issuer whose fresh list is older than the one in force, with the reason.

    If the list in force is dated in the future, because the clock has been set back, a fresh list with a higher
    number is accepted regardless of its date.
    """
    for kind, age in fresh.items():
        mark = before.get(kind)
        if mark is None:
            continue
        # Numbers count only if both lists have one.
        number, least = (age.number, mark.number) if None not in (age.number, mark.number) else (0, 0)
        assert number is not None
        assert least is not None
        if number < least:
            yield kind[0], f"its CRL number is {number}, lower than {least}"
        elif age.begin < mark.begin and not (number > least and mark.begin > now):
            yield (
                kind[0],
                f"it was issued on {age.begin:%Y-%m-%d %H:%M:%S} UTC, before {mark.begin:%Y-%m-%d %H:%M:%S} UTC",
            )
    trusted = {_key(authority) for authority in authorities}
    missing = {kind: mark for kind, mark in before.items() if kind not in fresh}
    # The lists of an authority that is no longer trusted may disappear.
    yield from _replaced(
        fresh, {kind: mark for kind, mark in missing.items() if kind[1][:1] != _KEY or kind[1] in trusted}, now
    )


def _replaced(fresh: Ages, missing: Ages, now: datetime) -> Iterator[tuple[x509.Name, str]]:
    """Yield each issuer whose latest list is older than one of another scope or key that is now missing.

    CRL numbers of different kinds cannot be compared (RFC 5280 section 5.2.3), but dates can. A list from before a
    change of key or scope therefore cannot replace the latest one.
    """
    latest: dict[x509.Name, datetime] = {}
    for (issuer, _, _), age in fresh.items():
        latest[issuer] = max(latest.get(issuer, age.begin), age.begin)
    for kind, mark in missing.items():
        begin = latest.get(kind[0])
        if begin and begin < mark.begin <= now:
            later = f"{mark.begin:%Y-%m-%d %H:%M:%S} UTC"
            yield (
                kind[0],
                f"it was issued on {begin:%Y-%m-%d %H:%M:%S} UTC; one of {later}, of another scope or key, is missing",
            )


def newest_ages(fresh: Ages, before: Ages) -> dict[ListKind, Age]:
    """Return the newest age of each kind in either; an issuer whose list is missing for a while keeps its age."""
    return {**before, **{kind: age.newer(before[kind]) if kind in before else age for kind, age in fresh.items()}}


def _signer(one: x509.CertificateRevocationList, authorities: Sequence[x509.Certificate]) -> bytes:
    """Return an identifier of the key that signed a list: two authorities may have the same name."""
    for authority in authorities:
        if is_signed_by(one, authority):
            return _key(authority)
    try:
        identifier = one.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    except (x509.ExtensionNotFound, *UNREADABLE):
        identifier = b""
    return _IDENTIFIER + identifier


def _key(authority: x509.Certificate) -> bytes:
    key = authority.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _KEY + sha256(key).digest()


def is_signed_by(one: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    """Tell whether a list is signed with an authority's key."""
    try:
        return one.is_signature_valid(authority.public_key())  # type: ignore[arg-type]  # raises TypeError
    except UNREADABLE:
        return False
