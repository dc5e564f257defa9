"""The credentials sent to a proxy, and the conditions for withholding them."""

from __future__ import annotations

import re
from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProxyError, ProxyFault
from iphttps.core.login_lockout import PAUSE
from iphttps.core.proxy.challenges import Digest, basic, read_challenges
from iphttps.core.proxy.login import AuthNegotiation, AuthScheme, NextToken, ProxyCredentials
from iphttps.core.proxy.url import Login, Proxy

ALICE = Login("alice", "secret")
PROXY = Proxy(False, "proxy.example", 3128)
SECURE = Proxy(True, "proxy.example", 443)
TARGET = "vpn.example:443"

NEGOTIATE, NTLM, BASIC = b"Negotiate", b"NTLM", b'Basic realm="x"'
DIGEST = b'Digest realm="x", nonce="1", qop="auth"'
STALE = b'Digest realm="x", nonce="2", qop="auth", stale=true'


class LoginCase(SynchronousTestCase):
    """Credentials whose login can change."""

    proxy = PROXY

    def setUp(self) -> None:
        """Alice's, with Basic in clear allowed."""
        self.login: Login | None = ALICE
        self.credentials = ProxyCredentials(lambda: self.login, basic_in_clear=True)

    def dialogue(self, now: float = 0.0) -> AuthNegotiation:
        """Begin an attempt."""
        dialogue = AuthNegotiation(self.proxy, TARGET, self.credentials, now)
        self.first = dialogue.begin("word")
        return dialogue

    def answer(self, dialogue: AuthNegotiation, *offers: bytes, refused: bool = False) -> bytes | NextToken:
        """Return the answer to a challenge."""
        return dialogue.challenged(read_challenges(offers), "word", refused=refused)

    def refusal(self, dialogue: AuthNegotiation, *offers: bytes, refused: bool = False) -> tuple[ProxyFault, str]:
        """Return why a challenge is not answered."""
        error = self.assertRaises(ProxyError, self.answer, dialogue, *offers, refused=refused)
        self.assertNotIn("secret", str(error))
        return error.fault, str(error)


