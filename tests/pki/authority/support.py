"""An authority to try things on, with keys that are quickly made."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.pki.authority import issuing
from iphttps.pki.authority.issuing import DAYS, KeyKind
from iphttps.pki.authority.store import Authority, Issued

URI = "http://vpn.example.org/iphttps.crl"


def issue_server(authority: Authority, hosts: Sequence[str], *, key: KeyKind = KeyKind.RSA, days: int = DAYS) -> Issued:
    """Issue a certificate for a server of these names and addresses, with a new key."""
    made = issuing.new_key(key)
    found = authority.sign_server(hosts, made.public_key(), days=days)
    return Issued(found.certificate_pem, issuing.key_pem(made), found.serial, found.not_after)


class AuthorityCase(SynchronousTestCase):
    """A test with an authority in a directory of its own."""

    def setUp(self) -> None:
        """Make it."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.place = self.directory / "ca"
        self.authority = Authority.create(self.place, "Example CA", key=KeyKind.ECDSA, crl_uris=[URI])

    def openssl(self, *words: str) -> str:
        """Run OpenSSL in the directory; return all that it says, whether it likes what it sees or not."""
        done = subprocess.run(["openssl", *words], cwd=self.directory, capture_output=True, text=True, timeout=30)
        return done.stdout + done.stderr

    def verified(self, certificate_pem: bytes, purpose: str) -> str:
        """Return what OpenSSL says of a certificate when it is as strict as it can be."""
        (self.directory / "shown.pem").write_bytes(certificate_pem)
        files = ("-CAfile", "ca/ca.pem", "-CRLfile", "ca/crl.pem")
        return self.openssl("verify", "-x509_strict", "-crl_check", "-purpose", purpose, *files, "shown.pem")
