"""The string that a proxy auto-configuration file answers with."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DiscoveryError
from iphttps.core.proxy.pac_result import MAXIMUM_LENGTH, MAXIMUM_PROXIES, PACResult
from iphttps.core.proxy.url import Proxy

A = Proxy(False, "a", 8080)


class PACResultTests(SynchronousTestCase):
    """`PACResult.parse`."""

    def test_entries(self) -> None:
        """The entries keep their order; each proxy counts once; case and blanks are of no account."""
        for text, *expected in (
            ("PROXY a:8080; HTTPS b:443; DIRECT", A, Proxy(True, "b", 443), None),
            ("DIRECT", None),
            ("  proxy\ta:8080;;direct ; ", A, None),
            ("PROXY a:8080; HTTP a:8080", A),
            ("PROXY a", Proxy(False, "a", 80)),
            ("HTTPS [2001:db8::1]", Proxy(True, "2001:db8::1", 443)),
            ("", None),
            (" ; ", None),
        ):
            self.assertEqual(PACResult.parse(text), PACResult(tuple(expected)), text)

    def test_skipped(self) -> None:
        """SOCKS, and what is no entry, is left out and reported."""
        result = PACResult.parse("SOCKS5 c:1080; PROXY a:8080; nonsense\x1b; PROXY; PROXY a b; PROXY a:port; DIRECT x")
        self.assertEqual(result.proxies, (A,))
        self.assertEqual(
            result.skipped,
            (
                "SOCKS5 c:1080 (SOCKS is not supported)",
                "nonsense\\x1b (not an entry)",
                "PROXY (not an entry)",
                "PROXY a b (not an entry)",
                "PROXY a:port (not a host and a port)",
                "DIRECT x (not an entry)",
            ),
        )

    def test_no_url(self) -> None:
        """An entry has a host and a port, and nothing else that a URL may have: no user, no path."""
        for place in ("alice:secret@a:8080", "a:8080/x", "a?x", "http://a", "a\0", "a:99999", "[::1", "a" * 254):
            self.assertEqual(len(PACResult.parse(f"PROXY {place}; DIRECT").skipped), 1, place)

    def test_nothing_left(self) -> None:
        """An answer of which nothing can be used is a failure, and says what it was."""
        error = self.assertRaises(DiscoveryError, PACResult.parse, "SOCKS c:1080; " + "x" * 100)
        self.assertEqual(
            str(error),
            "it names no usable proxy: SOCKS c:1080 (SOCKS is not supported), " + "x" * 60 + "... (not an entry)",
        )

    def test_bounds(self) -> None:
        """So many proxies and no more; so many complaints and no more; a longer answer is rejected."""
        many = PACResult.parse("; ".join(f"PROXY a:{number}" for number in range(1, 40)))
        self.assertEqual([proxy.port for proxy in many.proxies if proxy], list(range(1, 11)))
        self.assertEqual(len(many.skipped), MAXIMUM_PROXIES)
        PACResult.parse(" " * MAXIMUM_LENGTH)
        self.assertRaises(DiscoveryError, PACResult.parse, " " * (MAXIMUM_LENGTH + 1))

    @given(st.text(st.sampled_from("PROXYDIECTHS; :[]@ab8\0\n")))
    def test_anything(self, text: str) -> None:
        """Any result gives proxies or a DiscoveryError, and error text is printable."""
        try:
            result = PACResult.parse(text)
        except DiscoveryError as error:
            self.assertTrue(str(error).isprintable())
        else:
            self.assertTrue(result.proxies)
            self.assertTrue("".join(result.skipped).isprintable())
