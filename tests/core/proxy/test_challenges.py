"""The challenges of proxies, and the responses of Basic and Digest."""

from __future__ import annotations

import hashlib
import re
from time import process_time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.proxy.challenges import Challenge, Digest, basic, read_challenges
from iphttps.core.proxy.url import Login

ALICE = Login("alice", "se:cret")
TARGET = "vpn.example:443"


class ChallengeTests(SynchronousTestCase):
    """Proxy-Authenticate headers (RFC 9110 section 11.6.1)."""

    def test_several(self) -> None:
        """Several headers, and several challenges on a line, with parameters in any case and spacing."""
        self.assertEqual(
            [
                Challenge("negotiate"),
                Challenge("ntlm", {}, "TlRMTVNTUAAC=="),
                Challenge("digest", {"realm": 'a "b", c', "nonce": "x,y=", "qop": "auth,auth-int", "stale": "TRUE"}),
                Challenge("basic", {"realm": "z"}),
                Challenge("new"),
            ],
            read_challenges(
                [
                    b"Negotiate",
                    b"NTLM TlRMTVNTUAAC==",
                    b'Digest realm="a \\"b\\", c", nonce = "x,y=" ,, QOP="auth,auth-int",stale=TRUE, Basic realm=z,New',
                ]
            ),
        )

    def test_bytes(self) -> None:
        """A proxy's parameters are returned as the same bytes in any encoding, escapes and scheme included."""
        login = Login("alice", "secret")
        for realm, meant in (
            ("Geb\u00e4ude".encode("latin-1"), "Geb\u00e4ude".encode("latin-1")),
            ("Geb\u00e4ude".encode(), "Geb\u00e4ude".encode()),
            (b'a \\"b\\" \\\\', b'a "b" \\'),
            (b"EXAMPLE\\users", b"EXAMPLE\\users"),
        ):
            (challenge,) = read_challenges([b'DIGEST realm="' + realm + b'", nonce="n\xff", opaque="\\"\xfe"'])
            answer = Digest(login, TARGET, challenge).answer("word")
            self.assertTrue(answer.startswith(b"DIGEST "), answer)
            for part in (b'realm="' + realm + b'"', b'nonce="n\xff"', b'opaque="\\"\xfe"'):
                self.assertIn(part, answer)
            secret = hashlib.md5(b"alice:" + meant + b":secret").hexdigest().encode()
            request = hashlib.md5(f"CONNECT:{TARGET}".encode()).hexdigest().encode()
            self.assertIn(hashlib.md5(secret + b":n\xff:" + request).hexdigest().encode(), answer)
        self.assertTrue(basic(login, "BASIC").startswith(b"BASIC "))

    def test_nonsense(self) -> None:
        """Malformed parameters are ignored, and a repeated parameter has its first value."""
        self.assertEqual([], read_challenges([b"", b",,", b'"', b"realm=x", b"\xff\xfe", b'x="']))
        self.assertEqual([Challenge("basic", {"realm": "x"})], read_challenges([b'Basic realm=x, realm=y, "z"']))

    def test_hostile(self) -> None:
        """A header full of quotes takes no longer than its length says."""
        begin = process_time()
        for piece in (b'"\\', b'\\"', b'"', b'a="\\"', b'a="', b"a=", b"a ", b"a=b ", b"a=b" + b" " * 100, b" c  ="):
            read_challenges([b"Digest " + piece * (16384 // len(piece))])
        self.assertLess(process_time() - begin, 1.0)

    @given(st.lists(st.binary(max_size=60)))
    def test_anything(self, headers: list[bytes]) -> None:
        """Nothing that a proxy sends is an error."""
        read_challenges(headers)

    def test_token(self) -> None:
        """A token is base64, or none."""
        for text, data in (("YWJj", b"abc"), ("", None), ("a", None), ("!!!!", None), ("\u00e9", None)):
            self.assertEqual(data, Challenge("ntlm", {}, text).data, text)

    def test_stale(self) -> None:
        """Only `true`, in any case, says that the nonce was too old."""
        for value, stale in (("true", True), ("TRUE", True), ("false", False)):
            self.assertEqual(stale, Challenge("digest", {"stale": value}).stale)
        self.assertFalse(Challenge("digest").stale)


class BasicTests(SynchronousTestCase):
    """RFC 7617."""

    def test_basic(self) -> None:
        """The example of the RFC's section 2, and of section 2.1 in UTF-8."""
        self.assertEqual(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", basic(Login("Aladdin", "open sesame")))
        self.assertEqual(b"Basic dGVzdDoxMjPCow==", basic(Login("test", "123\u00a3")))


class DigestTests(SynchronousTestCase):
    """RFC 7616."""

    def answer(self, digest: Digest, cnonce: str = "word") -> dict[str, str]:
        """Return the values of an answer's header."""
        header = digest.answer(cnonce).decode()
        self.assertTrue(header.startswith("Digest "))
        return {name: a or b for name, a, b in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^",]+))', header)}

    def digest(self, **parameters: str) -> Digest:
        """Make one for a challenge."""
        challenge = Challenge("digest", {"realm": "r", "nonce": "n", **parameters})
        self.assertTrue(Digest.usable(challenge))
        return Digest(ALICE, TARGET, challenge)

    def expected(self, algorithm: str, *middle: str, session: str = "") -> str:
        """Compute the response anew (RFC 7616 section 3.4.1)."""

        def h(text: str) -> str:
            return hashlib.new(algorithm, text.encode()).hexdigest()

        a1 = h("alice:r:se:cret")
        if session:
            a1 = h(f"{a1}:n:{session}")
        return h(":".join((a1, *middle, h(f"CONNECT:{TARGET}"))))

    def test_qop(self) -> None:
        """With quality of protection the nonce is counted, in 8 hexadecimal digits, and the client's word goes in."""
        for name, algorithm in (("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256")):
            digest = self.digest(algorithm=name, qop="auth-int, auth", opaque="o")
            for count in ("00000001", "00000002"):
                self.assertEqual(
                    {
                        "username": "alice", "realm": "r", "nonce": "n", "uri": TARGET, "opaque": "o", "cnonce": "word",
                        "algorithm": name, "qop": "auth", "nc": count,
                        "response": self.expected(algorithm, "n", count, "word", "auth"),
                    },
                    self.answer(digest),
                )  # fmt: skip

    def test_plain(self) -> None:
        """Without it, and without a name for the algorithm, the answer is that of RFC 2069, with MD5."""
        expected = {
            "username": "alice",
            "realm": "r",
            "nonce": "n",
            "uri": TARGET,
            "response": self.expected("md5", "n"),
        }
        self.assertEqual(expected, self.answer(self.digest()))

    def test_session(self) -> None:
        """The variants of a session take the client's word into the secret."""
        answer = self.answer(self.digest(algorithm="MD5-sess", qop="auth"))
        self.assertEqual(self.expected("md5", "n", "00000001", "word", "auth", session="word"), answer["response"])
        answer = self.answer(self.digest(algorithm="SHA-256-sess"))
        self.assertEqual(self.expected("sha256", "n", session="word"), answer["response"])
        self.assertEqual("word", answer["cnonce"])

    def test_example(self) -> None:
        """The numbers of the example in section 3.9.1 of RFC 7616, made with the method and target of that example."""
        login = Login("Mufasa", "Circle of Life")
        nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
        parameters = {"realm": "http-auth@example.org", "nonce": nonce, "qop": "auth", "algorithm": "SHA-256"}
        digest = Digest(login, "/dir/index.html", Challenge("digest", parameters), method="GET")
        answer = self.answer(digest, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
        self.assertEqual("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", answer["response"])

    def test_quoting(self) -> None:
        """Quotes and backslashes in names are escaped."""
        header = Digest(Login('a"\\', ""), TARGET, Challenge("digest", {"realm": 'r"', "nonce": "n"})).answer("w")
        self.assertIn(b'username="a\\"\\\\", realm="r\\"", nonce="n"', header)

    def test_usable(self) -> None:
        """A challenge without realm or nonce, with an unknown algorithm or protection, is not answered."""
        for parameters in (
            {"realm": "r"},
            {"nonce": "n"},
            {"realm": "r", "nonce": "n", "algorithm": "SHA-512"},
            {"realm": "r", "nonce": "n", "qop": "auth-conf"},
        ):
            self.assertFalse(Digest.usable(Challenge("digest", parameters)), parameters)

    def test_strength(self) -> None:
        """SHA-512/256 is better than SHA-256, and that than MD5."""
        names = ("md5", "md5-sess", "sha-256", "SHA-256-sess", "sha-512-256")
        found = [Digest.strength(Challenge("digest", {"algorithm": name})) for name in names]
        self.assertEqual(sorted(set(found)), found)

    def test_body(self) -> None:
        """A proxy that wants the body protected alone gets it: there is none (RFC 7616 section 3.4.3)."""
        answer = self.answer(self.digest(qop="auth-int"))
        self.assertEqual("auth-int", answer["qop"])
        empty = hashlib.md5(b"").hexdigest()
        request = hashlib.md5(f"CONNECT:{TARGET}:{empty}".encode()).hexdigest()
        secret = hashlib.md5(b"alice:r:se:cret").hexdigest()
        expected = hashlib.md5(f"{secret}:n:00000001:word:auth-int:{request}".encode()).hexdigest()
        self.assertEqual(expected, answer["response"])

    def test_spellings(self) -> None:
        """Proxies leave out commas and quotes, or write semicolons and blanks; each is answered as the proper form."""
        proper = {"realm": "My Proxy", "nonce": "AbC/+==", "opaque": "o/=", "qop": "auth,auth-int"}
        for header in (
            b'Digest realm="My Proxy" nonce="AbC/+==" opaque="o/=" qop="auth,auth-int"',
            b'Digest realm="My Proxy"; nonce="AbC/+=="; opaque="o/="; qop="auth,auth-int";',
            b"Digest realm=My Proxy, nonce=AbC/+==, opaque=o/=, qop=auth,auth-int",
            b"Digest qop=auth,auth-int, realm=My Proxy nonce=AbC/+== opaque = o/=",
        ):
            (challenge,) = read_challenges([header])
            self.assertEqual(proper, challenge.parameters, header)
            answer = self.answer(Digest(ALICE, TARGET, challenge))
            self.assertEqual([proper[name] for name in ("realm", "nonce", "opaque")], [
                answer[name] for name in ("realm", "nonce", "opaque")
            ])  # fmt: skip
        for quality in ("AUTH", " auth ", "auth-int auth", "auth-conf, auth"):
            self.assertEqual("auth", self.answer(self.digest(qop=quality))["qop"], quality)
        self.assertNotIn("algorithm", self.answer(self.digest(algorithm="")))
