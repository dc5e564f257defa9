"""Certificate revocation lists (RFC 5280 section 5), as the operator's file holds them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from OpenSSL import crypto

from ..core.errors import ConfigError
from . import pem
from .certificates import distinguished, read
from .lenient import UNREADABLE, list_issuer
from .list_age import Ages, ages, highest, is_signed_by, older
from .list_scope import particulars

NOTICE = timedelta(days=14)
"""How long before a list expires the operator is warned."""

RECENT = 1
"""Seconds, far more than the tick of any file system's clock."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a file is seen to have changed.

    The time of the inode's change counts too: it moves when a mode is changed, and cannot be set by `touch`.
    A file that was written less than `RECENT` seconds ago can change once more within the file system's clock tick
    and look the same, so it has one stamp now and another one later, and is read twice.
    """

    inode: int = 0
    size: int = 0
    modified: int = 0
    changed: int = 0
    recent: bool = False

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Return the stamp of a file as it is now; one that cannot be seen has a stamp of its own."""
        try:
            found = os.stat(path)
        except OSError:
            return cls()
        recent = 0 <= time.time_ns() - found.st_ctime_ns < RECENT * 1_000_000_000
        return cls(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, recent)


@dataclass(frozen=True, slots=True)
class RevocationLists:
    """All lists of one file, made to go with certain authorities."""

    path: Path
    authorities: Sequence[x509.Certificate] = field(repr=False)
    stamp: Stamp
    lists: Sequence[x509.CertificateRevocationList] = field(repr=False)
    revoked: Mapping[x509.Name, frozenset[int]] = field(repr=False)
    """Serial numbers by issuer."""
    marks: Ages = field(default_factory=dict, repr=False)
    """How new a list must be to follow these, or those before them."""
    allow_older: bool = False
    older: Sequence[str] = ()
    """A sentence for each list that is older than the one before it, taken only because that is allowed."""

    @classmethod
    def load(
        cls,
        path: Path,
        authorities: Sequence[x509.Certificate],
        now: datetime,
        *,
        after: RevocationLists | None = None,
        allow_older: bool = False,
    ) -> RevocationLists:
        """Read a file in PEM or DER; raises ConfigError if it is not whole, or has no list of one of the authorities.

        A list that has expired is taken: with it the server fails closed, as the operator may see from the log. One
        that is older than its issuer's list in `after` is not, unless `allow_older`.

        Raises:
            ConfigError: If it is not whole, or has no list of one of the authorities.
        """
        stamp = Stamp.of(path)  # before reading: what is written meanwhile will show as another change
        lists = _parse(path)
        revoked: dict[x509.Name, frozenset[int]] = {}
        for each in lists:
            serials = _checked(path, each, now)
            issuer = list_issuer(each)
            revoked[issuer] = revoked.get(issuer, frozenset()) | serials
        for authority in authorities:
            _check_signer(path, lists, authority, authorities)
        marks = ages(lists, authorities)
        before = after.marks if after else {}
        behind = [
            f"the revocation list of {distinguished(name)} in {path} is older than the one in force: {why}"
            for name, why in older(marks, before, authorities, now)
        ]
        if behind and not allow_older:
            raise ConfigError(f"{behind[0]}; get the latest one, or give --allow-older-crl if this one is right")
        marks = marks if allow_older else highest(marks, before)
        return cls(path, authorities, stamp, lists, revoked, marks, allow_older, behind)

    def again(self, now: datetime) -> RevocationLists:
        """Read the file again, to replace these.

        Raises:
            ConfigError: Also if one of the new lists has expired.
        """
        lists = RevocationLists.load(self.path, self.authorities, now, after=self, allow_older=self.allow_older)
        for each, until in lists._expiries():
            if until <= now:
                raise ConfigError(f"{_name(each)} in {self.path} has expired on {_time(until)}: get a new one")
        return lists

    def partial(self) -> list[str]:
        """Return a sentence for each list that only some certificates can be looked up in."""
        return [
            f"{_name(each)} in {self.path} names a distribution point: only certificates that name the same one can be "
            "looked up in it, and nobody else comes in; see that the clients' do, or give a list without"
            for each in self.lists
            if particulars(each).scope.named
        ]

    def install(self, store: crypto.X509Store) -> None:
        """Have OpenSSL look every certificate of a chain up in these lists."""
        for each in self.lists:
            store.add_crl(each)
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)

    def revokes(self, issuer: x509.Name, serial: int) -> bool:
        """Tell whether the certificate with this serial number is on its issuer's list."""
        return serial in self.revoked.get(issuer, ())

    @property
    def count(self) -> int:
        """How many certificates are revoked."""
        return sum(map(len, self.revoked.values()))

    def next_expiry(self, now: datetime) -> datetime | None:
        """Return when the next of the lists expires that have not yet."""
        return min((until for _, until in self._expiries() if until > now), default=None)

    def expired(self, now: datetime) -> list[str]:
        """Return a sentence for each list that has expired."""
        return [
            f"{_name(each)} in {self.path} has expired on {_time(until)}: no client whose certificate would have to be "
            "looked up in it is let in until there is a new one"
            for each, until in self._expiries()
            if until <= now
        ]

    def expiring(self, now: datetime) -> list[str]:
        """Return a sentence for each list that expires soon."""
        return [
            f"{_name(each)} in {self.path} expires on {_time(until)}, and then no client is let in: get a new one"
            for each, until in self._expiries()
            if now < until <= now + NOTICE
        ]

    def _expiries(self) -> Iterator[tuple[x509.CertificateRevocationList, datetime]]:
        # Of several lists of one issuer OpenSSL prefers the newest. One that never expires breaks RFC 5280
        # section 5.1.2.5, but is its issuer's to decide.
        newest: dict[tuple[x509.Name, bytes], x509.CertificateRevocationList] = {}
        for each in self.lists:
            key = list_issuer(each), _key_identifier(each)
            if key not in newest or newest[key].last_update_utc < each.last_update_utc:
                newest[key] = each
        for each in newest.values():
            if until := each.next_update_utc:
                yield each, until


