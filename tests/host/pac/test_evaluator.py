"""The program that evaluates a proxy auto-configuration file, as a program; the tests of `net` have it limited."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from iphttps.host.pac import evaluator

from ..support import NamespaceCase, in_child, need_another_user

PROGRAM = (sys.executable, "-m", "iphttps.host.pac.evaluator")


def asked(text: str, host: str = "vpn.example.org", **how: Any) -> dict[str, str]:
    """Return what the program writes about a file."""
    question = json.dumps({"pac": text, "url": f"https://{host}/", "host": host})
    run = subprocess.run(PROGRAM, input=question, capture_output=True, text=True, timeout=30, check=True, **how)
    answer: dict[str, str] = json.loads(run.stdout)
    return answer


class ProgramTests(SynchronousTestCase):
    """The answers of the evaluator."""

    def setUp(self) -> None:
        """Root needs somebody else to become."""
        need_another_user()

    def test_answer(self) -> None:
        """The function is called with the URL and the host, and may call the others; JavaScript is today's."""
        text = """
            const direct = ["*.intern.example.org"];
            let FindProxyForURL = (url, host) => {
                alert(host); alert();
                if (direct.some(pattern => shExpMatch(host, pattern))) return "DIRECT";
                if (isInNet("127.0.0.1", "127.0.0.0", "255.0.0.0") && dnsResolve("localhost") === "127.0.0.1"
                    && myIpAddress().split(".").length === 4 && weekdayRange("SUN", "SAT") && dateRange(2020, 2999)
                    && timeRange(0, 23, "GMT") && isInNetEx("2001:db8::1", "2001:db8::/32") && getClientVersion())
                    return `PROXY ${url}`;
            };
        """
        self.assertEqual(asked(text), {"answer": "PROXY https://vpn.example.org/"})
        self.assertEqual(asked(text, "a.intern.example.org"), {"answer": "DIRECT"})

    def test_ex(self) -> None:
        """Microsoft's FindProxyForURLEx is called where there is no other."""
        ex = "function FindProxyForURLEx(url, host) { return host; }"
        self.assertEqual(asked(ex), {"answer": "vpn.example.org"})
        self.assertEqual(asked(f"{ex} function FindProxyForURL() {{ return 'DIRECT'; }}"), {"answer": "DIRECT"})

    def test_rejections(self) -> None:
        """A file without an answer gets an error, in a few words and not more."""
        for text, words in (
            (
                "<html>Please log in</html>",
                "the file fails: SyntaxError: unexpected token in expression: '<', line 1, column 1",
            ),
            ("var FindProxyForURL = 1;", "it has no function FindProxyForURL"),
            ("", "it has no function FindProxyForURL"),
            ("function FindProxyForURL() { return null; }", "does not answer with a string"),
            ("function FindProxyForURL() { return ['DIRECT']; }", "does not answer with a string"),
            ("function FindProxyForURL() { return 1n; }", "the file fails"),
            ("async function FindProxyForURL() { return 'DIRECT'; }", "does not answer with a string"),
            ("function FindProxyForURL() { return '\\ud800'; }", "the file fails"),
            ("function FindProxyForURL() { throw {}; }", "the file fails"),
            ("throw 'why';", "the file fails: why"),
            ("function FindProxyForURL() {\n  nosuch(); }", "nosuch is not defined, line 2, column 3"),
            ("throw 'x'.repeat(100000);", "the file fails: xxx"),
            ("function FindProxyForURL() { return 'x'.repeat(5000); }", "it answers with 5000 characters"),
            ("function f() { return f() + 1; } f();", "the file fails: RangeError"),
            ("var many = []; while (true) many.push(new Array(100000).fill(1));", "out of memory"),
            ("'x'.repeat(1 << 29);", "out of memory"),
            ("require('fs')", "the file fails: ReferenceError"),
        ):
            error = asked(text)["error"]
            self.assertIn(words, error)
            self.assertLess(len(error), 300)

    def test_without_library(self) -> None:
        """Without the library that knows JavaScript, the error says what to install."""
        self.patch(sys.modules[__name__], "PROGRAM", (sys.executable, "-c", _WITHOUT_LIBRARY))
        self.assertIn("pip install quickjs-ng", asked("")["error"])


_WITHOUT_LIBRARY = "import sys; sys.modules['quickjs'] = None; from iphttps.host.pac.evaluator import main; main()"


class RootTests(NamespaceCase):
    """Giving up root, where there is any."""

    def test_nobody(self) -> None:
        """Root becomes a user that owns nothing, in no group, and cannot come back."""
        need_another_user()

        def given_up() -> str:
            evaluator.give_up_root()
            evaluator.give_up_root()  # who is not root has nothing to give up
            with open("/proc/self/status") as status:
                return " ".join(" ".join(line.split()) for line in status if line[:3] in ("Uid", "Gid", "Gro", "Cap"))

        everything = in_child(given_up)
        self.assertIn("Uid: 65534 65534 65534 65534 Gid: 65534 65534 65534 65534 Groups: Cap", everything)
        self.assertIn("CapPrm: 0000000000000000 CapEff: 0000000000000000", everything)

    def test_nobody_else(self) -> None:
        """If root cannot become anybody else, nothing is evaluated."""

        def refuse(groups: list[int]) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        self.patch(os, "geteuid", lambda: 0)
        self.patch(os, "setgroups", refuse)
        self.assertIn("not evaluated as root", str(self.assertRaises(evaluator.Refused, evaluator.give_up_root)))
