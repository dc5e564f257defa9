"""The client's options about a web proxy, and the files and variables that hold a login."""

from __future__ import annotations

from pathlib import Path

from iphttps.app.config.client_options import Options
from iphttps.app.config.proxy_options import (
    PASSWORD,
    USER,
    CredentialsFile,
    ProxyAccess,
    check_proxy,
    environment_login,
)
from iphttps.core.errors import ConfigError
from iphttps.core.proxy.url import Login, Proxy
from iphttps.lab.authority import Authority
from iphttps.net.connect.proxy import ProxySettings

from ..support import AppCase

URI = ("--uri", "https://vpn.example.org/")
PROXY = ("--proxy", "http://proxy.example:3128")


class ProxyOptionCase(AppCase):
    """Options, and files."""

    def file(self, text: str, mode: int = 0o600) -> Path:
        """Write a file."""
        path = Path(self.mktemp()).absolute()
        path.touch()
        path.chmod(mode)
        path.write_text(text)
        return path

    def settings(self, *flags: str, **environment: str) -> ProxySettings | None:
        """Return what the client makes of these flags."""
        options = Options()
        options.parse([*URI, *flags])
        proxy = options.config.proxy.proxy
        access = ProxyAccess(options.config, environment)
        return access.settings(proxy) if proxy else None

    def wrong(self, *flags: str, **environment: str) -> str:
        """Return the sentence with which they are rejected."""
        sentence = str(self.assertRaises(ConfigError, self.settings, *flags, **environment))
        self.assertNotIn("secret", sentence)
        return sentence


class ProxyTests(ProxyOptionCase):
    """`--proxy` and what belongs to it."""

    def test_none(self) -> None:
        """Without a proxy, or with `none`, the way is direct."""
        self.assertIsNone(self.settings())
        self.assertIsNone(self.settings("--proxy", "none"))

    def test_proxy(self) -> None:
        """A proxy by its URL; there is TLS to it only at https://."""
        plain = self.settings(*PROXY)
        assert plain
        self.assertEqual((Proxy(False, "proxy.example", 3128), None), (plain.proxy, plain.tls))
        self.assertFalse(plain.credentials.basic_in_clear)
        ca = Authority(Path(self.mktemp()).absolute()).certificate
        secure = self.settings("--proxy", "https://proxy.example", "--proxy-ca", str(ca), "--proxy-basic")
        assert secure
        self.assertEqual(Proxy(True, "proxy.example", 443), secure.proxy)
        self.assertIsNotNone(secure.tls)
        self.assertTrue(secure.credentials.basic_in_clear)

    def test_wrong(self) -> None:
        """An invalid proxy URL is rejected before anything is changed."""
        self.assertIn("is not the URL of a proxy", self.refusal(Options(), *URI, "--proxy", "socks5://proxy.example"))

    def test_of_no_use(self) -> None:
        """Proxy options are rejected without a proxy."""
        for flags in (("--proxy-credentials", "proxy.toml"), ("--proxy-ca", "ca.pem"), ("--proxy-basic",)):
            self.assertEqual(
                f"{flags[0]} needs --proxy: without a proxy it has no effect", self.refusal(Options(), *URI, *flags)
            )

    def test_named(self) -> None:
        """If it is the network that names the proxy, by WPAD or a file in clear, no password is sent as it is."""
        for flags, named in (
            (("--proxy", "environment"), True),
            (("--proxy", "auto"), False),
            (("--proxy", "auto", "--proxy-trust-network"), True),
            (("--proxy", "auto", "--pac", "http://proxy.example/proxy.pac"), False),
            (("--proxy", "auto", "--pac", "https://proxy.example/proxy.pac"), True),
            (("--proxy", "auto", "--pac", "proxy.pac"), True),
        ):
            options = Options()
            options.parse([*URI, *flags])
            settings = ProxyAccess(options.config, {}).settings(Proxy(True, "proxy.example", 443))
            self.assertEqual(named, settings.credentials.named, flags)

    def test_headers(self) -> None:
        """Headers go to every proxy, but to one that the network has named only the User-Agent."""
        headers = ("--proxy-header", "User-Agent: Mozilla/5.0", "--proxy-header", "X-Key: secret")
        both = (b"User-Agent", b"Mozilla/5.0"), (b"X-Key", b"secret")
        for source, secure, expected in (
            ("environment", False, both),
            ("auto", False, both[:1]),
            ("auto", True, both),
        ):
            options = Options()
            options.parse([*URI, "--proxy", source, *headers])
            settings = ProxyAccess(options.config, {}).settings(Proxy(secure, "proxy.example", 443))
            self.assertEqual(expected, settings.headers)
        self.assertIn("a name and a value", self.refusal(Options(), *URI, "--proxy", "auto", "--proxy-header", "x"))
        self.assertIn(
            "it applies to proxies that the network names",
            self.refusal(Options(), *URI, "--proxy", "environment", "--proxy-trust-network"),
        )

    def test_pac(self) -> None:
        """The file's path is absolute, for a daemon changes its directory; it goes with `auto` alone."""
        options = Options()
        options.parse([*URI, "--proxy", "auto", "--pac", "proxy.pac"])
        self.assertEqual(str(Path("proxy.pac").absolute()), str(options.config.pac))
        self.assertIn("--proxy auto", self.refusal(Options(), *URI, "--pac", "proxy.pac"))
        self.assertIn(
            "is not the URL", self.refusal(Options(), *URI, "--proxy", "auto", "--pac", "ftp://proxy.example/")
        )

    def test_environment_checked(self) -> None:
        """A variable that is no proxy's URL is named before anything is touched."""
        options = Options()
        options.parse([*URI, "--proxy", "environment"])
        for variables in ({"https_proxy": "socks5://proxy.example"}, {"all_proxy": "http://alice:secret@x:port"}):
            error = self.assertRaises(ConfigError, check_proxy, options.config, variables)
            self.assertIn(next(iter(variables)), str(error))
            self.assertNotIn("secret", str(error))

    def test_password_in_argv(self) -> None:
        """A password on the command line is rejected, with the places where it belongs."""
        sentence = self.refusal(Options(), *URI, "--proxy", "http://alice:secret@proxy.example:3128")
        self.assertNotIn("secret", sentence)
        for words in ("--proxy-credentials", USER, PASSWORD):
            self.assertIn(words, sentence)

    def test_password_in_the_file(self) -> None:
        """In the file it may stand, if nobody else can read that."""
        text = 'proxy = "http://alice:secret@proxy.example:3128"\n'
        config = self.file(text)
        settings = self.settings("--config", str(config))
        assert settings
        self.assertEqual(Login("alice", "secret"), settings.credentials.login(settings.proxy))
        config.chmod(0o640)
        self.assertIn(
            f"{config} has a user in the URL of `proxy`, and its mode is 0640", self.wrong("--config", str(config))
        )

    def test_sources(self) -> None:
        """The login is that of the file, or else of the environment, or there is none."""
        path = self.file('user = "alice"\npassword = "secret"\n')
        variables = {USER: "bob", PASSWORD: "b"}
        for flags, environment, login in (
            (("--proxy-credentials", str(path)), variables, Login("alice", "secret")),
            ((), variables, Login("bob", "b")),
            ((), {}, None),
        ):
            settings = self.settings(*PROXY, *flags, **environment)
            assert settings
            self.assertEqual(login, settings.credentials.login(settings.proxy))

    def test_environment(self) -> None:
        """Half a login is none; an empty password can be one."""
        for variables in ({USER: "alice"}, {PASSWORD: "secret"}, {USER: "", PASSWORD: "secret"}):
            self.assertIn(f"{USER} and {PASSWORD} go together", self.wrong(*PROXY, **variables))
        self.assertEqual(Login("alice", ""), environment_login({USER: "alice", PASSWORD: ""}))


