"""Certificate revocation lists (RFC 5280 section 5) from the operator's file."""

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
from .list_age import Ages, ages, is_signed_by, newest_ages, outdated
from .list_scope import list_properties

__all__ = ["NOTICE", "RECENT", "RevocationLists", "Stamp", "may_sign_lists", "now_of"]

NOTICE = timedelta(days=14)
"""Time before a list expires from which the operator is warned."""

RECENT = 1
"""Age in seconds below which a file may still change without a new timestamp; far above any file system's tick."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A fingerprint of a file's metadata: if it differs, the file has changed.

    It includes the inode change time, which a change of mode updates and `touch` cannot set. A file written less than
    `RECENT` seconds ago could change again within one tick of the file system's clock and keep its timestamps; its
    stamp therefore differs from the one it has later, and the file is read twice.
    """

    inode: int = 0
    size: int = 0
    modified: int = 0
    changed: int = 0
    recent: bool = False

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Return the current stamp of a file; a file without access has the default stamp, all zero."""
        try:
            found = os.stat(path)
        except OSError:
            return cls()
        recent = 0 <= time.time_ns() - found.st_ctime_ns < RECENT * 1_000_000_000
        return cls(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, recent)


@dataclass(frozen=True, slots=True)
class RevocationLists:
    """The revocation lists of one file, checked against the trusted authorities."""

    path: Path
    authorities: Sequence[x509.Certificate] = field(repr=False)
    stamp: Stamp
    lists: Sequence[x509.CertificateRevocationList] = field(repr=False)
    revoked: Mapping[x509.Name, frozenset[int]] = field(repr=False)
    """Serial numbers by issuer."""
    marks: Ages = field(default_factory=dict, repr=False)
    """The age that a later list must reach, per kind: the newest of these lists and their predecessors."""
    allow_older: bool = False
    older: Sequence[str] = ()
    """A sentence for each list that is older than its predecessor and was accepted because of `allow_older`."""

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
        """Read the lists from a PEM or DER file.

        An expired list is accepted: the server then rejects its clients (fails closed), and the log says why. A list
        older than its issuer's list in `after` is rejected, unless `allow_older`.

        Raises:
            ConfigError: The file cannot be read or is damaged, lacks the list of an authority, or holds a list that is
                too old, not yet valid, wrongly signed or not supported by OpenSSL.
        """
        stamp = Stamp.of(path)  # before reading, so that a concurrent write shows as another change
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
            for name, why in outdated(marks, before, authorities, now)
        ]
        if behind and not allow_older:
            raise ConfigError(f"{behind[0]}; get the latest one, or give --allow-older-crl if this one is right")
        marks = marks if allow_older else newest_ages(marks, before)
        return cls(path, authorities, stamp, lists, revoked, marks, allow_older, behind)

    def reload(self, now: datetime) -> RevocationLists:
        """Read the file again and return the lists that replace these.

        Raises:
            ConfigError: As for `load`, or a new list has expired.
        """
        lists = RevocationLists.load(self.path, self.authorities, now, after=self, allow_older=self.allow_older)
        for each, until in lists._expiries():
            if until <= now:
                raise ConfigError(f"{_name(each)} in {self.path} expired on {_time(until)}: get a new one")
        return lists

    def partial(self) -> list[str]:
        """Return a sentence for each list that covers only the certificates of one distribution point."""
        return [
            f"{_name(each)} in {self.path} names a distribution point: it covers only certificates that name the same "
            "one, and all others are rejected; issue the clients' certificates with it, or give a list without one"
            for each in self.lists
            if list_properties(each).scope.named
        ]

    def install(self, store: crypto.X509Store) -> None:
        """Add the lists to a store and have OpenSSL check every certificate of a chain against them."""
        for each in self.lists:
            store.add_crl(each)
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)

    def revokes(self, issuer: x509.Name, serial: int) -> bool:
        """Tell whether the issuer's list contains this serial number."""
        return serial in self.revoked.get(issuer, ())

    @property
    def count(self) -> int:
        """The number of revoked certificates."""
        return sum(map(len, self.revoked.values()))

    def next_expiry(self, now: datetime) -> datetime | None:
        """Return the next time after `now` at which a list expires, or None."""
        return min((until for _, until in self._expiries() if until > now), default=None)

    def expired(self, now: datetime) -> list[str]:
        """Return a sentence for each list that has expired."""
        return [
            f"{_name(each)} in {self.path} expired on {_time(until)}: clients with certificates of this issuer are "
            "rejected until there is a new list"
            for each, until in self._expiries()
            if until <= now
        ]

    def expiring(self, now: datetime) -> list[str]:
        """Return a sentence for each list that expires within `NOTICE`."""
        return [
            f"{_name(each)} in {self.path} expires on {_time(until)}; from then on clients with certificates of this "
            "issuer are rejected: get a new list"
            for each, until in self._expiries()
            if now < until <= now + NOTICE
        ]

    def _expiries(self) -> Iterator[tuple[x509.CertificateRevocationList, datetime]]:
        # Of several lists of one issuer OpenSSL prefers the newest. A list without nextUpdate violates RFC 5280
        # section 5.1.2.5, but that is the issuer's decision.
        newest: dict[tuple[x509.Name, bytes], x509.CertificateRevocationList] = {}
        for each in self.lists:
            key = list_issuer(each), _key_identifier(each)
            if key not in newest or newest[key].last_update_utc < each.last_update_utc:
                newest[key] = each
        for each in newest.values():
            if until := each.next_update_utc:
                yield each, until


