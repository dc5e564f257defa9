"""The SSTP client's password: its source, and the conditions for withholding it."""

from __future__ import annotations

from pathlib import Path

from iphttps.app.config.secrets.password_login import (
    PASSWORD,
    LoginWithheldError,
    PasswordLogin,
    UserPassword,
    password_source,
)
from iphttps.app.config.sstp_client_options import Options
from iphttps.core.errors import ConfigError
from iphttps.core.login_lockout import PAUSE

from ...support import AppCase

A, B, C = "https://a.example/", "https://b.example/", "https://c.example/"


class PasswordCase(AppCase):
    """Password files."""

    def file(self, content: bytes, mode: int = 0o600) -> Path:
        """Write a file."""
        path = Path(self.mktemp()).absolute()
        path.touch()
        path.chmod(mode)
        path.write_bytes(content)
        return path


class SourceTests(PasswordCase):
    """The file and the environment."""

    def test_file(self) -> None:
        """The password is the file's only line, whatever ends it; spaces belong to it."""
        for content in (b"secret word", b"secret word\n", b"secret word\r\n", b"\xef\xbb\xbfsecret word\n"):
            self.assertEqual("secret word", password_source(self.file(content), {})())
        self.assertEqual(" p\u00e4ss ", password_source(self.file(" p\u00e4ss \n".encode()), {})())

    def test_changes(self) -> None:
        """It is read at each attempt; while it is half-written, what it held last is kept."""
        path = self.file(b"old\n")
        source = password_source(path, {})
        self.assertEqual("old", source())
        path.write_bytes(b"")
        self.assertEqual("old", source())
        path.write_bytes(b"new\n")
        self.assertEqual("new", source())

    def test_wrong_file(self) -> None:
        """Every mistake in it is a sentence that names the file and quotes no password."""
        for content, mode, words in (
            (b"secret\n", 0o640, "holds a password, and its mode is 0640: make it 0600"),
            (b"secret\n", 0o604, "its mode is 0604"),
            (b"", 0o600, "must hold the password in one line"),
            (b"\n", 0o600, "it must not be empty"),
            (b"secret\nword\n", 0o600, "must hold the password in one line"),
            (b"secret\xff\n", 0o600, "is not UTF-8"),
            (b"secret" * 50, 0o600, "at most 256 characters"),
        ):
            path = self.file(content, mode)
            sentence = str(self.assertRaises(ConfigError, password_source(path, {})))
            self.assertIn(str(path), sentence)
            self.assertIn(words, sentence)
            self.assertNotIn("secret", sentence.replace(str(path), ""))
        self.assertIn("No such file", str(self.assertRaises(ConfigError, password_source(Path("/nowhere"), {}))))

    def test_environment(self) -> None:
        """Without a file it is the variable's; a file takes precedence."""
        self.assertEqual("secret", password_source(None, {PASSWORD: "secret"})())
        self.assertEqual("other", password_source(self.file(b"other"), {PASSWORD: "secret"})())
        for variables, words in (
            ({}, f"give --password-file, or set {PASSWORD}"),
            ({PASSWORD: ""}, "must not be empty"),
            ({PASSWORD: "secret\udcff"}, "must be UTF-8"),
        ):
            sentence = str(self.assertRaises(ConfigError, password_source, None, variables))
            self.assertIn(words, sentence)
            self.assertNotIn("secret", sentence)

    def test_configured(self) -> None:
        """The password is read when the daemon starts, so that a mistake shows before an attempt."""
        options = Options()
        options.parse(["--uri", A, "--user", "alice", "--password-file", str(self.file(b"secret"))])
        login = PasswordLogin.configured(options.config, {}).login(A, 0.0)
        self.assertEqual(("alice", "secret"), (login.user, login.password))
        self.assertNotIn("secret", repr(login))
        self.assertEqual("878d8014606cda29677a44efa1353fc7", login.nt_hash.hex())
        options.parse(["--uri", A, "--user", "alice", "--password-file", "/nowhere"])
        self.assertIn(
            "--password-file: cannot read /nowhere",
            str(self.assertRaises(ConfigError, PasswordLogin.configured, options.config, {})),
        )


class WithheldTests(PasswordCase):
    """A rejected login."""

    def setUp(self) -> None:
        """Begin with a password that no server has seen."""
        super().setUp()
        self.password = "wrong"
        self.logins = PasswordLogin("alice", lambda: self.password)

    def withheld(self, server: str, now: float) -> str:
        """Return the sentence with which the login is withheld."""
        return str(self.assertRaises(LoginWithheldError, self.logins.login, server, now))

    def test_once(self) -> None:
        """A rejected login is sent once, and then not for 15 minutes: directories lock accounts."""
        login = self.logins.login(A, 0.0)
        self.assertEqual(UserPassword("alice", "wrong"), login)
        self.logins.rejected(A, login, 0.0)
        self.assertEqual(
            "the server has rejected the user or the password, which is not sent for 14 minutes, or until it changes, "
            "so that the account is not locked",
            self.withheld(A, 60.0),
        )
        self.assertEqual(login, self.logins.login(A, PAUSE))

    def test_corrected(self) -> None:
        """A new password is sent at once."""
        self.logins.rejected(A, self.logins.login(A, 0.0), 0.0)
        self.password = "right"
        self.assertEqual("right", self.logins.login(A, 1.0).password)

    def test_several_servers(self) -> None:
        """After two servers have rejected a login, no other server gets it."""
        self.logins.rejected(A, self.logins.login(A, 0.0), 0.0)
        self.logins.rejected(B, self.logins.login(B, 0.0), 0.0)
        self.assertIn("other servers have rejected", self.withheld(C, 1.0))

    def test_accepted(self) -> None:
        """A login that a server has accepted is not withheld from it."""
        login = self.logins.login(A, 0.0)
        self.logins.rejected(A, login, 0.0)
        self.logins.accepted(A)
        self.assertEqual(login, self.logins.login(A, 1.0))
