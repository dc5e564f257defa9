"""`iphttps enrol --sstp`: the user, the password, and the folder for Windows."""

from __future__ import annotations

import re

from cryptography import x509

from iphttps.app.enrol.sstp_enrolment import JOIN, LEAVE, SSTPEnrolment
from iphttps.app.users import users_file
from iphttps.core.sstp.ppp.mschapv2 import nt_password_hash
from tests.app.enrol.test_windows import HOSTILE, constants, shape
from tests.app.enrolments import HOST, EnrolmentCase

FILE = "alice-sstp.iphttps"


class SSTPEnrolmentTests(EnrolmentCase):
    """A gateway that serves SSTP."""

    def setUp(self) -> None:
        """Set it up."""
        super().setUp()
        self.good(*self.setup_words("--sstp"))
        self.words = ("--sstp", "--root", self.gateway.root, "--out", self.directory)

    def test_user(self) -> None:
        """The user has a password of 100 bits that is shown once, and on no disk."""
        said = self.good("enrol", "alice", *self.words)
        (password,) = re.findall(r"^password: ([0-9a-z-]{24})$", said, re.MULTILINE)
        (user,) = users_file.read(self.gateway.users)
        self.assertEqual(("alice", nt_password_hash(password)), (user.name, user.nt_hash))
        self.assertIn(f"run `iphttps join {FILE}`", said)
        self.assertIn(f"elsewhere, connect to {HOST} by SSTP as alice", said)
        for name, (_, content) in self.everything(self.gateway).items():
            self.assertNotIn(password.encode(), content, name)
        (path,) = (path for path in self.directory.iterdir() if "alice" in path.name)
        self.assertEqual((FILE, 0o600), (path.name, path.stat().st_mode & 0o777))
        self.assertNotIn(password.encode(), path.read_bytes())

    def test_no_certificate(self) -> None:
        """There is no certificate for the user."""
        self.good("enrol", "alice", *self.words)
        self.assertNotIn("alice", self.good("ca", "list", "--root", self.gateway.root))

    def test_known(self) -> None:
        """A user who is there keeps the password."""
        self.good("enrol", "alice", *self.words)
        before = self.gateway.users.read_bytes()
        self.assertIn("already has a user alice", self.bad("enrol", "ALICE", *self.words))
        self.assertIn(f"{FILE} already exists", self.bad("enrol", "alice", *self.words))
        self.assertEqual(before, self.gateway.users.read_bytes())
        self.assertEqual([FILE], [path.name for path in self.directory.iterdir() if path.name.endswith(".iphttps")])

    def test_not_served(self) -> None:
        """A server without SSTP adds nobody."""
        self.good(*self.setup_words("--instance", "two", "--port", "8443"))
        said = self.bad("enrol", "alice", *self.words, "--instance", "two")
        self.assertIn("server two does not serve SSTP", said)
        self.assertEqual(b"", self.gateway.users.read_bytes())

    def test_windows(self) -> None:
        """The folder has the authority and two scripts, and no secret."""
        said = self.good("enrol", "alice", *self.words, "--windows")
        (password,) = re.findall(r"^password: (.*)$", said, re.MULTILINE)
        folder = self.directory / "alice-sstp-windows"
        self.assertEqual({"Join.ps1", "Leave.ps1", "ca.cer"}, {path.name for path in folder.iterdir()})
        authority = x509.load_der_x509_certificate((folder / "ca.cer").read_bytes())
        self.assertEqual(self.server_authority.issuer.certificate, authority)
        for path in folder.iterdir():
            self.assertNotIn(password.encode(), path.read_bytes(), path.name)
        self.assertIn("already exists", self.bad("enrol", "alice", *self.words, "--windows"))

    def test_scripts(self) -> None:
        """Both are PowerShell, whatever the user is called, and know server, connection and authority."""
        enrolment = SSTPEnrolment.at(self.gateway, None)
        for script in (JOIN, LEAVE):
            expected = shape(self.text(enrolment, script, "alice"))
            found = constants(self.text(enrolment, script, "alice"))
            self.assertIn(HOST, found)
            self.assertTrue(any(re.fullmatch("[0-9A-F]{40}", each) for each in found), found)
            for name in HOSTILE:
                self.assertEqual(expected, shape(self.text(enrolment, script, name)), name)

    def test_undone(self) -> None:
        """What one script adds, the other removes."""
        enrolment = SSTPEnrolment.at(self.gateway, None)
        join, leave = (self.text(enrolment, script, "alice") for script in (JOIN, LEAVE))
        for added, removed in (("Add-VpnConnection", "Remove-VpnConnection"), ("$store.Add(", "$store.Remove(")):
            self.assertIn(added, join)
            self.assertIn(removed, leave)
            self.assertNotIn(removed, join)

    def test_server(self) -> None:
        """A port other than 443 is in the server's name; so is the one of a URI that is given."""
        for uri, server in (
            (f"https://{HOST}:8443/IPHTTPS", f"{HOST}:8443"),
            ("https://[2001:db8::1]/x", "[2001:db8::1]"),
            (None, HOST),
        ):
            self.assertEqual(server, SSTPEnrolment.at(self.gateway, "main", uri).server)

    def test_refused_name(self) -> None:
        """A name that no file or script can have adds no user."""
        for name in ("a\u202eb", "x" * 300):
            for flags in (("--windows",), ()):
                self.bad("enrol", name, *self.words, *flags)
                self.assertEqual(b"", self.gateway.users.read_bytes())

    def text(self, enrolment: SSTPEnrolment, script: str, name: str) -> str:
        """Return a script without what only Windows needs of it."""
        return enrolment.script(script, name).decode("utf-8")[1:].replace("\r\n", "\n")
