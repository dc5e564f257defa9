"""The error codes of Windows for failures of an SSTP client."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.control.windows_codes import NAMES, name, vpn_code

ROOT = Path(__file__).parents[3]
_CODE = re.compile(r'"(0x[0-9A-F]{4,8}|[67][0-9]{2}|919)"')
_SOURCES = ("net/explain.py", "pki/verification.py", "core/sstp/client_call.py", "core/sstp/ppp/client.py")


class CodeTests(SynchronousTestCase):
    """The form and the names of the codes."""

    def test_form(self) -> None:
        """Codes of the network stack become HRESULTs, those of RAS stay decimal."""
        for code, shown in (
            ("691", "691"),
            ("0x2746", "0x80072746"),
            ("0x274C", "0x8007274C"),
            ("0x90320", "0x00090320"),
            ("0x800B0109", "0x800B0109"),
        ):
            self.assertEqual(shown, vpn_code(code))

    def test_names(self) -> None:
        """A code has a name; one that is not in the table has none, and the table is sorted."""
        self.assertEqual("ERROR_AUTHENTICATION_FAILURE", name("691"))
        self.assertIsNone(name("1"))
        self.assertEqual(sorted(NAMES, key=lambda code: (code.startswith("0x"), code)), list(NAMES))

    def test_document(self) -> None:
        """docs/sstp.md explains each, and no other."""
        text = (ROOT / "docs" / "sstp.md").read_text()
        table = text[text.index("### Failures and error codes") : text.index("## Other clients on Linux")]
        self.assertEqual(NAMES.keys(), set(re.findall(r"\b(0x[0-9A-F]{8}|[679][0-9]{2})\b", table)))

    def test_every_code(self) -> None:
        """Every code that a failure of the client can have is in the table."""
        found = {
            vpn_code(code)
            for source in _SOURCES
            if (path := ROOT / "iphttps" / source).exists()
            for code in _CODE.findall(path.read_text())
        }
        self.assertIn("0x8007274C", found)
        self.assertEqual(set(), found - NAMES.keys())
