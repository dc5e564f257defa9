"""The sentence for the end of a connection, its stage, and the code that Windows would show."""

from __future__ import annotations

import errno

from OpenSSL import SSL
from twisted.internet import error
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.failure import FailureReason, Stage
from iphttps.net.explain import explain, explain_end, sentence
from iphttps.pki.verification import CheckedConnection, PeerCheck


class ExplainTests(SynchronousTestCase):
    """The sentence for a failure, to follow a colon."""

    def assert_explains(self, reason: Exception, words: str, stage: Stage, code: str | None = None) -> None:
        """Check what is said about this reason."""
        self.assertEqual(explain(Failure(reason), Stage.HTTP), FailureReason(stage, words, code))

    def test_connecting(self) -> None:
        """A connection that does not come about is explained by what may be the cause."""
        refused = "connection refused: nothing listens there, or a firewall rejects it"
        silent = "no answer: wrong address, or a firewall drops the packets"
        for reason, trouble in (
            (error.ConnectionRefusedError(), FailureReason(Stage.CONNECT, refused, "0x274D")),
            (error.TimeoutError(), FailureReason(Stage.CONNECT, silent, "0x274C")),
            (error.TCPTimedOutError(), FailureReason(Stage.CONNECT, silent, "0x274C")),
            (error.DNSLookupError("no"), FailureReason(Stage.RESOLVE, "the name cannot be resolved", "0x2AF9")),
            (error.NoRouteError(), FailureReason(Stage.CONNECT, "there is no route to the server")),
        ):
            self.assertEqual(explain(Failure(reason)), trouble)

    def test_ending(self) -> None:
        """The end of a connection is explained by who ended it, at the stage that it had come to."""
        self.assert_explains(error.ConnectionDone(), "closed by the server", Stage.HTTP)
        self.assert_explains(error.ConnectionAborted(), "closed by this host", Stage.HTTP)
        self.assert_explains(error.ConnectionLost(), "connection lost", Stage.HTTP)
        self.assert_explains(SSL.SysCallError(-1, "Unexpected EOF"), "connection lost", Stage.HTTP)

    def test_other_errors_of_the_system(self) -> None:
        """Every error of connect() has a text, however Twisted passes it on: a bare errno explains nothing."""
        no_route = "no route to host: the server's address does not answer"
        for system, words in (
            (OSError(errno.ENETDOWN, "Network is down"), "Network is down"),
            ((errno.EHOSTUNREACH, "No route to host"), no_route),
            (OSError(errno.EHOSTUNREACH, "No route to host"), no_route),
            ((errno.EADDRNOTAVAIL, ""), "Cannot assign requested address"),
            (
                (errno.EPERM, ""),
                "Operation not permitted: a packet filter or a route on this host forbids the connection",
            ),
            ("something else", "something else"),
        ):
            self.assertEqual(explain(Failure(error.getConnectError(system))).sentence, words)
        every = [explain(Failure(error.getConnectError((number, "")))).sentence for number in errno.errorcode]
        self.assertEqual([words for words in every if words.isdigit()], [])
        self.assertEqual(explain(Failure(OSError(errno.EMFILE, "Too many open files"))).sentence, "Too many open files")

    def test_tls(self) -> None:
        """An alert or error of TLS is translated; the last of several counts."""
        refused = "the server rejected this client's certificate"
        for words, said, stage, code in (
            (
                "tlsv13 alert certificate required",
                "the server requires a client certificate: set certificate and private-key",
                Stage.CERTIFICATE,
                "0x90320",
            ),
            (
                "tlsv1 alert unknown ca",
                f"{refused}: it does not trust the authority that issued it",
                Stage.CERTIFICATE,
                None,
            ),
            ("ssl/tls alert certificate expired", f"{refused}: it has expired", Stage.CERTIFICATE, None),
            ("sslv3 alert certificate revoked", f"{refused}: it has been revoked", Stage.CERTIFICATE, None),
            ("ssl/tls alert certificate unknown", f"{refused} without giving a reason", Stage.CERTIFICATE, None),
            (
                "ssl/tls alert unsupported certificate",
                f"{refused}: it is not meant for this use",
                Stage.CERTIFICATE,
                None,
            ),
            ("tlsv1 alert access denied", f"{refused}: its owner is not authorized", Stage.CERTIFICATE, None),
            ("no shared cipher", "the server offers no cipher suite that is allowed here", Stage.TLS, None),
            ("unsupported protocol", "the server speaks no TLS version that is allowed here", Stage.TLS, None),
            ("tlsv1 unrecognized name", "the server serves no host of this name", Stage.TLS, None),
            (
                "tls alert handshake failure",
                "the server has no TLS parameters in common with this host, or requires a client certificate",
                Stage.TLS,
                "0x80090326",
            ),
            (
                "decryption failed or bad record mac",
                "TLS failed: decryption failed or bad record mac",
                Stage.TLS,
                None,
            ),
        ):
            errors = [("SSL routines", "", "something earlier"), ("SSL routines", "", words)]
            self.assert_explains(SSL.Error(errors), said, stage, code)

    def test_portal(self) -> None:
        """Data that is not TLS may come from a captive portal."""
        for words, said in (
            ("wrong version number", "the server does not speak TLS on this port: a captive portal or a web proxy may"),
            ("http request", "plain HTTP request on a TLS port"),
        ):
            trouble = explain(Failure(SSL.Error([("SSL routines", "", words)])))
            self.assertEqual((trouble.stage, trouble.sentence[: len(said)]), (Stage.TLS, said))

    def test_speechless_tls(self) -> None:
        """An error of TLS that says nothing is said to say nothing."""
        for silent in (SSL.Error(), SSL.Error([]), SSL.ZeroReturnError()):
            self.assert_explains(silent, "TLS failed for an unknown reason", Stage.TLS)

    def test_anything_else(self) -> None:
        """Any other reason is given in its own words, or at least by its name."""
        self.assert_explains(ValueError("its own words"), "its own words", Stage.HTTP)
        self.assert_explains(ValueError(), "ValueError", Stage.HTTP)

    def test_other_end(self) -> None:
        """Of a client the server says the same, calling it the peer."""
        closed = Failure(error.ConnectionDone())
        self.assertEqual(sentence(closed), "closed by the peer")
        none = SSL.Error([("SSL routines", "", "peer did not return a certificate")])
        self.assertEqual(sentence(Failure(none)), "the peer sent no certificate")
        self.assertEqual(sentence(Failure(error.NoRouteError())), "there is no route to it")
        internal = SSL.Error([("SSL routines", "", "tlsv1 alert internal error")])
        self.assertEqual(
            sentence(Failure(internal)),
            "the peer aborted the TLS handshake: it may not accept the names or the key of our certificate",
        )


