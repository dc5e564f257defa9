"""A web proxy's URL."""

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.core.proxy.url import Login, Proxy


class ProxyTests(SynchronousTestCase):
    """`Proxy.parse` and what a proxy says of itself."""

    def test_parse(self) -> None:
        """Scheme, host and port are taken as they stand; what is missing is what browsers take."""
        for text, secure, host, port, shown in (
            ("http://proxy.example:3128", False, "proxy.example", 3128, "http://proxy.example:3128"),
            ("http://proxy.example/", False, "proxy.example", 80, "http://proxy.example:80"),
            ("https://Proxy.Example", True, "proxy.example", 443, "https://proxy.example:443"),
            ("proxy.example:8080", False, "proxy.example", 8080, "http://proxy.example:8080"),
            ("http://[2001:db8::1]:8080", False, "2001:db8::1", 8080, "http://[2001:db8::1]:8080"),
        ):
            proxy = Proxy.parse(text)
            self.assertEqual((proxy.secure, proxy.host, proxy.port, proxy.login), (secure, host, port, None), text)
            self.assertEqual(str(proxy), shown)

    def test_login(self) -> None:
        """A user and a password in the URL are decoded, and never shown."""
        proxy = Proxy.parse("http://EXAMPLE%5Calice:se%40cret@proxy.example:3128")
        self.assertEqual(proxy.login, Login("EXAMPLE\\alice", "se@cret"))
        self.assertEqual(Proxy.parse("http://alice@proxy.example").login, Login("alice", ""))
        self.assertNotIn("cret", f"{proxy} {proxy!r} {proxy.login!r}")

    def test_refused(self) -> None:
        """An invalid proxy URL is rejected with a sentence without the password."""
        for text in (
            "socks5://proxy.example:1080",
            "http://",
            "http://proxy.example:port",
            "http://proxy.example:99999",
            "http://proxy.example/path",
            "http://proxy.example?query",
            "http://pröxy.example",
            "http://[::1",
            "http://alice:secret@proxy.example:port",
        ):
            error = self.assertRaises(ConfigError, Proxy.parse, text)
            self.assertIn("http://proxy.example.org:3128", str(error))
            self.assertNotIn("secret", str(error))