def now_of(seconds: float) -> datetime:
    """Return the time of day for a clock's seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def _parse(path: Path) -> list[x509.CertificateRevocationList]:
    content = read(path)
    if pem.is_der(content):
        data: list[bytes | None] = [pem.first(content)]
    else:
        data = [block.data for block in pem.blocks(content) if block.label == "X509 CRL"]
    if not data:
        raise ConfigError(f"{path} holds no certificate revocation list in PEM or DER form")
    try:
        return [x509.load_der_x509_crl(each or b"") for each in data]
    except UNREADABLE as error:
        raise ConfigError(f"{path} holds a damaged certificate revocation list: was it written to the end?") from error


def _checked(path: Path, one: x509.CertificateRevocationList, now: datetime) -> frozenset[int]:
    """Return the serial numbers on a list.

    Raises:
        ConfigError: The list is damaged, not valid yet, or of a kind that OpenSSL cannot use.
    """
    try:
        said = particulars(one)
        serials = frozenset(entry.serial_number for entry in one)
        begin, _, _ = one.last_update_utc, one.next_update_utc, list_issuer(one)
        crypto.X509Store().add_crl(one)
    except (crypto.Error, *UNREADABLE) as error:
        raise ConfigError(f"{path} holds a damaged certificate revocation list: {error}") from error
    if begin > now:
        raise ConfigError(f"{_name(one)} in {path} is valid only from {_time(begin)}: check the clock")
    if said.delta:  # RFC 5280 section 5.2.4
        raise ConfigError(f"{_name(one)} in {path} lists changes only: give the complete list")
    if said.scope.indirect:
        raise ConfigError(
            f"{_name(one)} in {path} is an indirect one, for which there is no support: give a direct one"
        )
    if said.scope.some_reasons:
        raise ConfigError(f"{_name(one)} in {path} is for some reasons of revocation only: give the complete list")
    if said.unsupported:
        raise ConfigError(
            f"{_name(one)} in {path} has {said.unsupported} that OpenSSL does not know, and lets nobody in"
        )
    return serials


def _check_signer(
    path: Path,
    lists: Sequence[x509.CertificateRevocationList],
    authority: x509.Certificate,
    authorities: Sequence[x509.Certificate],
) -> None:
    name = distinguished(authority.subject)
    own = [each for each in lists if list_issuer(each) == authority.subject]
    if not own:
        found = ", ".join(dict.fromkeys(distinguished(list_issuer(each)) for each in lists))
        raise ConfigError(
            f"{path} holds no revocation list of {name}, but of {found}: "
            "each authority whose certificates are trusted needs one"
        )
    # After a change of its key an authority has two certificates, and one list, signed with the newer key.
    keys = [each for each in authorities if each.subject == authority.subject]
    signed = [each for each in own if any(is_signed_by(each, key) for key in keys)]
    # OpenSSL would take the newest of those that may be the authority's by their key identifier.
    identifiers = {_subject_key(key) for key in keys}
    false = [each for each in own if each not in signed and _key_identifier(each) in {b"", *identifiers}]
    if not signed or false:
        raise ConfigError(f"the revocation list of {name} in {path} is not signed by that authority")
    if not any(may_sign_lists(key) for key in keys):
        raise ConfigError(
            f"the certificate of {name} lacks the key usage cRLSign, so that no revocation list of it counts: have it "
            "renewed with it, or do without its list"
        )
    if not any(_key_identifier(each) in {b"", *identifiers} or b"" in identifiers for each in signed):
        raise ConfigError(f"the revocation list of {name} in {path} names another key than that authority's")
    if not any(particulars(each).scope.users for each in signed):
        raise ConfigError(
            f"the revocation list of {name} in {path} is about authorities or attribute certificates only: add the one "
            "about other certificates"
        )


def _key_identifier(one: x509.CertificateRevocationList) -> bytes:
    try:
        return one.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    except (x509.ExtensionNotFound, *UNREADABLE):
        return b""


def _subject_key(authority: x509.Certificate) -> bytes:
    try:
        return authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return b""


def may_sign_lists(authority: x509.Certificate) -> bool:
    """Tell whether an authority's certificate lets it sign lists (RFC 5280 section 4.2.1.3)."""
    try:
        return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _name(one: x509.CertificateRevocationList) -> str:
    return f"the revocation list of {distinguished(list_issuer(one))}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
