"""The words of --proxy and --pac."""

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.core.proxy.choice import PACLocation, ProxyChoice, ProxySource
from iphttps.core.proxy.url import Proxy


class ProxyChoiceTests(SynchronousTestCase):
    """`ProxyChoice.parse`."""

    def test_words(self) -> None:
        """Three words say where the answer comes from."""
        for word, source in (
            ("none", ProxySource.NONE),
            ("environment", ProxySource.ENVIRONMENT),
            ("auto", ProxySource.AUTO),
        ):
            self.assertEqual(ProxyChoice.parse(word), ProxyChoice(source))
            self.assertEqual(str(ProxyChoice.parse(word)), word)

    def test_fixed(self) -> None:
        """Anything that looks like a place is the proxy itself, and is never shown with its password."""
        for text in ("http://proxy:3128", "http://alice:secret@proxy:3128", "proxy:3128"):
            choice = ProxyChoice.parse(text)
            self.assertEqual(choice, ProxyChoice(ProxySource.FIXED, Proxy(False, "proxy", 3128)))
            self.assertEqual(str(choice), "http://proxy:3128")
            self.assertNotIn("secret", repr(choice))

    def test_nearest(self) -> None:
        """A misspelt word is no proxy's name: the rejection names the nearest word."""
        for text, meant in (("enviroment", "environment"), ("Auto", "auto"), ("non", "none")):
            error = self.assertRaises(ConfigError, ProxyChoice.parse, text)
            self.assertIn(f"did you mean {meant}?", str(error))
        for text in ("", "squid"):
            self.assertNotIn("meant", str(self.assertRaises(ConfigError, ProxyChoice.parse, text)))

    def test_refused(self) -> None:
        """An invalid value of --proxy is rejected without quoting its password."""
        for text in ("socks5://proxy:1080", "http://alice:secret@proxy:port", "http://"):
            self.assertNotIn("secret", str(self.assertRaises(ConfigError, ProxyChoice.parse, text)))


class PACLocationTests(SynchronousTestCase):
    """`PACLocation.parse`."""

    def test_files(self) -> None:
        """A path, and a URL of a file on this host."""
        for text, path in (
            ("/etc/proxy.pac", "/etc/proxy.pac"),
            ("proxy.pac", "proxy.pac"),
            ("file:///etc/my%20proxy.pac", "/etc/my proxy.pac"),
            ("file:/etc/proxy.pac", "/etc/proxy.pac"),
            ("file://localhost/etc/proxy.pac", "/etc/proxy.pac"),
        ):
            location = PACLocation.parse(text)
            self.assertEqual((location, str(location)), (PACLocation(path=path), path))

    def test_urls(self) -> None:
        """A PAC file by HTTP or HTTPS; a fragment is removed."""
        for text, url in (
            ("http://proxy.example/proxy.pac", "http://proxy.example/proxy.pac"),
            ("https://proxy.example:8443/p?a=b#c", "https://proxy.example:8443/p?a=b"),
        ):
            location = PACLocation.parse(text)
            self.assertEqual((location, str(location)), (PACLocation(url=url), url))

    def test_refused(self) -> None:
        """An unreadable URL is rejected without quoting its password."""
        for text in (
            "",
            "a\0b",
            "file:///a%00b",
            "file://elsewhere/etc/proxy.pac",
            "file:proxy.pac",
            "ftp://proxy.example/proxy.pac",
            "http:///proxy.pac",
            "http://proxy.example:port/",
            "http://[::1/",
            "http://proxy.example/a b",
            "http://proxy.example/ü",
            "http://proxy.example/\x7f",
            "http://alice:secret@proxy.example/proxy.pac",
        ):
            self.assertNotIn("secret", str(self.assertRaises(ConfigError, PACLocation.parse, text)), text)
