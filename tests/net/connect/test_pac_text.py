"""The text encoding of a proxy auto-configuration file."""

from __future__ import annotations

import codecs

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.connect.pac_text import text_of

PROGRAM = "// настройка\r\nfunction FindProxyForURL(url, host) { return 'DIRECT'; }\n"


class TextTests(SynchronousTestCase):
    """`text_of`."""

    def test_marks(self) -> None:
        """A byte order mark says what follows, whatever the server says."""
        for codec, mark in (
            ("utf-8", codecs.BOM_UTF8),
            ("utf-16-le", codecs.BOM_UTF16_LE),
            ("utf-16-be", codecs.BOM_UTF16_BE),
            ("utf-32-le", codecs.BOM_UTF32_LE),
            ("utf-32-be", codecs.BOM_UTF32_BE),
        ):
            for charset in ("", "iso-8859-1", "utf-16"):
                self.assertEqual(text_of(mark + PROGRAM.encode(codec), charset), PROGRAM, codec)

    def test_without_mark(self) -> None:
        """UTF-16 tells itself from others by its zeros; UTF-8 is told by being valid."""
        for codec in ("utf-16-le", "utf-16-be", "utf-8"):
            for charset in ("", codec, "windows-1251", "no-such"):
                self.assertEqual(text_of(PROGRAM.encode(codec), charset), PROGRAM, codec)

    def test_charset(self) -> None:
        """Anything else is what the server says, in any spelling, and Latin-1 if it says nothing that is known."""
        for codec, charset in (
            ("cp1251", "windows-1251"),
            ("cp1251", " Windows-1251 "),
            ("cp1251", "CP1251"),
            ("koi8-r", "KOI8-R"),
            ("iso8859-5", "ISO-8859-5"),
        ):
            self.assertEqual(text_of(PROGRAM.encode(codec), charset), PROGRAM, charset)
        self.assertEqual(text_of("日本".encode("shift_jis"), "Shift_JIS"), "日本")
        for charset in ("", "utf-8", "iso-8859-1", "rot13", "unicode_escape", "idna", "../x", "undefined"):
            self.assertEqual(text_of(b"\xe9\\n", charset), "é\\n", charset)

    def test_padding(self) -> None:
        """Zeros and an end-of-file mark at the end are none of the program's."""
        for content in (b"xy\0\0", b"xy\x1a", "xy\0".encode("utf-16")):
            self.assertEqual(text_of(content), "xy")

    @given(st.binary(max_size=40), st.sampled_from(["", "utf-16", "gb18030", "euc-kr", "cp1250"]))
    def test_anything(self, content: bytes, charset: str) -> None:
        """All bytes are some text."""
        text_of(content, charset)
