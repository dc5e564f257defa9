"""Which of two revocation lists of an issuer is the newer one (RFC 5280 sections 5.1.2.4 and 5.2.3).

A list that has been in force is never followed by an older one: whoever can put an old list in its place, such as one
who stands between here and where it is fetched, would have everybody let in who was revoked since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .lenient import UNREADABLE, list_issuer
from .list_scope import particulars

Kind = tuple[x509.Name, bytes, bytes]
"""What makes lists comparable: their issuer, the key that has signed them, and what they are about."""


_KEY, _IDENTIFIER = b"k", b"i"
"""What the name of a key begins with: that of a trusted authority, whose signature was verified, or of another."""


@dataclass(frozen=True, slots=True)
class Age:
    """How new a list is. Not every issuer numbers its lists."""

    begin: datetime
    number: int | None

    def newer(self, other: Age) -> Age:
        """Return the marks that a list must reach which follows both."""
        numbers = [age.number for age in (self, other) if age.number is not None]
        return Age(max(self.begin, other.begin), max(numbers, default=None))


Ages = Mapping[Kind, Age]


def ages(lists: Sequence[x509.CertificateRevocationList], authorities: Sequence[x509.Certificate]) -> dict[Kind, Age]:
    """Return how new the newest list of each kind is."""
    found: dict[Kind, Age] = {}
    for each in lists:
        said = particulars(each)
        kind = list_issuer(each), _signer(each, authorities), said.scope.written
        age = Age(each.last_update_utc, said.number)
        found[kind] = age.newer(found[kind]) if kind in found else age
    return found


def older(
    fresh: Ages, before: Ages, authorities: Sequence[x509.Certificate], now: datetime
) -> Iterator[tuple[x509.Name, str]]:
    """Go through the issuers whose list is older than the one in force, and say by what that shows.

    Of a list in force that is dated ahead of the clock, because the clock has been set back, the date does not count
    where the other one has the higher number.
    """
    for kind, age in fresh.items():
        mark = before.get(kind)
        if mark is None:
            continue
        # Without numbers they do not differ in these.
        number, least = (age.number, mark.number) if None not in (age.number, mark.number) else (0, 0)
        assert number is not None
        assert least is not None
        if number < least:
            yield kind[0], f"it has the number {number}, which is lower than {least}"
        elif age.begin < mark.begin and not (number > least and mark.begin > now):
            yield kind[0], f"it is of {age.begin:%Y-%m-%d %H:%M:%S} UTC, not of {mark.begin:%Y-%m-%d %H:%M:%S} UTC"
    trusted = {_key(authority) for authority in authorities}
    missing = {kind: mark for kind, mark in before.items() if kind not in fresh}
    # The lists of an authority that is not trusted any more are not missed.
    yield from _replaced(
        fresh, {kind: mark for kind, mark in missing.items() if kind[1][:1] != _KEY or kind[1] in trusted}, now
    )


def _replaced(fresh: Ages, missing: Ages, now: datetime) -> Iterator[tuple[x509.Name, str]]:
    """Go through the issuers that had a list of another scope or key, which is missing now, after what there is now.

    Numbers of different kinds cannot be compared (RFC 5280 section 5.2.3), dates can. So a list from before a change of
    the key or of the scope does not come back in the place of the latest one.
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
                f"it is of {begin:%Y-%m-%d %H:%M:%S} UTC, and one of another scope or key of {later} is missing",
            )


def highest(fresh: Ages, before: Ages) -> dict[Kind, Age]:
    """Return the marks of both together: also of an issuer whose list is missing for a while."""
    return {**before, **{kind: age.newer(before[kind]) if kind in before else age for kind, age in fresh.items()}}


def _signer(one: x509.CertificateRevocationList, authorities: Sequence[x509.Certificate]) -> bytes:
    """Return a name for the key that has signed a list: another authority may bear the same name."""
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
    """Tell whether an authority's key has signed a list."""
    try:
        return one.is_signature_valid(authority.public_key())  # type: ignore[arg-type]  # raises TypeError
    except UNREADABLE:
        return False
