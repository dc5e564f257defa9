"""Tokens of NTLM and Negotiate, checked by pyspnego's other half."""

from __future__ import annotations

import os
from pathlib import Path

import spnego
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from iphttps.core.proxy.login import AuthScheme
from iphttps.core.proxy.url import Login
from iphttps.net.connect import spnego as ours
from iphttps.net.connect.proxy import NoTokenError
from iphttps.net.connect.spnego import installed, tokens

HOST = "proxy.example"
ALICE = Login("alice", "secret", "EXAMPLE")


class PasswordTests(TestCase):
    """A password, by NTLM and by NTLM inside Negotiate."""

    def setUp(self) -> None:
        """Make the file of users that the accepting half wants."""
        users = Path(self.mktemp())
        users.write_text("EXAMPLE:alice:secret\n")
        self.patch(os, "environ", {**os.environ, "NTLM_USER_FILE": str(users.absolute())})

    def principal(self, way: AuthScheme, login: Login) -> str | None:
        """Let the two halves talk, and return whom the accepting one takes us for; raises SpnegoError."""
        protocol = "ntlm" if way is AuthScheme.NTLM else "negotiate"
        options = spnego.NegotiateOptions.use_ntlm if way is AuthScheme.NTLM else spnego.NegotiateOptions.use_negotiate
        acceptor = spnego.server(HOST, "HTTP", protocol=protocol, options=options)
        next_token = tokens(way, HOST, login)
        theirs: bytes | None = None
        for _ in range(2):
            theirs = acceptor.step(self.successResultOf(next_token(theirs)))
        return acceptor.client_principal

    def test_right(self) -> None:
        """Two tokens prove who the user is, the domain given apart or with the name."""
        for way in (AuthScheme.NTLM, AuthScheme.NEGOTIATE):
            for login in (ALICE, Login("EXAMPLE\\alice", "secret")):
                self.assertEqual("EXAMPLE\\alice", self.principal(way, login))

    def test_wrong(self) -> None:
        """A wrong password proves nothing."""
        for way in (AuthScheme.NTLM, AuthScheme.NEGOTIATE):
            self.assertRaises(spnego.exceptions.SpnegoError, self.principal, way, Login("alice", "other", "EXAMPLE"))

    def test_nonsense(self) -> None:
        """A proxy's token that is none ends in one bounded line, if in anything."""
        for way in (AuthScheme.NTLM, AuthScheme.NEGOTIATE):
            for nonsense in (b"x", b"\0" * 1000, b"NTLMSSP\0\x02\0\0\0", b"\x60\xff"):
                next_token = tokens(way, HOST, ALICE)
                self.successResultOf(next_token(None))
                ended: list[str] = []

                def note(failure: Failure, ended: list[str] = ended) -> None:
                    failure.trap(NoTokenError)
                    ended.append(str(failure.value))

                next_token(nonsense).addErrback(note)
                self.assertTrue(way is AuthScheme.NEGOTIATE or ended)
                for sentence in ended:
                    self.assertTrue(sentence.isprintable() and 0 < len(sentence) < 1000, sentence)
                    self.assertNotIn("secret", sentence)


class TicketTests(TestCase):
    """A Kerberos ticket, which is not here."""

    def test_no_library(self) -> None:
        """Without the library the sentence says how to get it."""
        self.patch(ours, "installed", lambda: False)
        error = self.assertRaises(NoTokenError, tokens, AuthScheme.TICKET, HOST, None)
        self.assertIn("iphttps[kerberos]", str(error))

    async def test_no_ticket(self) -> None:
        """Without a ticket the sentence says so, and a user's password is not used instead."""
        if not installed():
            self.skipTest("Kerberos is not installed here")
        self.patch(os, "environ", dict(os.environ))
        os.environ["KRB5CCNAME"] = f"FILE:{Path(self.mktemp()).absolute()}"
        error = await self.assertFailure(tokens(AuthScheme.TICKET, HOST, ALICE)(None), NoTokenError)
        self.assertIn("No Kerberos credentials available", str(error))
