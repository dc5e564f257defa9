"""After a crash or concurrent commands an authority has the old or the new state, never a mixture."""

import os
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from cryptography import x509

from iphttps.app.cli.entry import main
from iphttps.core.errors import ConfigError
from iphttps.pki.authority.issuing import KeyKind
from iphttps.pki.authority.record import revocation_markers
from iphttps.pki.authority.store import Authority
from iphttps.pki.certificates import Credentials
from tests.crashes import after_each_crash
from tests.pki.authority.support import AuthorityCase


class CrashTests(AuthorityCase):
    """A command that is killed before any of the things that it does to files."""

    def check_crashes(self, work: Callable[[], object], check: Callable[[], None]) -> None:
        """Check what is there after a kill, for every moment at which there can be one."""
        states = after_each_crash(self.directory, Path(self.mktemp()).absolute(), work, check)
        self.assertGreater(states, 5)

    def command(self, *words: str) -> int:
        """Give a command in the directory."""
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            return main(("ca", *words, "--authority", str(self.place)))

    def test_init(self) -> None:
        """A second try completes what was cut off, with the key that is there, or finds that it was done."""
        shutil.rmtree(self.place)

        def work() -> object:
            return Authority.create(self.place, "Example CA", key=KeyKind.ECDSA)

        def check() -> None:
            key = self.place / "ca.key"
            before = key.read_bytes() if key.exists() else None
            try:
                Authority.create(self.place, "Example CA", key=KeyKind.ECDSA)
            except ConfigError as error:
                self.assertIn("is not overwritten", str(error))
            Authority.open(self.place).repair_list()
            self.assertIn(before, (None, key.read_bytes()))
            self.whole()

        self.check_crashes(work, check)

    def test_issue(self) -> None:
        """A second try completes the pair: with the same key, and with no second certificate."""
        words = ("server", "vpn.example.org", "--key", "ecdsa", "--out", str(self.directory))
        certificate, key = self.directory / "vpn.example.org.pem", self.directory / "vpn.example.org.key"

        def check() -> None:
            before = key.read_bytes() if key.exists() else None
            complete = certificate.exists()
            self.assertEqual(1 if complete else 0, self.command(*words))
            self.assertIn(before, (None, key.read_bytes()))
            Credentials.load(certificate, key)
            self.assertEqual(1, len(self.whole().certificates()))

        self.check_crashes(lambda: self.command(*words), check)

    def test_renew(self) -> None:
        """The certificate's file is at any time the old one or the new one."""
        self.command("server", "vpn.example.org", "--key", "ecdsa", "--out", str(self.directory))
        certificate, key = self.directory / "vpn.example.org.pem", self.directory / "vpn.example.org.key"

        def check() -> None:
            Credentials.load(certificate, key)
            self.whole()

        self.check_crashes(lambda: self.command("renew", "vpn.example.org", "--out", str(self.directory)), check)

    def test_revoke(self) -> None:
        """A revoked certificate is in the list after the next command at the latest, and stays there."""
        serials = [self.authority.issue_client(name, key=KeyKind.ECDSA).serial for name in ("alice", "bob")]
        self.authority.revoke("bob")

        def check() -> None:
            listed = self.listed()
            self.assertIn(serials[1], listed)
            noted = set(revocation_markers(self.authority.certificates_path))
            self.assertLessEqual(listed, noted)
            Authority.open(self.place).repair_list()
            self.assertEqual(noted, self.listed())
            self.whole()

        self.check_crashes(lambda: self.command("revoke", "alice"), check)

    def listed(self) -> set[int]:
        """Return the serial numbers in the list, which must be whole."""
        found = x509.load_pem_x509_crl(self.authority.list_path.read_bytes())
        return {entry.serial_number for entry in found}

    def whole(self) -> Authority:
        """Have the authority work once more, and return it; nothing unfinished may be left in it."""
        authority = Authority.open(self.place)
        authority.write_list()
        authority.certificates()
        self.assertEqual([], list(self.place.rglob(".*")))
        return authority


class AtOnceTests(AuthorityCase):
    """Commands at the same time."""

    def test_all_count(self) -> None:
        """Of many who issue and revoke at once nobody's change is lost."""
        people = [f"client{number}" for number in range(8)]

        def come_and_go(name: str) -> None:
            self.authority.issue_client(name, key=KeyKind.ECDSA)
            self.authority.revoke(name)

        children = []
        for name in people:
            child = os.fork()
            if not child:
                status = 1
                try:
                    come_and_go(name)
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        self.assertEqual([0] * len(people), [os.waitpid(child, 0)[1] for child in children])
        self.assertEqual(people, [record.name for record in self.authority.certificates() if record.revoked])
        listed = x509.load_pem_x509_crl(self.authority.list_path.read_bytes())
        self.assertEqual(len(people), len(listed))
