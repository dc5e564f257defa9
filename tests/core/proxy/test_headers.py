"""Headers for web proxies, as the operator writes them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.core.proxy.headers import harmless, read_headers


class ProxyHeadersTests(SynchronousTestCase):
    """The lines of --proxy-header."""

    def test_read(self) -> None:
        """A name, a colon and a value, which may be empty; only the User-Agent is for every proxy."""
        headers = read_headers(["User-Agent:  Mozilla/5.0 (x: y) ", "X-Key:"])
        self.assertEqual(((b"User-Agent", b"Mozilla/5.0 (x: y)"), (b"X-Key", b"")), headers)
        self.assertEqual(headers[:1], harmless(headers))

    def test_refused(self) -> None:
        """Invalid headers, reserved ones and line breaks are rejected without quoting the value."""
        for text in ("x", "a b: x", ": x", "Host: x", "proxy-authorization: secret", "X: secret\r\nY: z"):
            error = self.assertRaises(ConfigError, read_headers, [text])
            self.assertNotIn("secret", str(error))
