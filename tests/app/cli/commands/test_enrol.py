"""`iphttps enrol` and `iphttps join`: from the gateway's authority to a client that can be started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from cryptography import x509

from iphttps.app.config.client_options import Options
from iphttps.app.enrol.bundle import read_bundle, unseal
from iphttps.pki.authority.issuing import KeyKind
from iphttps.pki.authority.store import Authority
from iphttps.pki.certificates import Credentials, alternative_names
from tests.app.enrolments import HOST, EnrolmentCase
from tests.pki.authority.support import issue_server
from tests.pki.authority.test_store_crashes import killed_at

MOST = 400


class Enrolled(EnrolmentCase):
    """A gateway that is set up, and alice's file."""

    def setUp(self) -> None:
        """Set up, and enrol her."""
        super().setUp()
        self.good(*self.setup_words())
        self.file, self.secret = self.enrol("alice")


class EnrolTests(Enrolled):
    """The gateway's side."""

    def test_file(self) -> None:
        """There is one file, for its owner alone, which opens with the passphrase and holds what a client needs."""
        self.assertEqual((self.directory / "alice.iphttps", 0o600), (self.file, self.file.stat().st_mode & 0o777))
        bundle = unseal(read_bundle(self.file), self.secret.read_text().strip())
        self.assertEqual(("alice", f"https://{HOST}/IPHTTPS"), (bundle.name, bundle.uri))
        self.assertEqual(self.server_authority.certificate_pem, bundle.ca_pem)
        self.assertEqual(["alice"], list(alternative_names(x509.load_pem_x509_certificate(bundle.certificate_pem))))

    def test_listed(self) -> None:
        """Who is enrolled stands in the list of certificates, as one who has not come yet."""
        self.assertRegex(self.good("ca", "list", "--root", self.gateway.root), r"(?m)^alice +client +valid +\d+ +- ")

    def test_secret(self) -> None:
        """The passphrase and the key are on no disk but in the file."""
        found = self.everything(self.gateway)
        passphrase = self.secret.read_bytes().strip()
        key = unseal(read_bundle(self.file), passphrase.decode()).key_pem
        for name, (_, content) in found.items():
            self.assertNotIn(passphrase, content, name)
            self.assertNotIn(key.splitlines()[2], content, name)

    def test_no_overwriting(self) -> None:
        """A file that is there stays, and no certificate is issued for nothing."""
        before = self.file.read_bytes()
        said = self.bad("enrol", "alice", "--root", self.gateway.root, "--out", self.directory)
        self.assertIn("alice.iphttps already exists and is not overwritten", said)
        self.assertEqual((1, before), (len(self.authority.find("alice")), self.file.read_bytes()))

    def test_again(self) -> None:
        """Who is enrolled again is told what else is good, and how to end that."""
        (first,) = self.authority.find("alice")
        other = self.directory / "other"
        other.mkdir()
        said = self.good("enrol", "alice", "--key", "ecdsa", "--root", self.gateway.root, "--out", other)
        self.assertIn(
            f"alice also has {first.shown_serial}: to revoke it, run `iphttps ca revoke {first.shown_serial}`", said
        )

    def test_names(self) -> None:
        """A name that could be a path, or hide something, is refused before anything is issued."""
        for name in ("../x", "a/b", "", ".x", "-x", "a\nb", "\u202ex", "x" * 65):
            words = ("--root", self.gateway.root, "--out", self.directory)
            self.command("enrol", *words, "--", name)
            self.assertEqual(1, self.command("enrol", *words, "--", name)[0], name)
        self.assertEqual(1, len(self.authority.certificates()))
        self.assertIn("too long for a file name", self.bad("enrol", "\U00020000" * 64, *words))

    def test_no_server(self) -> None:
        """Where no server is set up, or several are, a sentence says what to do."""
        self.assertIn("create one with `iphttps setup`", self.bad("enrol", "x", "--root", self.laptop.root))
        self.good(*self.setup_words("--instance", "two", "--port", "8443"))
        self.assertIn("choose one with --instance: main, two", self.bad("enrol", "x", "--root", self.gateway.root))
        file, secret = self.enrol("bob", "--instance", "two")
        self.assertEqual(f"https://{HOST}:8443/IPHTTPS", unseal(read_bundle(file), secret.read_text().strip()).uri)

    def test_other_authority(self) -> None:
        """For a server with a certificate from elsewhere the client trusts what its system trusts."""
        issued = issue_server(Authority.create(self.directory / "ca", "Other", key=KeyKind.ECDSA), [HOST])
        self.gateway.server_certificate("main").write_bytes(issued.certificate_pem)
        self.gateway.server_key("main").write_bytes(issued.key_pem)
        file, secret = self.enrol("bob")
        self.assertIsNone(unseal(read_bundle(file), secret.read_text().strip()).ca_pem)
        self.good(*self.join_words(file, secret))
        self.assertNotIn("ca", tomllib.loads(self.laptop.client_config(HOST).read_text()))

    def test_uri(self) -> None:
        """Another URI can be given, and has to be one that clients can use."""
        file, secret = self.enrol("bob", "--uri", "https://front.example.org:444/x")
        self.assertEqual("https://front.example.org:444/x", unseal(read_bundle(file), secret.read_text().strip()).uri)
        for uri in ("http://front.example.org/", "https://*/", 'https://x"/', "front"):
            said = self.bad("enrol", "carol", "--uri", uri, "--root", self.gateway.root, "--out", self.directory)
            self.assertIn("https://vpn.example.org/IPHTTPS", said)


