"""The sentence for the end of a connection."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet import error
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.explain import explain


class ExplainTests(SynchronousTestCase):
    """What went wrong, in words that follow a colon."""

    def assert_explains(self, reason: Exception, sentence: str) -> None:
        """Check what is said about this reason."""
        self.assertEqual(explain(Failure(reason)), sentence)

    def test_connecting(self) -> None:
        """A connection that does not come about is explained by what may be the cause."""
        self.assert_explains(
            error.ConnectionRefusedError(), "connection refused: nothing listens there, or a firewall rejects it"
        )
        self.assert_explains(error.TimeoutError(), "no answer: wrong address, or a firewall drops it")
        self.assert_explains(error.TCPTimedOutError(), "no answer: wrong address, or a firewall drops it")
        self.assert_explains(error.DNSLookupError("no such name"), "the name cannot be resolved")
        self.assert_explains(error.NoRouteError(), "there is no route to it")

    def test_ending(self) -> None:
        """The end of a connection is explained by who ended it."""
        self.assert_explains(error.ConnectionDone(), "the peer closed the connection")
        self.assert_explains(error.ConnectionAborted(), "closed here")
        self.assert_explains(error.ConnectionLost(), "the connection broke")

    def test_other_errors_of_the_system(self) -> None:
        """For another error the system's own words stand."""
        system = OSError(101, "Network is unreachable")
        self.assertIn("Network is unreachable", explain(Failure(error.ConnectError(osError=system))))

    def test_tls(self) -> None:
        """An alert or error of TLS is translated; the last of several counts."""
        for words, sentence in (
            (
                "tlsv13 alert certificate required",
                "the server demands a client certificate: give --certificate and --private-key",
            ),
            ("tlsv1 alert unknown ca", "the peer does not trust the authority that issued our certificate"),
            ("ssl/tls alert certificate expired", "our certificate has expired, says the peer"),
            ("sslv3 alert certificate revoked", "our certificate is revoked, says the peer"),
            ("wrong version number", "the peer does not speak TLS on this port"),
            ("http request", "the peer speaks plain HTTP to a TLS port"),
            ("no shared cipher", "the peer offers no cipher suite that is allowed here"),
            ("unsupported protocol", "the peer speaks no TLS version that is allowed here"),
            ("decryption failed or bad record mac", "TLS failed: decryption failed or bad record mac"),
        ):
            errors = [("SSL routines", "", "something earlier"), ("SSL routines", "", words)]
            self.assert_explains(SSL.Error(errors), sentence)

    def test_speechless_tls(self) -> None:
        """An error of TLS that says nothing is said to say nothing."""
        for silent in (SSL.Error(), SSL.Error([]), SSL.ZeroReturnError()):
            self.assert_explains(silent, "TLS failed without saying why")

    def test_anything_else(self) -> None:
        """Any other reason is given in its own words, or at least by its name."""
        self.assert_explains(ValueError("its own words"), "its own words")
        self.assert_explains(ValueError(), "ValueError")
