"""The file of `iphttps enrol --sstp`, and the SSTP client that `iphttps join` sets up from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from iphttps.app.config.sstp_client_options import Options
from iphttps.app.enrol import bundle, sstp_bundle
from iphttps.app.enrol.bundle import COSTS, Bundle, check_data
from iphttps.app.enrol.sstp_bundle import SSTPBundle, seal, unseal
from iphttps.app.enrol.sstp_client_setup import default_instance
from iphttps.app.users import users_file
from iphttps.core.errors import ConfigError
from tests.app.enrol.test_bundle import BundleCase
from tests.app.enrolments import HOST, EnrolmentCase

PASSWORD = "0123-4567-89ab-cdef-ghjk"


class SSTPBundleTests(BundleCase):
    """The contents of the enrolment file."""

    def setUp(self) -> None:
        """Enrol a user."""
        super().setUp()
        self.enrolment = SSTPBundle("alice", "https://vpn.example.org/", self.bundle.ca_pem, PASSWORD)

    def test_there_and_back(self) -> None:
        """The password decrypts the file, and all values come back unchanged."""
        for enrolment in (self.enrolment, SSTPBundle("Zo\u00eb", "https://[2001:db8::1]:8443/", None, PASSWORD)):
            sealed = seal(enrolment, COSTS[0])
            self.assertEqual(enrolment, unseal(check_data(sealed), PASSWORD))
            self.assertNotIn(PASSWORD, repr(enrolment))
        with self.assertRaisesRegex(ConfigError, "^the passphrase is wrong for this file$"):
            unseal(check_data(sealed), PASSWORD[:-1] + "0")

    def test_either(self) -> None:
        """The enrolment of an IP-HTTPS client is recognised as such."""
        self.assertIsInstance(unseal(check_data(self.sealed), PASSWORD), Bundle)

    def test_instance(self) -> None:
        """The instance is called like the server."""
        self.assertEqual("vpn.example.org", default_instance(self.enrolment))

    def test_invalid(self) -> None:
        """Only a complete enrolment is accepted, whoever encrypted it."""
        good = {"protocol": "sstp", "user": "alice", "uri": "https://vpn.example.org/", "ca": None}
        self.assertIsInstance(self.opened(good), SSTPBundle)
        for changed in (
            {"user": ""},
            {"user": "a\nb"},
            {"user": 1},
            {"user": "a" * 300},
            {"uri": "http://vpn.example.org/"},
            {"uri": "ftp://vpn.example.org/"},
            {"uri": None},
            {"ca": "x"},
            {"ca": 1},
            {"protocol": "l2tp"},
        ):
            with self.assertRaisesRegex(ConfigError, "content of the enrolment is invalid"):
                self.opened(good | changed)
        for name in good:
            with self.assertRaisesRegex(ConfigError, "content of the enrolment is invalid"):
                self.opened({key: value for key, value in good.items() if key != name})
        others: list[object] = [[], 1, "x", {"protocol": "sstp"}]
        for content in others:
            with self.assertRaisesRegex(ConfigError, "content of the enrolment is invalid"):
                self.opened(content)

    def opened(self, content: object) -> Bundle | SSTPBundle:
        """Return what is read of a content; it is encrypted by hand."""
        self.patch(bundle, "decrypted", lambda data, passphrase: json.dumps(content).encode())
        return sstp_bundle.unseal(b"", PASSWORD)


class SSTPJoinTests(EnrolmentCase):
    """A gateway that serves SSTP, and a machine that joins it."""

    def setUp(self) -> None:
        """Set up the gateway, and enrol alice."""
        super().setUp()
        self.good(*self.setup_words("--sstp"))
        self.file, self.secret = self.enrolled("alice")
        self.words = self.join_words(self.file, self.secret)

    def enrolled(self, name: str) -> tuple[Path, Path]:
        """Enrol a user; return the file, and one with the password."""
        said = self.good("enrol", name, "--sstp", "--root", self.gateway.root, "--out", self.directory)
        (path,) = re.findall(r"^wrote (.*)$", said, re.MULTILINE)
        (password,) = re.findall(r"^password: (.*)$", said, re.MULTILINE)
        secret = self.directory / f"secret-{name}"
        secret.write_text(password + "\n")
        return Path(path), secret

    def options(self) -> Options:
        """Return the options of the client that has joined."""
        options = Options()
        options.root = self.laptop.root
        options.parse(["--config", str(self.laptop.config("sstp-client", HOST))])
        return options

    def test_joined(self) -> None:
        """The client has everything: server, authority, user, and a password file that only its owner can read."""
        said = self.good(*self.words)
        password = self.laptop.password("sstp-client", HOST)
        self.assertEqual((0o600, self.secret.read_bytes()), (password.stat().st_mode & 0o777, password.read_bytes()))
        config = self.options().config
        self.assertEqual(("alice", password, "sstp0"), (config.user, config.password_file, config.interface))
        self.assertEqual([f"https://{HOST}/"], [str(uri) for uri in config.uri])
        self.assertEqual(self.laptop.ca("sstp-client", HOST), config.ca)
        self.assertIn("PRIVATE KEY", self.gateway.server_authority.joinpath("ca.key").read_text())
        self.assertEqual(self.server_authority.certificate_pem, self.laptop.ca("sstp-client", HOST).read_bytes())
        self.assertIn(f"`iphttps status sstp-client/{HOST}`", said)
        self.assertIn(f"iphttps up --root {self.laptop.root} sstp-client/{HOST}", said)
        self.assertNotIn(self.secret.read_text().strip(), said)

    def test_checked(self) -> None:
        """`iphttps check` finds no errors in the result."""
        self.good(*self.words)
        said = self.good("check", "--root", self.laptop.root)
        self.assertIn(f"sstp-client/{HOST}: no problems found", said)

    def test_repeated(self) -> None:
        """A second run changes nothing."""
        self.good(*self.words)
        before = self.everything(self.laptop)
        self.assertIn("already joined; no changes", self.good(*self.words))
        self.assertEqual(before, self.everything(self.laptop))

    def test_beside(self) -> None:
        """Clients of both protocols for one server stand side by side, each with an interface of its own."""
        path, secret = self.enrol("alice")
        self.good(*self.join_words(path, secret))
        self.good(*self.words)
        self.assertEqual(([HOST], [HOST]), tuple(self.laptop.instances(role) for role in ("client", "sstp-client")))
        self.assertEqual("sstp0", self.options().config.interface)

    def test_other_user(self) -> None:
        """Another user of the same server needs another --instance: existing files are not overwritten."""
        self.good(*self.words)
        before = self.everything(self.laptop)
        path, secret = self.enrolled("bob")
        self.assertIn("for the user alice", self.bad(*self.join_words(path, secret)))
        self.assertEqual(before, self.everything(self.laptop))
        self.good(*self.join_words(path, secret, "--instance", "bob"))
        self.assertEqual(["bob", HOST], self.laptop.instances("sstp-client"))

    def test_replaced(self) -> None:
        """A user who was enrolled again needs --replace."""
        self.good(*self.words)
        self.good("users", "remove", "alice", "--root", self.gateway.root)
        self.file.unlink()
        path, secret = self.enrolled("alice")
        self.assertIn("use --replace", self.bad(*self.join_words(path, secret)))
        self.good(*self.join_words(path, secret, "--replace"))
        self.assertEqual(secret.read_bytes(), self.laptop.password("sstp-client", HOST).read_bytes())

    def test_wrong_password(self) -> None:
        """Another password does not decrypt the file."""
        self.secret.write_text(PASSWORD)
        self.assertIn("passphrase is wrong", self.bad(*self.words))
        self.assertEqual({}, self.everything(self.laptop))

    def test_users(self) -> None:
        """The server has the user whose name the client sends."""
        self.good(*self.words)
        self.assertEqual(["alice"], [user.name for user in users_file.read(self.gateway.users)])
