"""The SSTP client's daemon with servers that misbehave: what it says, at which stage, and when it comes back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from iphttps.lab.laboratory import LINK_UP
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME_IPV4
from iphttps.lab.programs import Program
from tests.lab.raw import listen
from tests.lab.test_sstp_client import INTERFACE, SSTPClientCase
from tests.sstp_behaviours import assign
from tests.sstp_misbehaviour import ROWS, Next, Row
from tests.sstp_raw_server import HungUp, Peer, RawServer

WITHHELD = "is not sent for"

_DELAY = {Next.SOON: r"0\.2", Next.ASKED: r"1000\.0", Next.HELD: r"0\.2"}
"""Seconds until the next connection, as the log has them."""

SILENT = [row for row in ROWS if row.slow]
LATER = "--reconnect-initial", "800", "--reconnect-maximum", "900"


def note_head(heads: list[bytes], peer: Peer) -> None:
    """Note the head of a request that should not come."""
    with contextlib.suppress(HungUp):
        peer.request()
    heads.append(peer.head)


class MisbehaviourCase(SSTPClientCase):
    """Raw servers on the gateway, and clients that come back soon."""

    reconnect = ("--reconnect-initial", "0.2", "--reconnect-maximum", "0.2")

    def raw_server(self, port: int = 443) -> RawServer:
        """Listen on the gateway."""
        listening = listen(self.lab.gateway, GATEWAY_IPV4, port)
        listening.settimeout(60)
        self.addCleanup(listening.close)
        return RawServer(listening, self.lab.server_identity)

    def start(self, number: int = 1, port: int = 443, *flags: str) -> Program:
        """Start the client of a server on a host."""
        usual = ["--uri", f"https://{GATEWAY_NAME_IPV4}:{port}", "--ca", str(self.lab.authority.certificate)]
        usual += ["--user", "alice", "--password-file", str(self.password()), "--interface", INTERFACE]
        usual += ["--control", str(self.control(number)), *self.reconnect]
        return self.lab.daemon(self.lab.clients[number - 1], self.plugin, *usual, *flags)

    def control(self, number: int = 1) -> Path:
        """Return the control socket of a host's client."""
        return self.lab.directory / f"client{number}.sock"

    def check(self, row: Row, client: Program, mark: int = 0, number: int = 1, delay: str | None = None) -> None:
        """Assert that the client knows what the server has done, and that the next attempt is when it should be."""
        line = client.wait_for("next attempt in", 100, since=mark)
        asked = "curl", "--silent", "--unix-socket", str(self.control(number)), "http://x/status"
        failure = json.loads(self.lab.clients[0].run(*asked).stdout)["last_failure"]
        self.assertIn(row.says, failure["reason"], row.name)
        self.assertTrue(failure["reason"].isprintable(), row.name)
        code = row.code or failure["code"]
        found = failure["stage"], failure["code"], LINK_UP in client.text[mark:]
        self.assertEqual((row.stage, code, row.up), found, (row.name, failure["reason"]))
        self.assertRegex(line, f"next attempt in {delay or _DELAY[row.next_attempt]} seconds", row.name)


class OneAfterTheOtherTests(MisbehaviourCase):
    """One client, which meets one server after the other."""

    def check_all(self, wanted: Callable[[Row], bool]) -> None:
        """Let one client meet one server after the other."""
        server, client = self.raw_server(), self.start()
        rows = [row for row in ROWS if wanted(row) and row.next_attempt is Next.SOON and not row.slow]
        self.assertNotEqual([], rows)
        for row in rows:
            mark = client.mark()
            server.serve(row.act)
            self.check(row, client, mark)
        self.assertTrue(client.running)

    def test_http(self) -> None:
        """An answer that no SSTP server sends ends the attempt at the stage http ([MS-SSTP] 3.2.4.1)."""
        self.check_all(lambda row: row.stage == "http")

    def test_calls(self) -> None:
        """A call that fails is told with the server's status ([MS-SSTP] 2.2.8, 3.2.5.3)."""
        self.check_all(lambda row: row.stage == "sstp" and not row.up)

    def test_links(self) -> None:
        """LCP, the login and the binding each have their stage, and Windows' error codes (RFC 2759 section 6)."""
        self.check_all(lambda row: row.stage in ("ppp", "login", "binding") and not row.up)

    def test_networks(self) -> None:
        """Without an address that a host may have there is no link (RFC 1332 section 3.3)."""
        self.check_all(lambda row: row.stage == "addresses")

    def test_sessions(self) -> None:
        """A link that is up survives an echo flood and malformed packets, and its end is told ([MS-SSTP] 3.1.5)."""
        self.check_all(lambda row: row.up)

    def test_asked(self) -> None:
        """A server that says when to come back is obeyed (RFC 9110 section 10.2.3)."""
        (row,) = (row for row in ROWS if row.next_attempt is Next.ASKED)
        server, client = self.raw_server(), self.start()
        server.serve(row.act)
        self.check(row, client)

    def test_held(self) -> None:
        """A rejected password is not sent again, and another one is at once: too many lock the account."""
        server, client = self.raw_server(), self.start()
        for row in (row for row in ROWS if row.next_attempt is Next.HELD):
            self.password(row.name)
            mark = client.mark()
            server.serve(row.act)
            self.check(row, client, mark)
            mark = client.mark()
            heads: list[bytes] = []
            server.serve(partial(note_head, heads))
            client.wait_for(WITHHELD, since=mark)
            self.assertEqual([b""], heads)

    def test_conflicts(self) -> None:
        """An address of a network that the host is in ends the session, and the way to the server stays as it was."""
        server, client = self.raw_server(), self.start()
        routes = self.shown("route")
        for address, says in (
            ("192.0.2.2", "which lies in this host's own network 192.0.2.0/30 on outer"),
            (GATEWAY_IPV4, "the address at which it is reached"),
        ):
            mark = client.mark()
            server.serve(assign(address))
            self.check(Row(address, assign(address), "addresses", says, up=True), client, mark)
            self.assertEqual(routes, self.shown("route"))


class SilentTests(MisbehaviourCase):
    """A client on a host of its own for each server that says nothing any more, all at once."""

    clients = len(SILENT)

    def test_timers(self) -> None:
        """Each stage has a timer, [MS-SSTP]'s of 60 seconds or PPP's of 30 (3.2.2, RFC 1661 section 4.6)."""
        rows = list(enumerate(SILENT, 1))
        servers = [self.raw_server(4430 + number).start(row.act) for number, row in rows]
        clients = [self.start(number, 4430 + number, *LATER) for number, _ in rows]
        for (number, row), client, server in zip(rows, clients, servers, strict=True):
            server.join(100)
            self.check(row, client, number=number, delay=r"[89][0-9]{2}\.[0-9]")
