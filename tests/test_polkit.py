"""The rule for polkit, evaluated with a polkit of a few lines."""

from __future__ import annotations

import json
from pathlib import Path

import quickjs
from twisted.trial.unittest import SynchronousTestCase

RULES = Path(__file__).parents[1] / "etc" / "polkit" / "iphttps.rules"
POLKIT = "var rule; var polkit = {Result: {YES: 'yes'}, addRule: function (given) { rule = given; }};\n"
ACTION = "org.freedesktop.resolve1."


class RuleTests(SynchronousTestCase):
    """Who may do what."""

    def allowed(self, user: str, action: str, **details: str) -> bool:
        """Ask the rule."""
        context = quickjs.Context()
        context.eval(POLKIT + RULES.read_text(encoding="utf-8"))
        asked, known = json.dumps({"id": action}), json.dumps(details)
        question = f"var a = {asked}, d = {known}; a.lookup = function (key) {{ return d[key]; }};"
        return bool(context.eval(f"{question} rule(a, {json.dumps({'user': user})}) === 'yes'"))

    def test_ours(self) -> None:
        """The daemon's user may set and revert the DNS of its own interfaces."""
        for verb in ("set-dns-servers", "set-domains", "revert"):
            for name in ("iphttps0", "iphttps12", "sstp0"):
                self.assertTrue(self.allowed("iphttps", ACTION + verb, interface=name))

    def test_others(self) -> None:
        """No other interface, user or action, and nothing where the interface is not told."""
        for name in ("eth0", "wlan0", "xiphttps0", "iphttps", "iphttps0x", "iphttps0\nx", "xsstp0", ""):
            self.assertFalse(self.allowed("iphttps", ACTION + "set-dns-servers", interface=name), name)
        self.assertFalse(self.allowed("iphttps", ACTION + "set-dns-servers"))
        self.assertFalse(self.allowed("alice", ACTION + "set-dns-servers", interface="iphttps0"))
        self.assertFalse(self.allowed("iphttps", ACTION + "set-llmnr", interface="iphttps0"))
        self.assertFalse(self.allowed("iphttps", "org.freedesktop.login1.revert", interface="iphttps0"))
        self.assertFalse(self.allowed("iphttps", "revert", interface="iphttps0"))
