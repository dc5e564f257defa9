"""The output of `iphttps status` for a client, and its exit status."""

from __future__ import annotations

from ..command import CommandCase
from ..schema import documented


class ClientStatusTests(CommandCase):
    """`iphttps status` of a client."""

    def said(self, **different: object) -> list[str]:
        """Return the lines for a client like the documented one, but different."""
        return self.run_command({**documented("client"), **different}, "status")[1].splitlines()

    def test_client(self) -> None:
        """A client's status as text."""
        status, said, _ = self.run_command(documented("client"), "status")
        self.assertEqual(0, status)
        self.assertIn("state         LINK_UP for 45 s, since 2026-03-01 09:23:00 UTC\n", said)
        self.assertIn(
            "last failure  2026-03-01 09:22:30 UTC, TCP connection (https://vpn.example.net/IPHTTPS): connection",
            said,
        )
        self.assertIn("a firewall rejects it; Windows error code 0x274D\n", said)
        later = {**documented("client"), "next_attempt": {"time": "2026-03-01T09:23:00Z", "seconds": 12.5}}
        self.assertIn("next attempt  in 12 s\n", self.run_command(later, "status")[1])
        self.assertIn("TLS           TLSv1.3, TLS_AES_256_GCM_SHA384\n", said)
        self.assertIn("router        fe80::1, round trip 12.5 ms\n", said)
        silent = {**documented("client"), "router": {"address": "fe80::1", "round_trip": None}}
        self.assertIn("router        fe80::1 does not answer\n", self.run_command(silent, "status")[1])
        waiting = {**documented("client"), "stage": "router"}
        self.assertIn("UTC, no Router Advertisement received yet\n", self.run_command(waiting, "status")[1])
        nothing = dict.fromkeys(("last_failure", "next_attempt", "tls", "router", "proxy"))
        bare = {**documented("client"), **nothing, "routes": []}
        bare["counters"]["session"] = None
        _, said, _ = self.run_command(bare, "status")
        self.assertEqual(
            ["state", "server", "interface", "offload", "device"], [line.split()[0] for line in said.splitlines()]
        )

    def test_compiled(self) -> None:
        """If TLS records are decrypted one by one, the status says why; it is no problem."""
        for role in ("server", "client"):
            for objection in (None, "not tested with OpenSSL 4.9.1"):
                parts = {"packets": True, "records": not objection, "objection": objection}
                status, said, _ = self.run_command({**documented(role), "compiled": parts}, "status")
                self.assertEqual((0, bool(objection)), (status, f"one by one: {objection}" in said))

    def test_obstacle(self) -> None:
        """The reason why the host forms no address is shown in a line of its own."""
        self.assertIn("obstacle      the filter drops it", self.said(obstacle="the filter drops it"))

    def test_waiting(self) -> None:
        """The condition that the client waits for is shown in a line of its own."""
        self.assertIn("waiting       waiting for `iphttps enable`", self.said(waiting="waiting for `iphttps enable`"))

    def test_same_server(self) -> None:
        """A failure with the server of the latest attempt does not name it again."""
        failure = {**documented("client")["last_failure"], "uri": "https://vpn.example.org/IPHTTPS"}
        self.assertTrue(any("TCP connection: connection refused" in line for line in self.said(last_failure=failure)))

    def test_problem(self) -> None:
        """A link that is up is a problem all the same where no router answers, or none has advertised itself."""
        for router in (None, {"address": "fe80::1", "round_trip": None}):
            self.assertEqual(1, self.run_command({**documented("client"), "router": router}, "status")[0])
