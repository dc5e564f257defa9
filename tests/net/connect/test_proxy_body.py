"""The bodies of a proxy's answers, which nobody waits for."""

from __future__ import annotations

from iphttps.core.errors import ProxyFault
from iphttps.core.proxy.challenges import basic
from iphttps.net.connect.proxy_connection import BODY_LIMIT, QUIET_LIMIT

from .test_proxy import ALICE, OPEN, ProxyCase


class BodyTests(ProxyCase):
    """Bodies that do not end."""

    def test_body_without_end(self) -> None:
        """A body that does not end where it says is not waited for: the answer goes over a new connection."""
        for body in (b"Content-Length: 1000\r\n\r\n<html>short", b"Transfer-Encoding: chunked\r\n\r\n"):
            attempt = self.connect()
            self.accept()
            self.say(b"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=x\r\n" + body)
            self.clock.advance(QUIET_LIMIT)
            self.accept()
            self.asked_for(basic(ALICE))
            self.say(OPEN)
            self.assert_open(attempt)

    def test_trickling_body(self) -> None:
        """A body that comes byte by byte is left after a while, and so is a refusal's."""
        attempt = self.connect()
        self.accept()
        self.say(b"HTTP/1.1 403 No\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(round(BODY_LIMIT) - 1):
            self.clock.advance(1)
            self.say(b"x")
            self.assertNoResult(attempt)
        self.clock.advance(1)
        self.assert_fails(attempt, ProxyFault.REFUSED, '403 No: "xxxx"')
