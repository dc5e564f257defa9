"""SSTP's users from a RADIUS server: Debian's FreeRADIUS beside the server, sstpc as the client."""

from __future__ import annotations

import os
import re
import signal
from functools import partial

from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from tests.lab.case import LabCase
from tests.lab.freeradius import ADDRESS, REASON, SECRET, FreeRadius
from tests.lab.ppp_peer import BY_MSCHAPV2, BY_PAP
from tests.lab.sstpc import Sstpc

LOSS = """
table inet loss {
    chain input {
        type filter hook input priority filter;
        udp dport 1813 counter drop
    }
}
"""
"""Loses records."""

POOL, PREFIX, SERVER = "10.99.0.0/24", "2001:db8:3::/64", "10.99.0.1"


class RadiusCase(LabCase):
    """A server whose users are in a RADIUS server."""

    def radius_server(self, *flags: str) -> Program:
        """Start the server."""
        secret = self.lab.directory / "secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        return self.server(
            "--sstp-pool",
            POOL,
            "--sstp-prefix",
            PREFIX,
            "--sstp-radius",
            ADDRESS,
            "--sstp-radius-secret",
            str(secret),
            *flags,
        )

    def sstpc(self, user: str = "alice", password: str = "secret", authentication: bytes = BY_MSCHAPV2) -> Sstpc:
        """Return a client that has tried to log in."""
        client = Sstpc(self.lab, self.lab.clients[0], user, password, authentication=authentication)
        client.connect()
        return client


class LoginTests(RadiusCase):
    """Logins and their answers."""

    def test_session(self) -> None:
        """The keys of the RADIUS server prove the binding; the address is the one that it gives (RFC 2548, 2865)."""
        FreeRadius(self.lab, self.lab.gateway)
        server = self.radius_server()
        client = self.sstpc()
        server.wait_for("(alice, ")
        self.assertEqual(str(client.ppp.address), "10.99.0.77")
        client.ping(SERVER)

    def test_wrong_password(self) -> None:
        """A wrong password is rejected, and the log has the server's words."""
        FreeRadius(self.lab, self.lab.gateway)
        server = self.radius_server()
        self.assertTrue(self.sstpc(password="wrong").ppp.refused)
        server.wait_for(f"login failed: 'alice': the RADIUS server rejects the login: {REASON}")

    def test_pap(self) -> None:
        """PAP works as well, with the password hidden by the secret (RFC 2865 section 5.2)."""
        radius = FreeRadius(self.lab, self.lab.gateway)
        server = self.radius_server("--sstp-authentication", "pap")
        self.sstpc(authentication=BY_PAP)
        server.wait_for("(alice, ")
        radius.program.wait_for("Auth-Type = PAP")

    def test_silent(self) -> None:
        """Without an answer the login fails, and the log says which server is silent."""
        server = self.radius_server()
        self.assertTrue(self.sstpc().ppp.refused)
        server.wait_for("login failed: 'alice': no RADIUS server answers: 127.0.0.1:1812")

    def test_unproved(self) -> None:
        """An answer without a Message-Authenticator does not count, as somebody may have forged it (CVE-2024-3596)."""
        FreeRadius(self.lab, self.lab.gateway, proved=False)
        server = self.radius_server()
        self.assertTrue(self.sstpc().ppp.refused)
        server.wait_for("answer only with another secret or without a Message-Authenticator")