class CredentialsFileTests(ProxyOptionCase):
    """`--proxy-credentials`."""

    def test_login(self) -> None:
        """User and password, and a domain if there is one."""
        path = self.file('user = "alice"\npassword = "secret"\ndomain = "EXAMPLE"\n')
        self.assertEqual(Login("alice", "secret", "EXAMPLE"), CredentialsFile(path).login())

    def test_changes(self) -> None:
        """It is read for each attempt; while it is half-written, what it held last is kept."""
        path = self.file('user = "alice"\npassword = "old"\n')
        file = CredentialsFile(path)
        self.assertEqual("old", file.login().password)
        path.write_text('user = "alice"\npass')
        self.assertEqual("old", file.login().password)
        path.write_text('user = "alice"\npassword = "new"\n')
        self.assertEqual("new", file.login().password)

    def test_wrong(self) -> None:
        """Every mistake in it is a sentence that names the file and quotes no password."""
        good = 'user = "alice"\npassword = "secret"\n'
        for text, mode, words in (
            (good, 0o644, "holds a password, and its mode is 0644: make it 0600"),
            (good, 0o620, "its mode is 0620"),
            ("secret", 0o600, "is not TOML"),
            (good + 'pasword = "x"\n', 0o600, "unknown key 'pasword'"),
            ('user = "alice"\n', 0o600, 'must hold user = "..." and password = "..."'),
            ('user = "alice"\npassword = 1234567\n', 0o600, "both strings"),
            ('user = ""\npassword = "secret"\n', 0o600, "is empty or contains unprintable characters"),
            ('user = "a\\nb"\npassword = "secret"\n', 0o600, "is empty or contains unprintable characters"),
        ):
            path = self.file(text, mode)
            sentence = self.wrong(*PROXY, "--proxy-credentials", str(path))
            self.assertIn(str(path), sentence)
            self.assertIn(words, sentence)
            self.assertNotIn("1234567", sentence)
        self.assertIn(
            "--proxy-credentials: cannot read /nowhere/file", self.wrong(*PROXY, "--proxy-credentials", "/nowhere/file")
        )
