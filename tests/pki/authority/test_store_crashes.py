"""After a crash or concurrent commands an authority has the old or the new state, never a mixture."""

import os
import shutil
import signal
import sys
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
from tests.pki.authority.support import AuthorityCase

TOUCHING = (
    "open", "write", "flush", "fsync", "close", "rename", "replace", "link", "unlink", "mkdir",
    "chmod", "fchmod", "chown", "fchown", "flock",
)  # fmt: skip
"""The functions of CPython after which, or before which, something is different on the disk."""

MOST = 500


def killed_at(moment: int, work: Callable[[], object]) -> bool:
    """Do the work in a process that is killed before it touches the file system for this time; tell if it was."""
    child = os.fork()
    if not child:
        try:
            _die_at(moment)
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _die_at(moment: int) -> None:
    touched = 0

    def touching(frame: object, event: str, called: object) -> None:
        nonlocal touched
        if event == "c_call" and getattr(called, "__name__", "") in TOUCHING:
            touched += 1
            if touched == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(touching)


class CrashTests(AuthorityCase):
    """A command that is killed before any of the things that it does to files."""

    def each_moment(self, begin: Callable[[], None], work: Callable[[], object], check: Callable[[], None]) -> None:
        """Check what is there after a kill, for every moment at which there can be one."""
        for moment in range(1, MOST):
            begin()
            if not killed_at(moment, work):
                self.assertGreater(moment, 5)
                return
            check()
        self.fail("it never ended")

    def afresh(self) -> None:
        """Put everything back to how it was after `setUp`."""
        for path in self.directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.template, self.directory, dirs_exist_ok=True)

    def keep(self) -> None:
        """Keep everything as it is now for `afresh`."""
        self.template = Path(self.mktemp()).absolute()
        shutil.copytree(self.directory, self.template)

    def command(self, *words: str) -> int:
        """Give a command in the directory."""
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            return main(("ca", *words, "--authority", str(self.place)))

    def test_init(self) -> None:
        """A second try completes what was cut off, with the key that is there, or finds that it was done."""

        def begin() -> None:
            shutil.rmtree(self.place, ignore_errors=True)

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

        self.each_moment(begin, work, check)

    def test_issue(self) -> None:
        """A second try completes the pair: with the same key, and with no second certificate."""
        self.keep()
        words = ("server", "vpn.example.org", "--key", "ecdsa", "--out", str(self.directory))
        certificate, key = self.directory / "vpn.example.org.pem", self.directory / "vpn.example.org.key"

        def check() -> None:
            before = key.read_bytes() if key.exists() else None
            complete = certificate.exists()
            self.assertEqual(1 if complete else 0, self.command(*words))
            self.assertIn(before, (None, key.read_bytes()))
            Credentials.load(certificate, key)
            self.assertEqual(1, len(self.whole().certificates()))

        self.each_moment(self.afresh, lambda: self.command(*words), check)

    def test_renew(self) -> None:
        """The certificate's file is at any time the old one or the new one."""
        self.command("server", "vpn.example.org", "--key", "ecdsa", "--out", str(self.directory))
        self.keep()
        certificate, key = self.directory / "vpn.example.org.pem", self.directory / "vpn.example.org.key"

        def check() -> None:
            Credentials.load(certificate, key)
            self.whole()

        self.each_moment(
            self.afresh,
            lambda: self.command("renew", "vpn.example.org", "--out", str(self.directory)),
            check,
        )

    def test_revoke(self) -> None:
        """A revoked certificate is in the list after the next command at the latest, and stays there."""
        serials = [self.authority.issue_client(name, key=KeyKind.ECDSA).serial for name in ("alice", "bob")]
        self.authority.revoke("bob")
        self.keep()

        def check() -> None:
            listed = self.listed()
            self.assertIn(serials[1], listed)
            noted = set(revocation_markers(self.authority.certificates_path))
            self.assertLessEqual(listed, noted)
            Authority.open(self.place).repair_list()
            self.assertEqual(noted, self.listed())
            self.whole()

        self.each_moment(self.afresh, lambda: self.command("revoke", "alice"), check)

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
