"""What `iphttps check` says of SSTP's files, in the words of the daemon."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.app.check.findings import Findings
from iphttps.app.check.sstp_checks import check_owner, check_users
from iphttps.app.config.server_options import Options
from iphttps.app.users import editing


class UsersTests(SynchronousTestCase):
    """The users file."""

    def setUp(self) -> None:
        """Have a file with one user."""
        self.path = Path(self.mktemp()).absolute()
        editing.add(self.path, "alice", "secret")
        self.flags = [
            "--uri", "http://*:8080/", "--sstp-pool", "10.99.0.0/24", "--sstp-users", str(self.path),
            "--sstp-certificate-hash", "00" * 20,
        ]  # fmt: skip

    def found(self, *flags: str) -> list[str]:
        """Return what is found."""
        options = Options()
        options.parse([*self.flags, *flags])
        findings = Findings(options)
        check_users(options.config, findings)
        return [str(one) for one in findings.all]

    def test_good(self) -> None:
        """A file with a user is good."""
        self.assertEqual([], self.found())

    def test_wrong(self) -> None:
        """A file that others can read, one with a mistake, and a fixed address that is the server's, are errors."""
        self.path.chmod(0o644)
        (sentence,) = self.found()
        self.assertIn("everybody on this host has access to it: run `chmod 0600", sentence)
        self.path.chmod(0o600)
        right = self.path.read_text()
        self.path.write_text(right + "quux = 1\n")
        self.assertIn("unknown key 'quux'", self.found()[0])
        self.path.write_text(right + 'address = "10.99.0.1"\n')
        self.assertTrue(self.found()[0].startswith("error: "), self.found())

    def test_nobody(self) -> None:
        """A file without a user who may log in gets a warning."""
        self.path.write_text(self.path.read_text() + "disabled = true\n")
        self.assertEqual(
            [f"warning: {self.path} has no user who may log in: `iphttps users add NAME` adds one"], self.found()
        )

    def test_pap(self) -> None:
        """PAP gets the daemon's warning."""
        self.assertIn("warning: --sstp-authentication pap", self.found("--sstp-authentication", "pap")[0])

    def test_owner(self) -> None:
        """The daemons' user must be the owner, if there is such a user and root checks."""
        if os.geteuid() != 0:
            raise SkipTest("only root can tell")
        options = Options()
        options.parse(self.flags)
        for user, number in ((os.geteuid() + 1, 1), (self.path.stat().st_uid, 0)):
            self.patch(pwd, "getpwnam", lambda name, user=user: SimpleNamespace(pw_uid=user))
            findings = Findings(options)
            check_owner(self.path, "sstp-users", findings)
            self.assertEqual(number, len(findings.all), user)