class ChoiceTests(LoginCase):
    """The strongest way that is offered and for which there are credentials."""

    def test_order(self) -> None:
        """A ticket before NTLM, in Negotiate or bare, before Digest, before Basic."""
        offers = [BASIC, DIGEST, NTLM, NEGOTIATE]
        dialogue = self.dialogue()
        self.assertIsNone(self.first)
        for way in (AuthScheme.TICKET, AuthScheme.NEGOTIATE, AuthScheme.NTLM):
            self.assertEqual(NextToken(way, None), self.answer(dialogue, *offers))
            self.assertEqual(way, dialogue.scheme)
            dialogue.unavailable("not here")
        digest = self.answer(dialogue, *offers)
        assert isinstance(digest, bytes)
        self.assertTrue(digest.startswith(b"Digest "))
        self.assertEqual(AuthScheme.DIGEST, dialogue.scheme)
        self.assertEqual(basic(ALICE), self.answer(self.dialogue(), BASIC))

    def test_without_a_login(self) -> None:
        """Without a user only a ticket will do, and the sentence says what is missing."""
        self.login = None
        dialogue = self.dialogue()
        self.assertEqual(NextToken(AuthScheme.TICKET, None), self.answer(dialogue, BASIC, NEGOTIATE))
        dialogue.unavailable("there is no ticket")
        fault, sentence = self.refusal(dialogue, BASIC, NEGOTIATE)
        self.assertEqual(ProxyFault.NO_CREDENTIALS, fault)
        self.assertEqual(
            "the proxy http://proxy.example:3128 demands a login (Basic, Negotiate); "
            "Negotiate with a Kerberos ticket: there is no ticket; "
            "there is no user and password: give --proxy-credentials",
            sentence,
        )
        dialogue.accepted()

    def test_nothing_known(self) -> None:
        """A proxy that offers nothing known, or nothing at all, is rejected in so many words."""
        new = b'Digest realm="x", nonce="1", algorithm=new'
        for offers, words in (
            ([b"Bearer", new], "demands a login (Bearer, Digest); Digest: with an unsupported"),
            ([b"Bearer"], "demands a login (Bearer); none of which is supported"),
            ([], "demands a login (it does not say how); none"),
            ([b"x%d" % number for number in range(20)], "(X0, X1, X2, X3, X4, X5)"),
        ):
            fault, sentence = self.refusal(self.dialogue(), *offers)
            self.assertEqual(ProxyFault.NO_CREDENTIALS, fault)
            self.assertIn(words, sentence)

    def test_options_for_basic(self) -> None:
        """Without a login the option for one is named, and at once the other that Basic alone takes in clear."""
        self.login = None
        self.credentials.basic_in_clear = False
        give = "there is no user and password: give --proxy-credentials"
        clear = ", and --proxy-basic if anyone on the path to the proxy may read the password"
        for proxy, offers, words in (
            (PROXY, [BASIC], give + clear),
            (PROXY, [BASIC, DIGEST], give),
            (SECURE, [BASIC], give),
        ):
            self.proxy = proxy
            self.assertTrue(self.refusal(self.dialogue(), *offers)[1].endswith(f"; {words}"))
        self.proxy, self.credentials.basic_in_clear = PROXY, True
        self.assertTrue(self.refusal(self.dialogue(), BASIC)[1].endswith(f"; {give}"))

    def test_basic_in_clear(self) -> None:
        """Basic shows the password to everybody on the way unless there is TLS, so it must be allowed (PX-02)."""
        self.credentials.basic_in_clear = False
        fault, sentence = self.refusal(self.dialogue(), BASIC)
        self.assertEqual(ProxyFault.NO_CREDENTIALS, fault)
        self.assertIn("it takes --proxy-basic", sentence)
        self.proxy = SECURE
        self.assertEqual(basic(ALICE), self.answer(self.dialogue(), BASIC))

    def test_nothing_to_anybody(self) -> None:
        """A proxy that the network has named is shown nothing, unless TLS proves its name (NTLM relay, guessing)."""
        self.credentials.accepted(PROXY, TARGET, ALICE, Digest(ALICE, TARGET, read_challenges([DIGEST])[0]))
        self.credentials.named = False
        for offer in (NEGOTIATE, NTLM, DIGEST, BASIC):
            fault, sentence = self.refusal(self.dialogue(), offer)
            self.assertIsNone(self.first)
            self.assertEqual(ProxyFault.NO_CREDENTIALS, fault)
            self.assertIn("--proxy-trust-network", sentence)
        self.proxy = SECURE
        self.assertEqual(NextToken(AuthScheme.TICKET, None), self.answer(self.dialogue(), NEGOTIATE))
        self.assertEqual(NextToken(AuthScheme.NTLM, None), self.answer(self.dialogue(), NTLM))

    def test_spelling(self) -> None:
        """The scheme is written as the proxy writes it: some know one spelling only."""
        for offer, spelling in ((b"Negotiate", "Negotiate"), (b"NTLM", "NTLM"), (b"nTlM", "nTlM")):
            dialogue = self.dialogue()
            step = self.answer(dialogue, offer)
            assert isinstance(step, NextToken)
            self.assertEqual(spelling, step.spelling)
        step = self.answer(dialogue, b"nTlM " + b64encode(b"token"))
        assert isinstance(step, NextToken)
        self.assertEqual(("nTlM", b"token"), (step.spelling, step.token))

    def test_basic_to_anybody(self) -> None:
        """A proxy that the network has named gets no password, by TLS neither: it may be anybody's."""
        self.credentials.named = False
        for proxy in (PROXY, SECURE):
            self.proxy = proxy
            fault, sentence = self.refusal(self.dialogue(), BASIC)
            self.assertEqual(ProxyFault.NO_CREDENTIALS, fault)
            self.assertIn("name it with --proxy", sentence)

    def test_login_of_the_url(self) -> None:
        """A login in the proxy's URL comes first."""
        bob = Login("bob", "b")
        self.proxy = Proxy(True, "proxy.example", 443, bob)
        self.assertEqual(basic(bob), self.answer(self.dialogue(), BASIC))