class JoinTests(Enrolled):
    """The client's side."""

    def test_made(self) -> None:
        """Certificate, key, authority and configuration are there, and the daemon takes them."""
        said = self.good(*self.join_words(self.file, self.secret))
        self.assertIn(f"next: check the client with `iphttps status client/{HOST}`", said)
        options = Options()
        options.parse(["--config", str(self.laptop.client_config(HOST))])
        self.assertEqual([f"https://{HOST}/IPHTTPS"], [str(uri) for uri in options.config.uri])
        for key, value in {
            "ca": f"/etc/iphttps/client/{HOST}-ca.pem",
            "certificate": f"/etc/iphttps/client/{HOST}.pem",
            "private-key": f"/etc/iphttps/client/{HOST}.key",
            "control": f"/run/iphttps/client-{HOST}.sock",
            "interface": "iphttps0",
        }.items():
            self.assertEqual(value, options[key])
        self.assertEqual(0o600, self.laptop.client_key(HOST).stat().st_mode & 0o777)
        own = Credentials.load(self.laptop.client_certificate(HOST), self.laptop.client_key(HOST))
        own.chain[0].verify_directly_issued_by(self.authority.issuer.certificate)
        self.assertEqual(self.server_authority.certificate_pem, self.laptop.ca("client", HOST).read_bytes())

    def test_repeated(self) -> None:
        """A second time nothing is changed, and that is said."""
        self.good(*self.join_words(self.file, self.secret))
        before = self.everything(self.laptop)
        self.assertIn("already joined; no changes", self.good(*self.join_words(self.file, self.secret)))
        self.assertEqual(before, self.everything(self.laptop))

    def test_killed(self) -> None:
        """Killed before any of the things that it does to files, it can be repeated."""
        moments = 0
        for moment in range(1, MOST):
            shutil.rmtree(self.laptop.root)
            self.laptop.root.mkdir()
            if not killed_at(moment, lambda: self.command(*self.join_words(self.file, self.secret))):
                break
            moments += 1
            self.good(*self.join_words(self.file, self.secret))
            self.assertEqual(4, len(self.everything(self.laptop)))
        self.assertGreater(moments, 10)

    def test_anothers(self) -> None:
        """What is another enrolment's is not overwritten, unless that is asked for; then it is replaced whole."""
        self.good(*self.join_words(self.file, self.secret))
        before = self.everything(self.laptop)
        bob, secret = self.enrol("bob")
        said = self.bad(*self.join_words(bob, secret))
        self.assertIn(f"{HOST}.pem belongs to another enrolment: use --replace to replace it", said)
        self.assertEqual(before, self.everything(self.laptop))
        self.good(*self.join_words(bob, secret, "--replace"))
        own = Credentials.load(self.laptop.client_certificate(HOST), self.laptop.client_key(HOST))
        self.assertEqual(["bob"], list(alternative_names(own.chain[0])))
        self.assertEqual(0o600, self.laptop.client_key(HOST).stat().st_mode & 0o777)
        self.good(*self.join_words(self.file, self.secret, "--instance", "alice"))
        config = tomllib.loads(self.laptop.client_config("alice").read_text())
        self.assertEqual("iphttps1", config["interface"])

    def test_other_server(self) -> None:
        """A configuration for another server of the same name stays, whatever is asked for."""
        self.good(*self.join_words(self.file, self.secret))
        before = self.everything(self.laptop)
        bob, secret = self.enrol("bob", "--uri", "https://front.example.org/")
        words = self.join_words(bob, secret, "--instance", HOST, "--replace")
        self.assertIn(f"for https://{HOST}/IPHTTPS: choose another --instance", self.bad(*words))
        self.assertEqual(before, self.everything(self.laptop))

    def test_address(self) -> None:
        """A server that is called by its address has a client whose name can stand in a path."""
        file, secret = self.enrol("bob", "--uri", "https://[2001:db8::1]/IPHTTPS")
        self.good(*self.join_words(file, secret))
        self.assertEqual(["2001-db8--1"], self.laptop.instances("client"))

    def test_bad_files(self) -> None:
        """A file that is not an enrolment or is damaged, or a wrong passphrase, changes nothing and gets a sentence."""
        damaged = self.directory / "damaged"
        damaged.write_bytes(self.file.read_bytes()[:-100])
        _, other = self.enrol("bob")
        empty = self.directory / "empty"
        empty.write_text("")
        for file, secret, said in (
            (self.secret, self.secret, "is not an enrolment"),
            (self.directory / "nothing", self.secret, "cannot read"),
            (damaged, self.secret, "damaged is damaged"),
            (self.file, other, "the passphrase is wrong for this file"),
            (self.file, empty, "malformed passphrase"),
        ):
            self.assertIn(said, self.bad(*self.join_words(file, secret)))
        self.assertEqual({}, self.everything(self.laptop))

    def test_standard_input(self) -> None:
        """The passphrase can come by standard input, as a line or as a file; never by the command line."""
        program = [
            str(Path(sys.executable).with_name("iphttps")),
            "join",
            str(self.file),
            "--root",
            str(self.laptop.root),
        ]
        for more in ([], ["--passphrase-file", "-"]):
            done = subprocess.run(
                [*program, *more],
                input=self.secret.read_text(),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_asked(self) -> None:
        """At a terminal it is asked for, not shown, and asked for again if it was mistyped."""
        program = [str(Path(sys.executable).with_name("iphttps")), "join", str(self.file)]
        child, terminal = os.forkpty()
        if not child:
            os.execv(program[0], [*program, "--root", str(self.laptop.root)])
        answers = iter((b"0000-0000-0000-0000-0000\n", self.secret.read_bytes()))
        seen = b""
        while chunk := _read(terminal):
            seen += chunk
            if seen.endswith(b"Passphrase: "):
                seen += b"|"
                os.write(terminal, next(answers))
        os.close(terminal)
        self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen)
        self.assertIn(b"the passphrase is wrong for this file; try again", seen)
        self.assertNotIn(self.secret.read_bytes().strip(), seen)
        self.assertIn(b"wrote the certificate of alice", seen)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when nobody has the other end any more
        return b""
