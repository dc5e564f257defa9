"""Tests for iphttps.host.kernel.firewall: what of a packet filter is in the way, with the kernel's own."""

from __future__ import annotations

import subprocess

from twisted.trial.unittest import SynchronousTestCase

from iphttps.host.kernel.firewall import (
    discovery_obstacles,
    forward_obstacles,
    input_obstacles,
    legacy_obstacles,
    nftables,
)

from ..support import NamespaceCase


class NftablesTests(NamespaceCase):
    """Rules that are really loaded."""

    def load(self, text: str) -> tuple[list[str], list[str]]:
        """Load rules in place of all others; return what is in the way of forwarding, and of clients."""
        subprocess.run(["nft", "-f", "-"], input=f"flush ruleset\n{text}", text=True, check=True, capture_output=True)
        ruleset = nftables()
        assert ruleset is not None
        return forward_obstacles(ruleset, "iphttps0"), input_obstacles(ruleset, 443)

    def base(self, hook: str, policy: str, *rules: str, family: str = "inet", more: str = "") -> str:
        """Write a table with a base chain."""
        head = f"type filter hook {hook} priority 0; policy {policy};"
        return f"table {family} f {{\n{more}\nchain c {{\n{head}\n" + "\n".join(rules) + "\n}\n}\n"

    def test_empty(self) -> None:
        """Without rules nothing is in the way."""
        self.assertEqual(([], []), self.load(""))
        self.assertEqual(([], []), self.load(self.base("forward", "accept", 'iifname "lo" drop')))

    def test_drop(self) -> None:
        """A chain that drops what it does not know is named, with what to type; what it says is right."""
        for family in ("inet", "ip6"):
            (sentence,), _ = self.load(self.base("forward", "drop", "ct state established accept", family=family))
            command = f"nft insert rule {family} f c iifname iphttps0 accept"
            self.assertIn(f"`{command}`", sentence)
            subprocess.run(command.split(), check=True, capture_output=True)
            self.assertEqual([], forward_obstacles(nftables() or {}, "iphttps0"))
        _, (sentence,) = self.load(self.base("input", "drop", "tcp dport 22 accept"))
        self.assertIn("`nft insert rule inet f c tcp dport 443 accept`", sentence)

    def test_discovery(self) -> None:
        """One that drops Neighbor Discovery on the interface is named, unless some rule lets all ICMPv6 in."""
        self.load(self.base("input", "drop", "tcp dport 443 accept", 'iifname "eth0" meta l4proto ipv6-icmp accept'))
        (sentence,) = discovery_obstacles(nftables() or {}, "iphttps0")
        command = "nft insert rule inet f c iifname iphttps0 meta l4proto ipv6-icmp accept"
        self.assertIn(f"`{command}`", sentence)
        subprocess.run(command.split(), check=True, capture_output=True)
        self.assertEqual([], discovery_obstacles(nftables() or {}, "iphttps0"))
        for rule in ("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept", 'iifname "iphttps*" accept'):
            self.load(self.base("input", "drop", rule))
            self.assertEqual([], discovery_obstacles(nftables() or {}, "iphttps0"), rule)

    def test_last_rule(self) -> None:
        """So is one whose rule is to drop or reject everything, but not one that drops something."""
        for rule in ("drop", "counter reject", 'log prefix "x" counter drop'):
            self.assertEqual(1, len(self.load(self.base("forward", "accept", rule))[0]), rule)
        self.assertEqual([], self.load(self.base("forward", "accept", "tcp dport 25 drop"))[0])

    def test_known(self) -> None:
        """One that knows the interface or the port is not: directly, in a set, in a range, by the first letters."""
        for rule in ('iifname "iphttps0" accept', 'iifname { "eth0", "iphttps0" } accept', 'iifname "iphttps*" accept'):
            self.assertEqual([], self.load(self.base("forward", "drop", rule))[0], rule)
        for rule in (
            "tcp dport 443 accept",
            "tcp dport { 22, 443 } accept",
            "tcp dport 400-500 accept",
            "tcp dport @p accept",
        ):
            more = "set p { type inet_service; elements = { 443 }; }"
            self.assertEqual([], self.load(self.base("input", "drop", rule, more=more))[1], rule)
        more = 'chain other { iifname "iphttps0" accept; }'
        self.assertEqual([], self.load(self.base("forward", "drop", "jump other", more=more))[0])

    def test_not_ours(self) -> None:
        """A chain that sees no IPv6 packet is not in the way of those that are forwarded, but perhaps of clients."""
        self.assertEqual([], self.load(self.base("forward", "drop", family="ip"))[0])
        self.assertEqual(1, len(self.load(self.base("input", "drop", family="ip"))[1]))


class LegacyTests(SynchronousTestCase):
    """The output of ip6tables-legacy."""

    def test_rules(self) -> None:
        """A policy to drop is named with what to type, unless a rule knows the interface or the port."""
        rules = "-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
        forward, clients = legacy_obstacles(rules, "iphttps0", 443)
        self.assertIn("`ip6tables-legacy -I FORWARD -i iphttps0 -j ACCEPT` and the same with -o", forward)
        self.assertIn("`ip6tables-legacy -I INPUT -p tcp --dport 443 -j ACCEPT`", clients)
        rules += "-A FORWARD -i iphttps0 -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\n"
        self.assertEqual([], legacy_obstacles(rules, "iphttps0", 443))
        self.assertEqual([], legacy_obstacles(rules.replace("DROP", "ACCEPT"), "iphttps1", 444))
