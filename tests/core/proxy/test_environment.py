"""The proxy named by the environment."""

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.core.proxy.environment import is_exempt, proxy_of
from iphttps.core.proxy.url import Login, Proxy

HOST = "vpn.example.org"


def chosen(secure: bool = True, **environment: str) -> str:
    """Return the proxy's URL for the usual server, or an empty string."""
    return str(proxy_of(environment, secure, HOST, 443) or "")


class VariableTests(SynchronousTestCase):
    """The precedence of variables."""

    def test_scheme(self) -> None:
        """The variable of the URI's scheme counts, then the one for all; without any, the connection is direct."""
        self.assertEqual(chosen(https_proxy="http://a:1", all_proxy="http://b:2"), "http://a:1")
        self.assertEqual(chosen(http_proxy="http://a:1", all_proxy="http://b:2"), "http://b:2")
        self.assertEqual(chosen(secure=False, http_proxy="http://a:1", https_proxy="http://b:2"), "http://a:1")
        self.assertEqual(chosen(secure=False, https_proxy="http://b:2"), "")
        self.assertEqual(chosen(ALL_PROXY="https://c"), "https://c:443")
        self.assertEqual(chosen(), "")

    def test_case(self) -> None:
        """Lower case goes before upper case; what is empty is absent."""
        self.assertEqual(chosen(https_proxy="http://a:1", HTTPS_PROXY="http://b:2"), "http://a:1")
        self.assertEqual(chosen(https_proxy="", HTTPS_PROXY="http://b:2"), "http://b:2")
        self.assertEqual(chosen(https_proxy=" ", all_proxy="c:3"), "http://c:3")

    def test_cgi(self) -> None:
        """HTTP_PROXY is not read: in a CGI program it holds what the request's sender likes."""
        self.assertEqual(chosen(secure=False, HTTP_PROXY="http://evil:1"), "")

    def test_login(self) -> None:
        """A user and a password in the variable come along."""
        proxy = proxy_of({"https_proxy": "http://alice:secret@a:1"}, True, HOST, 443)
        assert proxy
        self.assertEqual((proxy, proxy.login), (Proxy(False, "a", 1), Login("alice", "secret")))

    def test_refused(self) -> None:
        """A value that is no proxy's URL is rejected with the variable's name, without its password."""
        for name, value in (("https_proxy", "socks5://a:1"), ("ALL_PROXY", "http://alice:secret@a:port")):
            error = self.assertRaises(ConfigError, chosen, **{name: value})
            self.assertIn(f"the environment variable {name} ", str(error))
            self.assertNotIn("secret", str(error))

    def test_exceptions(self) -> None:
        """no_proxy makes the connection direct, whatever the proxy's variable holds; lower case goes first."""
        self.assertEqual(chosen(https_proxy="socks5://a:1", no_proxy="example.org"), "")
        self.assertEqual(chosen(https_proxy="a:1", NO_PROXY="*"), "")
        self.assertEqual(chosen(https_proxy="a:1", no_proxy="example.net", NO_PROXY="*"), "http://a:1")


class ExceptionTests(SynchronousTestCase):
    """The entries of no_proxy."""

    def test_entries(self) -> None:
        """Names and what ends in them, addresses, networks, ports."""
        for entry, host, expected in (
            ("*", HOST, True),
            ("example.org", HOST, True),
            (".example.org", HOST, True),
            ("*.example.org", HOST, True),
            ("*.example.org", "example.org", True),
            ("example.org.", HOST, True),
            ("EXAMPLE.org", "VPN.Example.ORG.", True),
            ("example.org", "example.org", True),
            ("example.org", "badexample.org", False),
            ("vpn.example.org", "example.org", False),
            ("ample.org", "example.org", False),
            ("example.org:443", HOST, True),
            ("example.org:8443", HOST, False),
            ("example.org:", HOST, False),
            (":443", HOST, False),
            (".", HOST, False),
            ("org", HOST, True),
            ("192.0.2.1", "192.0.2.1", True),
            ("192.0.2.1", "192.0.2.11", False),
            ("2.1", "192.0.2.1", False),
            ("192.0.2.1:443", "192.0.2.1", True),
            ("192.0.2.1:8443", "192.0.2.1", False),
            ("192.0.2.0/24", "192.0.2.1", True),
            ("192.0.2.9/24", "192.0.2.1", True),
            ("192.0.2.0/33", "192.0.2.1", False),
            ("192.0.2.0/24", HOST, False),
            ("192.0.2.0/24", "2001:db8::1", False),
            ("2001:db8::/32", "2001:db8::1", True),
            ("2001:db8::/32", "192.0.2.1", False),
            ("2001:DB8:0::1", "2001:db8::1", True),
            ("[2001:db8::1]", "2001:db8::1", True),
            ("[2001:db8::1]:443", "2001:db8::1", True),
            ("[2001:db8::1]:8443", "2001:db8::1", False),
            ("[2001:db8::1", "2001:db8::1", False),
            ("2001:db8::1", HOST, False),
            ("192.0.2.1", HOST, False),
            ("", HOST, False),
        ):
            self.assertIs(is_exempt(entry, host, 443), expected, (entry, host))

    def test_list(self) -> None:
        """Commas and blanks part the entries, in any number."""
        for text in ("a.example,example.org", "a.example example.org", " , example.org ,,b"):
            self.assertTrue(is_exempt(text, HOST, 443), text)
        self.assertFalse(is_exempt("a.example,b.example", HOST, 443))
