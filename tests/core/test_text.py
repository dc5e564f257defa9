"""Tests for iphttps.core.text."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.text import text_of, without_mark

WORDS = 'uri = "M\u00fcnchen"\r\n'
WRITTEN = (
    WORDS.encode("utf-8"),
    BOM_UTF8 + WORDS.encode("utf-8"),
    BOM_UTF16_LE + WORDS.encode("utf-16-le"),
    BOM_UTF16_BE + WORDS.encode("utf-16-be"),
)


class TextTests(SynchronousTestCase):
    """Byte order marks."""

    def test_marks(self) -> None:
        """UTF-8 with and without a mark and UTF-16 of both orders are the same text."""
        for content in WRITTEN:
            self.assertEqual(WORDS, text_of(content))
            self.assertEqual(WORDS.encode("utf-8"), without_mark(content))

    def test_neither(self) -> None:
        """Latin-1, and UTF-16 that is cut off, are no text; as bytes they stay as they are."""
        for content in (b"M\xfcnchen", BOM_UTF16_LE + b"a", BOM_UTF16_BE + b"a", BOM_UTF8 + b"\xfc"):
            self.assertRaises(UnicodeDecodeError, text_of, content)
            self.assertEqual(content, without_mark(content))

    def test_binary(self) -> None:
        """DER begins with no mark."""
        self.assertEqual(b"0\x82\xff\xfe", without_mark(b"0\x82\xff\xfe"))