def now_of(seconds: float) -> datetime:
    """Convert seconds since 1970 to a UTC datetime."""
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
        raise ConfigError(f"{path} holds a damaged certificate revocation list: it may be truncated") from error


def _checked(path: Path, one: x509.CertificateRevocationList, now: datetime) -> frozenset[int]:
    """Return the serial numbers on a list.

    Raises:
        ConfigError: The list is damaged, not valid yet, or of a kind that OpenSSL cannot use.
    """
    try:
        said = list_properties(one)
        serials = frozenset(entry.serial_number for entry in one)
        begin, _, _ = one.last_update_utc, one.next_update_utc, list_issuer(one)
        crypto.X509Store().add_crl(one)
    except (crypto.Error, *UNREADABLE) as error:
        raise ConfigError(f"{path} holds a damaged certificate revocation list: {error}") from error
    if begin > now:
        raise ConfigError(f"{_name(one)} in {path} is valid only from {_time(begin)}: check the clock")
    if said.delta:  # RFC 5280 section 5.2.4
        raise ConfigError(f"{_name(one)} in {path} is a delta CRL, which lists changes only: give the complete list")
    if said.scope.indirect:
        raise ConfigError(f"{_name(one)} in {path} is an indirect CRL, which is not supported: give a direct one")
    if said.scope.some_reasons:
        raise ConfigError(f"{_name(one)} in {path} covers only some revocation reasons: give the complete list")
    if said.unsupported:
        raise ConfigError(
            f"{_name(one)} in {path} has {said.unsupported} that OpenSSL does not support: with it every client would "
            "be rejected"
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
            f"{path} holds no revocation list of {name}, only of {found}: every trusted authority needs one"
        )
    # After a key change an authority has two certificates, and one list, signed with the new key.
    keys = [each for each in authorities if each.subject == authority.subject]
    signed = [each for each in own if any(is_signed_by(each, key) for key in keys)]
    # OpenSSL takes the newest list whose key identifier matches, whether or not the signature is valid.
    identifiers = {_subject_key(key) for key in keys}
    false = [each for each in own if each not in signed and _key_identifier(each) in {b"", *identifiers}]
    if not signed or false:
        raise ConfigError(f"the revocation list of {name} in {path} is not signed by that authority")
    if not any(may_sign_lists(key) for key in keys):
        raise ConfigError(
            f"the certificate of {name} lacks the key usage cRLSign, which makes its revocation list invalid: renew "
            "the certificate with that key usage, or leave the list out"
        )
    if not any(_key_identifier(each) in {b"", *identifiers} or b"" in identifiers for each in signed):
        raise ConfigError(f"the revocation list of {name} in {path} names the key of another authority")
    if not any(list_properties(each).scope.users for each in signed):
        raise ConfigError(
            f"the revocation list of {name} in {path} covers only CA or attribute certificates: add the one for user "
            "certificates"
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
    """Tell whether an authority's key usage permits signing revocation lists (RFC 5280 section 4.2.1.3)."""
    try:
        return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _name(one: x509.CertificateRevocationList) -> str:
    return f"the revocation list of {distinguished(list_issuer(one))}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
