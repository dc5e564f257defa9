"""Tests for iphttps.app.users.verdict."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.users.users_file import Users, parse
from iphttps.app.users.verdict import Accepted, Rejected, of_mschapv2, of_pap
from iphttps.core.sstp.ppp import mschapv2
from iphttps.core.sstp.ppp.chap import FailureCode, Response
from iphttps.core.sstp.ppp.pap import AuthenticateRequest
from iphttps.pki import des

CHALLENGE = bytes(range(16))
TEXT = b"""\
[alice]
nt-hash = "878d8014606cda29677a44efa1353fc7"
[bob]
password = "secret"
disabled = true
["Zo\xc3\xab"]
password = "gehe\xc3\xafm"
"""


class VerdictTests(SynchronousTestCase):
    """Logins by both protocols."""

    def setUp(self) -> None:
        """Read the users."""
        self.users: Users = parse(Path("users.toml"), TEXT)

    def mschapv2(self, name: str, password: str) -> Accepted | Rejected:
        """Log in by MS-CHAPv2, as a client does that knows this password."""
        return of_mschapv2(self.users, CHALLENGE, self.response(name, mschapv2.nt_password_hash(password)))

    def response(self, name: str, nt_hash: bytes) -> Response:
        """Return what such a client sends."""
        return mschapv2.respond(nt_hash, 1, CHALLENGE, b"p" * 16, name.encode(), des.encrypt)

    def pap(self, name: str, password: str) -> Accepted | Rejected:
        """Log in by PAP."""
        return of_pap(self.users, AuthenticateRequest(1, name.encode(), password.encode()))

    def test_right(self) -> None:
        """The right password is accepted with each form of the name; MS-CHAPv2 gives an authenticator response."""
        for login in (self.mschapv2, self.pap):
            for name, password, user in (
                ("alice", "secret", "alice"),
                ("EXAMPLE\\Alice", "secret", "alice"),
                ("alice@example.org", "secret", "alice"),
                ("Zoë", "geheïm", "Zoë"),
            ):
                found = login(name, password)
                assert isinstance(found, Accepted)
                self.assertEqual(user, found.user.name)
                self.assertEqual(login == self.mschapv2, found.proof is not None)
        sent = self.response("alice", mschapv2.nt_password_hash("secret"))
        found = of_mschapv2(self.users, CHALLENGE, sent)
        assert isinstance(found, Accepted)
        assert found.proof is not None
        self.assertTrue(
            mschapv2.check_success(found.proof.success, mschapv2.nt_password_hash("secret"), CHALLENGE, sent)
        )

    def test_wrong(self) -> None:
        """A wrong password, an unknown name, and a disabled user with a wrong password get the same answer."""
        for login in (self.mschapv2, self.pap):
            for name, password in (("alice", "Secret"), ("alice", ""), ("carol", "secret"), ("bob", "x"), ("", "")):
                self.assertEqual(Rejected(FailureCode.AUTHENTICATION_FAILURE), login(name, password), name)

    def test_disabled(self) -> None:
        """A disabled user who knows the password is told why (RFC 2759 section 6)."""
        for login in (self.mschapv2, self.pap):
            self.assertEqual(Rejected(FailureCode.ACCT_DISABLED), login("bob", "secret"))

    def test_stand_in(self) -> None:
        """The hash that stands in for an unknown user's lets nobody in."""
        sent = self.response("carol", mschapv2.NOBODY)
        self.assertEqual(Rejected(), of_mschapv2(self.users, CHALLENGE, sent))
        self.patch(mschapv2, "nt_password_hash", lambda password: mschapv2.NOBODY)
        self.assertEqual(Rejected(), self.pap("carol", "x"))

    def test_same_work(self) -> None:
        """An unknown name costs the same calculations as a wrong password."""
        done: list[str] = []
        encrypt, hashed = des.encrypt, mschapv2.nt_password_hash

        def counted_encrypt(key: bytes, block: bytes) -> bytes:
            done.append("des")
            return encrypt(key, block)

        def counted_hash(password: str) -> bytes:
            done.append("md4")
            return hashed(password)

        responses = [self.response(name, hashed("wrong")) for name in ("alice", "carol")]
        self.patch(des, "encrypt", counted_encrypt)
        self.patch(mschapv2, "nt_password_hash", counted_hash)
        for response in responses:
            done.clear()
            of_mschapv2(self.users, CHALLENGE, response)
            self.assertEqual(["des"] * 3, done)
        for name in ("alice", "carol"):
            done.clear()
            self.pap(name, "wrong")
            self.assertEqual(["md4"], done)
