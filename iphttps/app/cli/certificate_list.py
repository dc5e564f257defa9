"""The output of `iphttps ca list`, as values for JSON and as text; docs/certificates.md describes each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cryptography import x509

from ...pki.authority.record import Record, whole_days
from ...pki.authority.store import Authority
from ...pki.certificates import distinguished
from ..control.times import iso
from . import tables

Value = dict[str, Any]


def values(authority: Authority) -> Value:
    """Return the authority, its revocation list and its certificates, as values for JSON.

    Raises:
        ConfigError: A file of the authority is damaged.
    """
    now = authority.now()
    own = authority.issuer.certificate
    return {
        "authority": {
            "directory": str(authority.directory),
            "subject": distinguished(own.subject),
            "not_after": _iso(own.not_valid_after_utc),
            "days_left": whole_days(own.not_valid_after_utc - now),
            "crl_uris": list(authority.issuer.crl_uris),
        },
        "crl": _crl(authority.current_list(), now),
        "certificates": [_certificate(record, now) for record in authority.certificates()],
    }


def text(found: Value) -> str:
    """Return the same values as text."""
    own, crl, certificates = found["authority"], found["crl"], found["certificates"]
    rows: list[tables.Row] = [
        ("authority", f"{own['subject']}, {_days(own['days_left'])}"),
        ("revocation list", f"{crl['revoked']} revoked, {_days(crl['days_left'])}" if crl else "none"),
    ]
    rows += [("published at", uri) for uri in own["crl_uris"]]
    shown = tables.table(rows)
    if not certificates:
        return shown + "no certificates\n"
    head: list[tables.Row] = [("NAME", "FOR", "STATE", "DAYS LEFT", "FIRST USED", "SERIAL")]
    lines = [
        (
            each["name"],
            each["kind"],
            each["state"],
            each["days_left"] if each["state"] == "valid" else "-",
            (each["used"] or "-")[:10],
            each["serial"],
        )
        for each in certificates
    ]
    return f"{shown}\n{tables.table([*head, *lines])}"


def _days(left: int) -> str:
    return f"{left} days left" if left >= 0 else "expired"


def _crl(crl: x509.CertificateRevocationList | None, now: datetime) -> Value | None:
    if crl is None or crl.next_update_utc is None:
        return None
    return {
        "last_update": _iso(crl.last_update_utc),
        "next_update": _iso(crl.next_update_utc),
        "days_left": whole_days(crl.next_update_utc - now),
        "revoked": len(crl),
    }


def _certificate(record: Record, now: datetime) -> Value:
    return {
        "name": record.name,
        "names": sorted(record.names),
        "kind": record.kind.value,
        "serial": record.shown_serial,
        "not_before": _iso(record.not_before),
        "not_after": _iso(record.not_after),
        "days_left": record.days_left(now),
        "state": record.state(now),
        "revoked": record.revoked and _iso(record.revoked),
        "used": record.used and _iso(record.used),
    }


def _iso(moment: datetime) -> str:
    return iso(moment.timestamp())
