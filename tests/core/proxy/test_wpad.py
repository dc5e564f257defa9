"""The URLs tried by Web Proxy Auto-Discovery."""

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.proxy.wpad import MAXIMUM_URLS, search_domains, wpad_urls

PUBLIC = {"org", "de", "uk", "co.uk", "com", "com.au", "au", "eu.org", "l", "lan"}


def asked(*domains: str) -> list[str]:
    """Return the domains whose `wpad` is asked."""
    urls = wpad_urls(domains, PUBLIC.__contains__)
    return [url.removeprefix("http://wpad.").removesuffix("/wpad.dat") for url in urls]


class URLTests(SynchronousTestCase):
    """`wpad_urls`."""

    def test_upwards(self) -> None:
        """From the host's domain upwards, in the order of the domains, each once."""
        self.assertEqual(wpad_urls(["example.org"], PUBLIC.__contains__), ("http://wpad.example.org/wpad.dat",))
        self.assertEqual(asked("a.b.example.org"), ["a.b.example.org", "b.example.org", "example.org"])
        self.assertEqual(asked("b.example.org", "c.example.org"), ["b.example.org", "example.org", "c.example.org"])
        self.assertEqual(asked(" B.Example.ORG. "), ["b.example.org", "example.org"])

    def test_registries(self) -> None:
        """Nothing that may belong to a registry is asked, for then whoever registers `wpad` there has everybody."""
        for domain, *expected in (
            ("com",),
            ("lan",),
            ("",),
            ("co.uk",),
            ("com.au",),
            ("example.co.uk", "example.co.uk"),
            ("a.example.co.uk", "a.example.co.uk", "example.co.uk"),
            ("example.de", "example.de"),
            ("a.example.de", "a.example.de", "example.de"),
            ("eu.org",),
            ("example.eu.org", "example.eu.org"),
            ("a.example.eu.org", "a.example.eu.org", "example.eu.org"),
            ("office.lan", "office.lan"),
        ):
            self.assertEqual(asked(domain), expected, domain)

    def test_refused(self) -> None:
        """An invalid domain name is not queried."""
        label = "a" * 63
        for domain in ("a..org", "-a.org", "a-.org", "a b.org", "a/b.org", "ä.org", "a" * 64 + ".org", ".", "a@b.org"):
            self.assertEqual(asked(domain), [], domain)
        self.assertEqual(asked(f"{label}.{label}.{label}.{label}"), [])

    def test_bound(self) -> None:
        """So many places and no more."""
        self.assertEqual(len(asked(".".join("abcdefghijkl"))), MAXIMUM_URLS)


class DomainTests(SynchronousTestCase):
    """`search_domains`."""

    def test_resolver(self) -> None:
        """The resolver's own, of which the last line counts (resolv.conf(5)); else the host name's."""
        for text, *expected in (
            ("nameserver 192.0.2.1\nsearch a.example b.example\n", "a.example", "b.example"),
            ("domain a.example\n", "a.example"),
            ("domain a.example b.example\n", "a.example"),
            ("search a.example\ndomain b.example\n", "b.example"),
            ("search a.example\nsearch\n\n# search c.example", "a.example"),
            ("", "office.example"),
        ):
            self.assertEqual(search_domains(text, "host.office.example"), tuple(expected), text)
        self.assertEqual(search_domains("", "host"), ())
