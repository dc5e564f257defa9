"""The output of `iphttps status` for an SSTP client, and the states that it reports as problems."""

from __future__ import annotations

from ..command import CommandCase
from ..schema import documented


class SSTPClientStatusTests(CommandCase):
    """`iphttps status` of an SSTP client."""

    def said(self, **different: object) -> list[str]:
        """Return the lines for a client like the documented one, but different."""
        return self.run_command({**documented("sstp-client"), **different}, "status")[1].splitlines()

    def test_client(self) -> None:
        """Its status as text: what was negotiated, the round trip to the server, Windows' code of the last failure."""
        status, said, _ = self.run_command(documented("sstp-client"), "status")
        self.assertEqual(0, status)
        for line in (
            "state           LINK_UP for 45 s, since 2026-03-01 09:23:00 UTC",
            "server          https://vpn.example.org/",
            "router          10.99.0.1, round trip 12.5 ms",
            "login           alice by MS-CHAPv2",
            "crypto binding  SHA-256",
            "IPv4            10.99.0.2 to 10.99.0.1",
            "MTU             1400",
            "DNS servers     10.0.0.53",
        ):
            self.assertIn(f"{line}\n", said)
        self.assertRegex(said, r"last failure +2026-03-01 09:22:30 UTC, login: the server rejected .*; .* code 691\n")

    def test_stages(self) -> None:
        """Each stage of the negotiation is named, and nothing of what has not been negotiated yet."""
        waiting: dict[str, object] = {"state": "ESTABLISHED", "router": None, "addresses": [], "last_failure": None}
        for stage, words in (
            ("sstp", "waiting for the server to accept the call"),
            ("ppp", "negotiating PPP"),
            ("login", "logging in"),
            ("binding", "proving the crypto binding"),
            ("addresses", "negotiating addresses"),
            ("of another version", "of another version"),
        ):
            lines = self.said(**waiting, stage=stage, sstp=None)
            self.assertTrue(lines[0].endswith(f", {words}"), lines[0])
            self.assertFalse(any(line.startswith(("login", "MTU", "IPv4")) for line in lines))

    def test_missing_family(self) -> None:
        """A family that is missing is shown with the reason."""
        missing = {"address": None, "missing": {"IPv4": "the server gives no address"}}
        agreed = documented("sstp-client")["sstp"] | missing
        lines = self.said(sstp=agreed)
        self.assertTrue(any(line.strip() == "no IPv4: the server gives no address" for line in lines))
        self.assertFalse(any(line.startswith("IPv4") for line in lines))

    def test_problem(self) -> None:
        """A link that is up is a problem all the same where the server does not answer an Echo Request."""
        silent = {**documented("sstp-client"), "router": {"address": "10.99.0.1", "round_trip": None}}
        self.assertEqual(1, self.run_command(silent, "status")[0])
        for name in ("state", "router"):
            other = {**documented("sstp-client"), name: {"state": "LINK_DOWN", "router": None}[name]}
            self.assertEqual(1, self.run_command(other, "status")[0])