class SessionTests(RadiusCase):
    """Accounting at the RADIUS server, and disconnection by it."""

    def started(self, radius: FreeRadius, number: int) -> bool:
        """Tell whether so many sessions have a record of their start."""
        return radius.records.count("Acct-Status-Type = Start") == number

    def test_accounting(self) -> None:
        """A session has a record of its start and one of its end, with what it has used (RFC 2866)."""
        radius = FreeRadius(self.lab, self.lab.gateway)
        server = self.radius_server()
        client = self.sstpc()
        client.ping(SERVER)
        client.close()
        wait_until(lambda: "Acct-Status-Type = Stop" in radius.records, "the record of the end")
        begin, end = re.split(r"\n\n", radius.records.strip())[-2:]
        for record in (begin, end):
            self.assertIn('User-Name = "alice"', record)
            self.assertIn("Framed-IP-Address = 10.99.0.77", record)
            self.assertIn("Class = 0x6c6162", record)
            self.assertIn('Calling-Station-Id = "', record)
        self.assertIn("Acct-Status-Type = Start", begin)
        self.assertRegex(end, r"Acct-Input-Packets = [1-9]")
        self.assertRegex(end, r"Acct-Output-Octets = [1-9]")
        self.assertRegex(end, r"Acct-Terminate-Cause = (User-Request|Lost-Carrier)")
        server.stop()
        wait_until(lambda: "Acct-Status-Type = Accounting-Off" in radius.records, "the end of accounting")

    def test_stop(self) -> None:
        """When the server stops, it sends the records of the end until the RADIUS server confirms them (RFC 2866 2)."""
        radius = FreeRadius(self.lab, self.lab.gateway)
        server = self.radius_server()
        self.sstpc()
        wait_until(partial(self.started, radius, 1), "the record of the start")
        self.lab.gateway.run("nft", "-f", "-", stdin=LOSS)
        os.kill(server.pid, signal.SIGTERM)
        # Stop and Accounting-Off, and at least one of them again.
        wait_until(lambda: self.lost() > 2, "a record that is sent again")
        self.assertNotIn("Acct-Status-Type = Stop", radius.records)
        self.lab.gateway.run("nft", "delete", "table", "inet", "loss")
        server.wait_ended(10)
        for expected in ("Acct-Status-Type = Stop", "Acct-Terminate-Cause = Admin-Reboot", "= Accounting-Off"):
            self.assertIn(expected, radius.records)

    def lost(self) -> int:
        """Return how many records were lost on the way."""
        found = re.search(r"packets (\d+)", self.lab.gateway.run("nft", "list", "table", "inet", "loss").stdout)
        return int(found[1]) if found else 0

    def test_outside(self) -> None:
        """An address outside the pool works as well: it has a route to the interface while the session lasts."""
        FreeRadius(self.lab, self.lab.gateway, address="198.51.100.77")
        self.radius_server()
        client = self.sstpc()
        self.assertEqual(str(client.ppp.address), "198.51.100.77")
        client.ping(SERVER)
        self.assertIn("198.51.100.77", self.routes())
        client.close()
        wait_until(lambda: "198.51.100.77" not in self.routes(), "the end of the route")

    def routes(self) -> str:
        """Return the gateway's routes through the SSTP interface."""
        return self.lab.gateway.run("ip", "-4", "route", "show", "dev", "sstp0").stdout

    def test_session_timeout(self) -> None:
        """A session ends when its Session-Timeout has passed (RFC 2865 section 5.27)."""
        radius = FreeRadius(self.lab, self.lab.gateway, timeout=1)
        server = self.radius_server()
        client = self.sstpc("bob")
        self.assertEqual(str(client.ppp.address), "10.99.0.2")
        server.wait_for("(bob, ")
        server.wait_for("disconnected: it has reached the Session-Timeout of 1 s")
        wait_until(lambda: "Acct-Terminate-Cause = Session-Timeout" in radius.records, "the record of the end")

    def test_disconnect(self) -> None:
        """The RADIUS server ends a session by its number or its user, and learns if there is none (RFC 5176)."""
        radius = FreeRadius(self.lab, self.lab.gateway)
        server = self.radius_server()
        radius.disconnect('User-Name = "alice"').wait_for("Error-Cause = Session-Context-Not-Found")
        for number in (1, 2):
            begun = server.mark()
            client = self.sstpc()
            server.wait_for("(alice, ", since=begun)
            wait_until(partial(self.started, radius, number), "the record of the start")
            found = re.findall(r'Acct-Session-Id = "([0-9a-f]{16})"', radius.records)[-1]
            by = f'Acct-Session-Id = "{found}"' if number == 1 else 'User-Name = "alice"'
            radius.disconnect(by).wait_for("Received Disconnect-ACK")
            server.wait_for("disconnected: the RADIUS server 127.0.0.1 disconnects it", since=begun)
            client.close()
        wait_until(lambda: radius.records.count("Acct-Terminate-Cause = Admin-Reset") == 2, "both records")