class EndTests(SynchronousTestCase):
    """The end of a connection to the server, at each stage."""

    ENDS = (
        error.ConnectionDone(),
        error.ConnectionLost(),
        SSL.ZeroReturnError(),
        SSL.SysCallError(-1, "Unexpected EOF"),
        SSL.Error([("SSL routines", "", "unexpected eof while reading")]),
    )

    def test_before_the_answer(self) -> None:
        """A server that just ends the connection is told by when it did so from one that ends a session."""
        for reason in self.ENDS:
            trouble = explain_end(Failure(reason), None, Stage.TLS, answered=False)
            self.assertEqual(trouble.stage, Stage.TLS)
            self.assertIn("during the TLS handshake", trouble.sentence)
            trouble = explain_end(Failure(reason), None, Stage.HTTP, answered=False)
            self.assertEqual(trouble.stage, Stage.HTTP)
            self.assertIn("instead of answering the request", trouble.sentence)
            self.assertIn("or the port is for https://", trouble.sentence)
            self.assertNotIn("certificate", trouble.sentence)
            tls = CheckedConnection(SSL.Context(SSL.TLS_CLIENT_METHOD), PeerCheck())
            trouble = explain_end(Failure(reason), tls, Stage.HTTP, answered=False)
            self.assertEqual(trouble.stage, Stage.HTTP)
            self.assertIn("instead of answering the request", trouble.sentence)
            self.assertIn("clientcertnegotiation=enable", trouble.sentence)

    def test_after_call_connected(self) -> None:
        """An SSTP server that closes the connection after Call Connected may reject the binding ([MS-SSTP] 3.3)."""
        for reason in self.ENDS:
            trouble = explain_end(Failure(reason), None, Stage.BINDING, answered=True)
            self.assertEqual((trouble.stage, trouble.code), (Stage.BINDING, "0x80072746"))
            self.assertIn("another certificate than this client saw", trouble.sentence)
            self.assertNotIn("crypto binding", explain_end(Failure(reason), None, Stage.SSTP, answered=True).sentence)
        other = explain_end(Failure(error.TimeoutError()), None, Stage.BINDING, answered=True)
        self.assertNotIn("crypto binding", other.sentence)

    def test_after_it(self) -> None:
        """The end of a session is that and no more."""
        trouble = explain_end(Failure(error.ConnectionDone()), None, Stage.HTTP, answered=True)
        self.assertEqual(trouble, FailureReason(Stage.HTTP, "closed by the server"))
