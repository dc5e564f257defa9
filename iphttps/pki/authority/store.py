"""Our own certificate authority: a directory with its key, the certificates that it has issued, its revocation list.

A marker file beside a certificate records its revocation, another its first use. Every change creates one file,
atomically, so a crash leaves the directory consistent: the list is generated from the marker files.

    ca.pem  ca.key  authority.json  crl.pem
    certificates/SERIAL.pem  SERIAL.revoked  SERIAL.used
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Self

from cryptography import x509

from ...core.errors import ConfigError
from .. import atomic_files
from ..certificates import UNREADABLE, load_certificates
from . import issuing, names
from .files import crl_uris_of, load_key, may_sign
from .issuing import AUTHORITY_DAYS, DAYS, Issuer, KeyKind, Kind, PublicKey
from .record import Record, load_record, records, revocation_markers, revocations, write_marker

CERTIFICATE = "ca.pem"
KEY = "ca.key"
SETTINGS = "authority.json"
LIST = "crl.pem"
CERTIFICATES = "certificates"

AUTHORITY_BITS = 3072
"""Size of an authority's own RSA key, which lasts ten years."""

LEAST_SHOWN = 8
"""Minimum number of leading digits of a serial number that select a certificate."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate just issued; `key_pem` is empty if its owner already has the key."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    serial: int
    not_after: datetime


def _now() -> datetime:
    return datetime.fromtimestamp(time(), UTC)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority, from `create` or `open`. Every method raises ConfigError if it cannot do its work."""

    directory: Path
    issuer: Issuer = field(repr=False)
    now: Callable[[], datetime] = field(default=_now, repr=False)

    @classmethod
    def create(
        cls,
        directory: Path,
        name: str,
        *,
        key: KeyKind = KeyKind.RSA,
        days: int = AUTHORITY_DAYS,
        crl_uris: Sequence[str] = (),
        kind: Kind | None = None,
        hosts: Sequence[str] = (),
        now: Callable[[], datetime] = _now,
    ) -> Self:
        """Create an authority of this name.

        `crl_uris` are the distribution points written into its certificates. `kind` restricts it to servers or to
        clients; one for servers is restricted to `hosts` as well.

        Raises:
            ConfigError: An authority exists in the directory, an argument is invalid, or a file cannot be written.
        """
        subject = names.subject_name(names.checked_person(name))
        uris = [names.distribution_point(uri) for uri in crl_uris]
        if kind is not Kind.SERVER and hosts:
            raise ConfigError("only an authority for servers can be restricted to hosts")
        constraints = names.constraints(names.checked_hosts(hosts)) if kind is Kind.SERVER else None
        issuing.lifetime(days, now())
        atomic_files.make_directory(directory)
        with atomic_files.locked(directory):
            if (directory / CERTIFICATE).exists():
                raise ConfigError(f"{directory} already holds an authority, which is not overwritten")
            # A key without a certificate is left by a crash, or its certificate was lost: keep it.
            if not (directory / KEY).exists():
                made = issuing.new_key(key, AUTHORITY_BITS)
                atomic_files.create(directory / KEY, issuing.key_pem(made), atomic_files.PRIVATE)
            own = load_key(directory / KEY)
            atomic_files.write(directory / SETTINGS, json.dumps({"crl_uris": uris}, indent=2).encode("ascii") + b"\n")
            atomic_files.make_directory(directory / CERTIFICATES)
            certificate = issuing.self_signed(subject, own, days, now(), kind, constraints)
            atomic_files.create(directory / CERTIFICATE, issuing.pem(certificate))
        authority = cls.open(directory, now=now)
        authority.repair_list()
        return authority

    @classmethod
    def open(cls, directory: Path, *, now: Callable[[], datetime] = _now, issues: bool = True) -> Self:
        """Open an authority; `ca.pem` and `ca.key`, created by any program, suffice.

        With `issues` false it signs only revocation lists and the settings file is not read: a damaged one must not
        prevent the renewal of the list.

        Raises:
            ConfigError: There is no authority, a file cannot be read, or key and certificate do not match.
        """
        try:
            (directory / CERTIFICATE).stat()
        except FileNotFoundError as error:
            raise ConfigError(f"there is no authority in {directory}: `iphttps ca init` creates one") from error
        except OSError as error:
            hint = "; only root and the owner of the authority can use it" if isinstance(error, PermissionError) else ""
            raise ConfigError(f"cannot read {directory / CERTIFICATE}: {error.strerror}{hint}") from error
        certificate = load_certificates(directory / CERTIFICATE)[0]
        key = load_key(directory / KEY)
        if key.public_key() != certificate.public_key():
            raise ConfigError(f"{directory / KEY} is not the key of {directory / CERTIFICATE}: restore both files")
        if not may_sign(certificate):
            raise ConfigError(f"{directory / CERTIFICATE} is not a CA certificate")
        uris = crl_uris_of(directory / SETTINGS) if issues else ()
        return cls(directory, Issuer(certificate, key, uris), now)

    @property
    def certificate_pem(self) -> bytes:
        """The authority's own certificate, which is public."""
        return issuing.pem(self.issuer.certificate)

    @property
    def certificate_path(self) -> Path:
        """The path of the authority's own certificate."""
        return self.directory / CERTIFICATE

    @property
    def certificates_path(self) -> Path:
        """The directory of all certificates; every revocation and first use changes it."""
        return self.directory / CERTIFICATES

    @property
    def list_path(self) -> Path:
        """The path of the revocation list."""
        return self.directory / LIST

    @contextmanager
    def locked(self, patience: float = atomic_files.LOCK_TIMEOUT) -> Iterator[None]:
        """Hold the authority's lock.

        Raises:
            Busy: Another command still holds the lock after `patience` seconds.
        """
        with atomic_files.locked(self.directory, patience):
            atomic_files.sweep(self.certificates_path)
            yield

    # Issuing.

    def issue_client(self, name: str, *, key: KeyKind = KeyKind.RSA, days: int = DAYS) -> Issued:
        """Issue a client certificate with a new key."""
        made = issuing.new_key(key)
        found = self.sign_client(name, made.public_key(), days=days)
        return Issued(found.certificate_pem, issuing.key_pem(made), found.serial, found.not_after)

    def sign_server(self, hosts: Sequence[str], key: PublicKey, *, days: int = DAYS) -> Issued:
        """Issue a server certificate for these host names and this key.

        Raises:
            ConfigError: A name is invalid or outside the name constraints, or the authority cannot sign now.
        """
        known = names.checked_hosts(hosts)
        if missing := names.excluded(self.issuer.certificate, known):
            raise ConfigError(
                f"the authority in {self.directory} is not allowed to issue certificates for {', '.join(missing)}: "
                "`iphttps ca allow HOST` permits another host"
            )
        return self._issue(Kind.SERVER, names.subject_name(known[0]), names.server_names(known), key, days)

    def sign_client(self, name: str, key: PublicKey, *, days: int = DAYS) -> Issued:
        """Issue a client certificate for this name and key."""
        known = names.checked_person(name)
        return self._issue(Kind.CLIENT, names.subject_name(known), names.client_names(known), key, days)

    def find_or_sign_server(self, hosts: Sequence[str], key: PublicKey, *, days: int = DAYS) -> Issued:
        """Return the valid server certificate of these names and this key if there is one, or issue one."""
        known = names.checked_hosts(hosts)
        return self._find_issued(Kind.SERVER, known, key) or self.sign_server(known, key, days=days)

    def find_or_sign_client(self, name: str, key: PublicKey, *, days: int = DAYS) -> Issued:
        """Return the valid client certificate of this name and key if there is one, or issue one."""
        known = names.checked_person(name)
        return self._find_issued(Kind.CLIENT, (known,), key) or self.sign_client(known, key, days=days)

    def allow(self, hosts: Sequence[str], *, days: int = AUTHORITY_DAYS) -> bool:
        """Add host names to the authority's name constraints; return whether one was not yet permitted.

        The authority's certificate is issued again with the same name and key: certificates issued earlier stay valid,
        also for peers that trust the old certificate; the new names require the new one.
        """
        known, own = names.checked_hosts(hosts), self.issuer.certificate
        before = names.permitted(own)
        if before is None or not names.excluded(own, known):
            return False
        with self.locked():
            constraints = names.constraints(tuple(dict.fromkeys((*before, *known))))
            made = issuing.self_signed(own.subject, self.issuer.key, days, self.now(), Kind.SERVER, constraints)
            atomic_files.write(self.certificate_path, issuing.pem(made))
        return True

    def _find_issued(self, kind: Kind, known: Sequence[str], key: PublicKey) -> Issued | None:
        """Return the certificate issued by an earlier command that was interrupted before writing it, or None."""
        for record in reversed(self.certificates()):
            same = record.kind is kind and record.names == set(known) and record.name == known[0]
            if same and record.state(self.now()) == "valid" and record.public_key == key:
                return Issued(issuing.pem(record.certificate), b"", record.serial, record.not_after)
        return None

    def renew(self, which: int | str, *, days: int = DAYS) -> Issued:
        """Issue the certificate of this name or serial number again: same names, same key, new expiry.

        The key stays because clients may have pinned it. The old certificate stays valid until it expires.
        """
        record = self.newest(which)
        old = record.certificate
        found = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return self._issue(record.kind, old.subject, list(found), record.public_key, days)

    def _issue(
        self, kind: Kind, subject: x509.Name, found: Sequence[x509.GeneralName], key: PublicKey, days: int
    ) -> Issued:
        issuing.check_kind(self.issuer, kind)
        with self.locked():
            made = issuing.certificate(self.issuer, kind, subject, found, key, days, self.now())
            certificate_pem = issuing.pem(made)
            atomic_files.make_directory(self.certificates_path)
            atomic_files.create(self.certificates_path / f"{made.serial_number:x}.pem", certificate_pem)
            if not issuing.issues(self.issuer, Kind.CLIENT):
                self._write_list()  # no daemon renews the list of a servers-only authority
        return Issued(certificate_pem, b"", made.serial_number, made.not_valid_after_utc)

    # Finding certificates.

    def certificates(self) -> list[Record]:
        """Return all issued certificates, ordered by role, name and age, oldest first."""
        found = records(self.certificates_path)
        return sorted(found, key=lambda record: (record.kind.value, record.name, record.not_before, record.serial))

    def find(self, which: int | str) -> list[Record]:
        """Return the certificates of a name or a serial number, of which the first `LEAST_SHOWN` digits suffice.

        Raises:
            ConfigError: There is none.
        """
        if isinstance(which, int):
            return [load_record(self.certificates_path / f"{which:x}.pem")]
        every = self.certificates()
        digits = which.lower().replace(":", "").lstrip("0")
        found = [record for record in every if which in record.names] or [
            record for record in every if len(digits) >= LEAST_SHOWN and f"{record.serial:x}".startswith(digits)
        ]
        if not found:
            raise ConfigError(f"no certificate has the name or serial number {which!r}: see `iphttps ca list`")
        return found

    def newest(self, which: int | str) -> Record:
        """Return the latest certificate of a name or serial number that is not revoked.

        Raises:
            ConfigError: There is none, or the name is ambiguous.
        """
        good = [record for record in self.find(which) if not record.revoked]
        if not good:
            raise ConfigError(f"{which!r} is revoked and cannot be renewed: issue a new certificate")
        if len({(record.kind, record.certificate.subject) for record in good}) > 1:
            serials = ", ".join(record.shown_serial for record in good)
            raise ConfigError(f"several certificates have the name {which!r}: give a serial number, one of {serials}")
        return max(good, key=lambda record: record.not_before)

    # Revoking.

    def revoke(self, which: int | str) -> list[Record]:
        """Revoke the certificates of a name or serial number, write the list, and return those newly revoked."""
        with self.locked():
            found = [record for record in self.find(which) if not record.revoked]
            for record in found:
                write_marker(self.certificates_path, record.serial, "revoked", self.now())
            self._write_list()
        return found

    def record_use(self, serial: int) -> bool:
        """Record the first use of a certificate; return whether this authority issued it."""
        if not (self.certificates_path / f"{serial:x}.pem").exists():
            return False
        write_marker(self.certificates_path, serial, "used", self.now())
        return True

    def write_list(self, patience: float = atomic_files.LOCK_TIMEOUT) -> bytes:
        """Write a new revocation list and return it as PEM."""
        with self.locked(patience):
            return self._write_list()

    def repair_list(self, patience: float = atomic_files.LOCK_TIMEOUT) -> bool:
        """Write the list if it is missing or lacks a revoked certificate, as after a crash; return whether it did."""
        current = self.current_list()
        if current is not None and not self.missing_from(current):  # not `if current`: an empty list is false
            return False
        self.write_list(patience)
        return True

    def missing_from(self, current: x509.CertificateRevocationList) -> set[int]:
        """Return the revoked serial numbers that are not on this list."""
        return revocation_markers(self.certificates_path).keys() - {entry.serial_number for entry in current}

    def current_list(self) -> x509.CertificateRevocationList | None:
        """Return the list in the directory, or None if it is missing or unreadable."""
        try:
            return x509.load_pem_x509_crl(self.list_path.read_bytes())
        except (OSError, *UNREADABLE):
            return None

    def _write_list(self) -> bytes:
        now = self.now()
        made = issuing.revocation_list(
            self.issuer, sorted(revocations(self.certificates_path).items()), self._number(now), now
        )
        content = issuing.pem(made)
        atomic_files.write(self.list_path, content)
        return content

    def _number(self, now: datetime) -> int:
        """Return a number greater than that of every earlier list, even if the last one is lost (RFC 5280 5.2.3)."""
        by_time = int(now.timestamp() * 1000)
        before = self.current_list()
        try:
            extensions = before.extensions if before is not None else x509.Extensions([])
            last = extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        except (x509.ExtensionNotFound, ValueError):
            last = 0
        return max(last + 1, by_time)