class TokenTests(LoginCase):
    """FallbackEndpoint that take several tokens."""

    def token(self, scheme: bytes) -> bytes:
        """Build the proxy's token."""
        return scheme + b" " + b64encode(b"token")

    def test_ntlm(self) -> None:
        """Two tokens; after the second one a challenge is a rejection (PX-01)."""
        dialogue = self.dialogue()
        self.assertEqual(NextToken(AuthScheme.NTLM, None), self.answer(dialogue, NTLM, BASIC))
        self.assertEqual(NextToken(AuthScheme.NTLM, b"token"), self.answer(dialogue, self.token(NTLM)))
        fault, sentence = self.refusal(dialogue, self.token(NTLM))
        self.assertEqual(ProxyFault.CREDENTIALS_WRONG, fault)
        self.assertIn("rejected the user or the password (NTLM)", sentence)

    def test_not_begun(self) -> None:
        """A proxy that does not go on after the first token has not seen the password: the next way is tried."""
        dialogue = self.dialogue()
        self.answer(dialogue, NTLM, BASIC)
        self.assertEqual(basic(ALICE), self.answer(dialogue, NTLM, BASIC))

    def test_untried(self) -> None:
        """A login is untried until the proxy has accepted it, and again after a rejection or a correction."""
        self.assertTrue(self.credentials.is_untried(PROXY))
        self.credentials.accepted(PROXY, TARGET, ALICE, None)
        self.assertFalse(self.credentials.is_untried(PROXY))
        self.login = Login("alice", "corrected")
        self.assertTrue(self.credentials.is_untried(PROXY))
        self.login = ALICE
        self.credentials.refused(PROXY, ALICE, 0.0)
        self.assertTrue(self.credentials.is_untried(PROXY))
        self.login = None
        self.assertFalse(self.credentials.is_untried(PROXY))

    def test_ticket_refused(self) -> None:
        """A ticket that the proxy rejects locks no account; then it is the password's turn."""
        dialogue = self.dialogue()
        self.assertEqual(NextToken(AuthScheme.TICKET, None), self.answer(dialogue, NEGOTIATE, BASIC))
        for _ in range(2):
            self.assertEqual(NextToken(AuthScheme.TICKET, b"token"), self.answer(dialogue, self.token(NEGOTIATE)))
        self.assertEqual(NextToken(AuthScheme.NEGOTIATE, None), self.answer(dialogue, NEGOTIATE, BASIC))

    def test_broken_off(self) -> None:
        """A second token that cannot be made has proven nothing."""
        dialogue = self.dialogue()
        self.answer(dialogue, NTLM, BASIC)
        self.answer(dialogue, self.token(NTLM), BASIC)
        dialogue.unavailable("the proxy's token is none")
        self.assertEqual(basic(ALICE), self.answer(dialogue, self.token(NTLM), BASIC))


class DigestTests(LoginCase):
    """Nonces, which grow old."""

    def nonce(self, header: bytes | NextToken | None) -> tuple[str, int]:
        """Return the nonce of an answer, and how often it was used."""
        assert isinstance(header, bytes)
        found = re.search(rb'nonce="(\d)".*nc=(\w+)', header)
        assert found
        return found[1].decode(), int(found[2], 16)

    def test_stale(self) -> None:
        """A nonce that is too old is replaced once by the new one; then it is a rejection."""
        dialogue = self.dialogue()
        self.assertEqual(("1", 1), self.nonce(self.answer(dialogue, DIGEST)))
        self.assertEqual(("2", 1), self.nonce(self.answer(dialogue, STALE)))
        self.assertEqual(ProxyFault.CREDENTIALS_WRONG, self.refusal(dialogue, STALE)[0])

    def test_strongest(self) -> None:
        """Of two Digest challenges the one with the better algorithm is answered."""
        answer = self.answer(self.dialogue(), DIGEST, b'Digest realm="x", nonce="3", qop="auth", algorithm=SHA-256')
        self.assertEqual(("3", 1), self.nonce(answer))

    def test_again(self) -> None:
        """A nonce that was accepted is used again unasked, counted, by the next attempt with the same login."""
        dialogue = self.dialogue()
        self.answer(dialogue, DIGEST)
        dialogue.accepted()
        dialogue = self.dialogue()
        self.assertEqual(("1", 2), self.nonce(self.first))
        dialogue.accepted()
        dialogue = self.dialogue()
        self.assertEqual(("1", 3), self.nonce(self.first))
        # Too old, or forgotten by a proxy that was started anew: no reason to doubt the password.
        self.assertEqual(("2", 1), self.nonce(self.answer(dialogue, STALE)))
        self.assertEqual(ProxyFault.CREDENTIALS_WRONG, self.refusal(dialogue, DIGEST)[0])
        self.dialogue(now=PAUSE)
        self.assertIsNone(self.first)

    def test_other_login(self) -> None:
        """The accepted scheme of one login does not apply to another."""
        dialogue = self.dialogue()
        self.answer(dialogue, DIGEST)
        dialogue.accepted()
        self.login = Login("bob", "b")
        self.dialogue()
        self.assertIsNone(self.first)


