"""The list of public suffixes."""

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.proxy.wpad import wpad_urls
from iphttps.net.connect.public_suffix import public_suffixes


class SuffixTests(SynchronousTestCase):
    """`public_suffixes`."""

    def test_public(self) -> None:
        """Registries' and private suffixes, of two labels or more, by wildcard, encoded, and unknown ones."""
        is_public = public_suffixes()
        for name in (
            *("org", "co.uk", "eu.org", "github.io", "pvt.k12.ma.us", "any.ck", "nom.br", "duckdns.org", "lan"),
            *("xn--p1ai", "xn--55qx5d.cn", "any.kawasaki.jp", "s3.amazonaws.com"),
        ):
            self.assertTrue(is_public(name), name)
        for name in ("example.org", "example.co.uk", "example.eu.org", "office.lan", "www.ck", "example.de"):
            self.assertFalse(is_public(name), name)

    def test_wpad(self) -> None:
        """Nobody who registers `wpad` below a public suffix is asked."""
        is_public = public_suffixes()
        for domain, *expected in (
            ("eu.org",),
            ("host.eu.org", "host.eu.org"),
            ("a.host.eu.org", "a.host.eu.org", "host.eu.org"),
            ("me.github.io", "me.github.io"),
            ("school.pvt.k12.ma.us", "school.pvt.k12.ma.us"),
            ("a.firm.com.br", "a.firm.com.br", "firm.com.br"),
        ):
            urls = wpad_urls([domain], is_public)
            self.assertEqual([url[len("http://wpad.") : -len("/wpad.dat")] for url in urls], expected)
