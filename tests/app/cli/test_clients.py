"""Tests for `iphttps clients`: what it prints, against a daemon that only answers."""

from __future__ import annotations

import re

from ..command import Answering, CommandCase
from ..schema import documented

TABLE = [
    "ID  PROTOCOL  IDENTITY  PEER  CONNECTED  ADDRESSES  IN  OUT  RATE IN  RATE OUT  MAX RATE  DROPPED",
    (
        "7  iphttps  CN=alice  192.0.2.7:50178  45 s  fe80::5910:565f:6429:b7ef  800 B  9 kB  142 bit/s  1.6 kbit/s"
        "  20 Mbit/s  1"
    ),
    "  2001:db8:2:0:c342:bc93:6437:83cc",
    "8  sstp  bob  198.51.100.4:50211  5 s  10.99.0.2  300 B  300 B  471 bit/s  471 bit/s  -  0",
    "  fe80::2",
    "  2001:db8:3::2",
    "11  iphttps  -  [2001:db8::7]:1  45 s  800 B  9 kB  142 bit/s  1.6 kbit/s  20 Mbit/s  1",
]
"""The table of the clients in the document, and of one more, without the alignment of columns."""


class ClientsTests(CommandCase):
    """`iphttps clients`."""

    def test_table(self) -> None:
        """A row for each client, and one for each further address."""
        answer = documented("clients")
        other = {**answer["clients"][0], "number": 11, "identity": None, "addresses": [], "peer": "[2001:db8::7]:1"}
        status, said, _ = self.run_command({"clients": [*answer["clients"], other]}, "clients")
        self.assertEqual((0, [("GET", "/clients", b"")]), (status, Answering.seen))
        self.assertEqual(TABLE, [re.sub(" {3,}", "  ", line) for line in said.splitlines()])
        self.assertEqual({0}, {len(line[101:103].strip()) for line in said.splitlines()})

    def test_older(self) -> None:
        """A daemon of an older version tells no rates."""
        answer = documented("clients")
        for client in answer["clients"]:
            del client["rates"], client["max_rate"]
        _, said, _ = self.run_command(answer, "clients")
        self.assertRegex(said.splitlines()[1], r" 9 kB +- +- +- +1$")

    def test_one_direction(self) -> None:
        """A maximum rate that differs by direction is shown for both."""
        answer = documented("clients")
        answer["clients"][0]["max_rate"] = {"in": 20_000_000, "out": None}
        _, said, _ = self.run_command(answer, "clients")
        self.assertIn(" in 20 Mbit/s ", said.splitlines()[1])

    def test_nobody(self) -> None:
        """Without clients it says so."""
        self.assertEqual((0, "no clients\n", ""), self.run_command({"clients": []}, "clients"))

    def test_escaped(self) -> None:
        """A peer's data reaches the terminal as printable text only (CWE-150)."""
        answer = documented("clients")
        answer["clients"][0]["identity"] = "CN=\x1b[2J\r\nroot\u202e\x9b\x7f"
        _, said, _ = self.run_command(answer, "clients")
        self.assertEqual(6, said.count("\n"))
        self.assertTrue(said.replace("\n", "").isprintable())
        self.assertTrue(said.isascii())
        _, said, _ = self.run_command(answer["clients"][0], "disconnect", "7")
        self.assertTrue(said[:-1].isprintable())
        _, said, _ = self.run_command(answer, "clients", "--json")
        self.assertTrue(said.replace("\n", "").replace("\x7f", "").isprintable())
        refused = self.run_command({"error": "\x1b[2J"}, "enable", status=409)
        self.assertEqual("\\1B[2J", self.complaint(refused))