class PauseTests(LoginCase):
    """A login that was rejected (PX-01)."""

    def refuse(self, now: float) -> None:
        """Have the login rejected."""
        dialogue = self.dialogue(now)
        self.answer(dialogue, BASIC)
        fault, sentence = self.refusal(dialogue, BASIC)
        self.assertEqual(ProxyFault.CREDENTIALS_WRONG, fault)
        self.assertIn("not sent to it again for 15 minutes", sentence)

    def test_pause(self) -> None:
        """It is not shown to that proxy again for 15 minutes, while tickets still are."""
        self.refuse(1000.0)
        for now, minutes in ((1000.0, 15), (1000.0 + PAUSE - 1, 1)):
            fault, sentence = self.refusal(self.dialogue(now), BASIC, DIGEST, NTLM)
            self.assertEqual(ProxyFault.CREDENTIALS_WRONG, fault)
            self.assertIn(f"; it has rejected the login, which is not sent for {minutes} minute", sentence)
        self.assertEqual(NextToken(AuthScheme.TICKET, None), self.answer(self.dialogue(1001.0), NEGOTIATE))
        self.assertEqual(basic(ALICE), self.answer(self.dialogue(1000.0 + PAUSE), BASIC))

    def test_other(self) -> None:
        """Another proxy may see it, and this one another login."""
        self.refuse(0.0)
        self.proxy = SECURE
        self.assertEqual(basic(ALICE), self.answer(self.dialogue(1.0), BASIC))
        self.proxy = PROXY
        self.login = Login("alice", "other")
        dialogue = self.dialogue(1.0)
        self.assertEqual(basic(self.login), self.answer(dialogue, BASIC))
        dialogue.accepted()
        self.login = ALICE
        self.assertEqual(basic(ALICE), self.answer(self.dialogue(2.0), BASIC))

    def test_several(self) -> None:
        """Once two proxies have rejected it no other one sees it, for they may all ask the same directory."""
        proxies = [Proxy(False, f"proxy{number}", 3128) for number in range(3)]
        for at, self.proxy in enumerate(proxies[:2]):
            self.refuse(float(at))
        self.proxy = proxies[2]
        fault, sentence = self.refusal(self.dialogue(2.0), BASIC)
        self.assertEqual(ProxyFault.CREDENTIALS_WRONG, fault)
        self.assertIn("; other proxies have rejected the login, which is not sent for 15", sentence)
        self.login = Login("alice", "other")
        self.assertEqual(basic(self.login), self.answer(self.dialogue(2.0), BASIC))
        self.login = ALICE
        self.assertEqual(PAUSE - 2, self.credentials.pausing(self.proxy, ALICE, 2.0))
        self.assertEqual(PAUSE - 1, self.credentials.pausing(proxies[1], ALICE, 2.0))
        self.assertEqual(basic(ALICE), self.answer(self.dialogue(PAUSE), BASIC))

    def test_forgotten(self) -> None:
        """Rejections by many proxies are forgotten when they expire."""
        for hour in range(100):
            self.credentials.refused(Proxy(False, f"proxy{hour}", 3128), ALICE, hour * 3600.0)
        self.assertEqual(1, len(self.credentials._lockout))

    def test_unauthorized(self) -> None:
        """A 401 says that the credentials are wrong, or that some are missing."""
        dialogue = self.dialogue()
        self.answer(dialogue, BASIC)
        self.assertEqual(ProxyFault.CREDENTIALS_WRONG, self.refusal(dialogue, refused=True)[0])
        self.assertEqual(ProxyFault.NO_CREDENTIALS, self.refusal(self.dialogue(PAUSE), refused=True)[0])

    def test_unasked(self) -> None:
        """A proxy that lets everybody through has accepted no login."""
        self.refuse(0.0)
        self.dialogue(1.0).accepted()
        self.assertEqual(PAUSE - 1, self.credentials.pausing(PROXY, ALICE, 1.0))
