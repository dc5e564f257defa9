"""`iphttps ca`, as a person gives it."""

import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.cli.entry import main
from iphttps.pki.certificates import Credentials
from tests.app.schema import differences, documented

UNWANTED = "twisted", "pyroute2", "iphttps.net", "iphttps.host"


class ImportTests(SynchronousTestCase):
    """The imports that delay the command's start."""

    def test_no_daemon(self) -> None:
        """An authority is files: nothing of the daemons, of the network or of the kernel is imported."""
        code = "import sys, iphttps.app.cli.commands.ca; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual([], [name for name in loaded.stdout.split() if name.startswith(UNWANTED)])


class CommandTests(SynchronousTestCase):
    """The commands, in an empty directory that is also the root."""

    def setUp(self) -> None:
        """Make an authority there."""
        before = Path.cwd()
        self.addCleanup(os.chdir, before)
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        os.chdir(self.directory)
        self.place = Path("var/lib/iphttps/ca")
        self.said = self.done("init", "--name", "Example CA", "--host", "vpn.example.org", "--key", "ecdsa")

    def run_command(self, *words: str) -> tuple[int, str, str]:
        """Give a command; return its exit status, and what it says on standard output and standard error."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(("ca", *words))
        return status, out.getvalue(), err.getvalue()

    def done(self, *words: str) -> str:
        """Give a command that must succeed; return what it says."""
        status, said, complaint = self.run_command(*words, "--root", ".")
        self.assertEqual((0, ""), (status, complaint))
        return said

    def refused(self, *words: str) -> str:
        """Give a command that must fail; return the one sentence that it says."""
        status, said, complaint = self.run_command(*words, "--root", ".")
        self.assertEqual((1, "", 1), (status, said, complaint.count("\n")))
        return complaint

    def listed(self) -> dict[str, list[dict[str, object]]]:
        """Return the list."""
        found = json.loads(self.done("list", "--json"))
        assert isinstance(found, dict)
        return found

    def test_init(self) -> None:
        """It says where the authority is, and never makes another one in its place."""
        self.assertIn("created an authority in var/lib/iphttps/ca, valid until 20", self.said)
        self.assertIn("every client needs its certificate: var/lib/iphttps/ca/ca.pem", self.said)
        before = (self.place / "ca.key").read_bytes()
        self.assertIn("is not overwritten", self.refused("init"))
        self.assertEqual(before, (self.place / "ca.key").read_bytes())

    def test_server(self) -> None:
        """A server's two files go together, and are never overwritten; the key is for its owner only."""
        self.assertIn("wrote vpn.example.org.pem, valid until", self.done("server", "VPN.example.org", "192.0.2.1"))
        certificate, key = Path("vpn.example.org.pem"), Path("vpn.example.org.key")
        Credentials.load(certificate, key)
        self.assertEqual((0o644, 0o600), tuple(path.stat().st_mode & 0o777 for path in (certificate, key)))
        self.assertIn("is not overwritten", self.refused("server", "vpn.example.org"))
        Path("other").mkdir()
        self.done("server", "vpn.example.org", "--out", "other", "--days", "30", "--key", "ecdsa")
        Credentials.load(Path("other/vpn.example.org.pem"), Path("other/vpn.example.org.key"))
        self.assertIn("'nowhere' does not exist", self.run_command("server", "a.example", "--out", "nowhere")[2])
        self.assertIn("is a wildcard", self.refused("server", "*.example.org"))

    def test_own_key(self) -> None:
        """A key that is there already is the one that is certified."""
        self.done("client", "alice", "--key", "ecdsa")
        Path("bob.key").write_bytes(Path("alice.key").read_bytes())
        self.done("client", "bob")
        Credentials.load(Path("bob.pem"), Path("alice.key"))
        Path("carol.key").write_text("rubbish")
        self.assertIn("carol.key holds no unencrypted private key", self.refused("client", "carol"))

    def test_renew(self) -> None:
        """A new certificate takes the old one's place, but no other file's; it can also go elsewhere."""
        self.done("client", "alice", "--key", "ecdsa", "--days", "3")
        old = Path("alice.pem").read_bytes()
        self.assertIn("for the existing key of alice", self.done("renew", "alice"))
        self.assertNotEqual(old, Path("alice.pem").read_bytes())
        Credentials.load(Path("alice.pem"), Path("alice.key"))
        self.done("renew", "alice", "--out", "elsewhere.pem")
        Credentials.load(Path("elsewhere.pem"), Path("alice.key"))
        self.done("client", "bob", "--key", "ecdsa")
        self.assertIn("holds a certificate for another key", self.refused("renew", "alice", "--out", "bob.pem"))
        self.assertIn("holds no certificate", self.refused("renew", "alice", "--out", "alice.key"))

    def test_revoke(self) -> None:
        """Several are revoked at once, or none if one is not known."""
        for name in ("alice", "bob"):
            self.done("client", name, "--key", "ecdsa")
        self.assertIn("no certificate has the name or serial number 'carol'", self.refused("revoke", "bob", "carol"))
        self.assertEqual({"valid"}, {str(each["state"]) for each in self.listed()["certificates"]})
        self.assertRegex(
            self.done("revoke", "alice", "bob"), r"\Arevoked [0-9A-F]{30,40}, client alice\nrevoked .* bob\n\Z"
        )
        self.assertEqual("bob is already revoked\n", self.done("revoke", "bob"))
        self.assertIn("cannot be renewed", self.refused("renew", "bob"))
        self.assertEqual(2, len(x509.load_pem_x509_crl((self.place / "crl.pem").read_bytes())))

    def test_second(self) -> None:
        """A second certificate for a name gives a note about the first one, which is still valid."""
        self.done("client", "alice", "--key", "ecdsa")
        Path("second").mkdir()
        (first,) = self.listed()["certificates"]
        said = self.done("client", "alice", "--key", "ecdsa", "--out", "second")
        self.assertIn(f"alice also has {first['serial']}", said)

    def test_list(self) -> None:
        """The list has a line for each certificate: whose, for what, its state, days left, since when in use."""
        self.assertIn("no certificates", self.done("list"))
        self.done("client", "alice", "--key", "ecdsa", "--days", "31")
        self.done("server", "vpn.example.org", "--key", "ecdsa")
        lines = self.done("list").splitlines()
        self.assertRegex(lines[0], r"^authority +CN=Example CA, 3649 days left$")
        self.assertRegex(lines[1], r"^revocation list +0 revoked, 29 days left$")
        self.assertRegex(lines[2], r"^published at +http://vpn.example.org/iphttps.crl$")
        self.assertRegex(lines[5], r"^alice +client +valid +30 +- +[0-9A-F]{30,40}$")
        self.assertRegex(lines[6], r"^vpn.example.org +server +valid +364 ")

    def test_list_of_two(self) -> None:
        """Both authorities are listed, unless one is chosen; days left and first use are shown where they apply."""
        self.done("init", "--for", "servers", "--host", "vpn.example.org", "--name", "Server CA", "--key", "ecdsa")
        self.done("server", "vpn.example.org", "--key", "ecdsa")
        self.done("client", "alice", "--key", "ecdsa")
        self.done("revoke", "alice")
        said = self.done("list")
        self.assertEqual(2, said.count("FIRST USED"))
        self.assertRegex(said, r"(?m)^alice +client +revoked +- +- +[0-9A-F]{30,40}$")
        self.assertRegex(said, r"(?m)^authority +CN=Server CA, 3649 days left$")
        self.assertNotIn("Server CA", self.done("list", "--authority", str(self.place)))

    def test_json(self) -> None:
        """With --json the list has what docs/certificates.md says."""
        self.done("server", "vpn.example.org", "--key", "ecdsa")
        found = self.listed()
        self.assertEqual([], differences(documented("list"), found))

    def test_crl(self) -> None:
        """A copy of the list can be had, as PEM or DER."""
        self.assertIn("wrote var/lib/iphttps/ca/crl.pem, valid until", self.done("crl"))
        self.done("crl", "--out", "list.pem")
        x509.load_pem_x509_crl(Path("list.pem").read_bytes())
        self.done("crl", "--out", "list.crl", "--der")
        x509.load_der_x509_crl(Path("list.crl").read_bytes())

    def test_nowhere(self) -> None:
        """Without an authority each command says how to make one."""
        for words in (["list"], ["server", "a.example"], ["client", "a"], ["renew", "a"], ["revoke", "a"], ["crl"]):
            status, _, said = self.run_command(*words, "--authority", "elsewhere")
            self.assertEqual((1, True), (status, "`iphttps ca init` creates one" in said))

    def test_wrong_use(self) -> None:
        """An unknown command ends with exit status 2 and a sentence."""
        for words in (("issue",), ("server",), ("client",), ("init", "--key", "dsa"), ("client", "a", "--days", "0")):
            status, said, complaint = self.run_command(*words)
            self.assertEqual((2, "", 1), (status, said, complaint.count("\n")), complaint)
        self.assertIn("--for servers needs at least one --host", self.run_command("init", "--for", "servers")[2])
