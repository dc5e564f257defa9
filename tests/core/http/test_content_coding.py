"""The decoding of a file's content coding."""

from __future__ import annotations

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DiscoveryError
from iphttps.core.http.content_coding import decode

FILE = b"function FindProxyForURL() { return 'DIRECT'; }"
PACKED = gzip.compress(FILE)
ZLIB = zlib.compress(FILE)


class CodingTests(SynchronousTestCase):
    """`decode`."""

    def refused(self, body: bytes, field: str = "", maximum: int = 1000) -> str:
        """Return why there is no file."""
        return str(self.assertRaises(DiscoveryError, decode, body, field, maximum))

    def test_undone(self) -> None:
        """The file comes out, also where what is said of it is wrong or missing."""
        for body, field in (
            (FILE, ""),
            (FILE, "identity"),
            (FILE, "gzip"),
            (FILE, "deflate"),
            (FILE, "utf-8"),
            (PACKED, "gzip"),
            (PACKED, "GZip"),
            (PACKED, "x-gzip"),
            (PACKED, ""),
            (PACKED + b"more", "gzip"),
            (gzip.compress(PACKED), "gzip, gzip"),
            (ZLIB, "deflate"),
            (ZLIB[2:-4], "deflate"),
            (gzip.compress(ZLIB), "deflate, gzip"),
        ):
            self.assertEqual(decode(body, field, 1000), FILE, field)

    def test_refused(self) -> None:
        """Unknown, truncated or too large encoded content is rejected in a sentence."""
        for coding in ("br", "zstd", "compress"):
            self.assertIn(f"compresses it with {coding}", self.refused(b"x", coding))
        self.assertIn("4 times", self.refused(b"x", "gzip,gzip,gzip,gzip"))
        self.assertIn("cut off", self.refused(PACKED[:-9], "gzip"))
        self.assertIn("cut off", self.refused(ZLIB[:-9], "deflate"))
        self.assertIn("damaged", self.refused(b"\x1f\x8bnothing", "gzip"))
        for bomb, field in ((gzip.compress(b"x" * 10**6), "gzip"), (zlib.compress(b"x" * 10**6), "deflate")):
            self.assertIn("larger than 1000", self.refused(bomb, field))

    @given(st.binary(max_size=40), st.sampled_from(["", "gzip", "deflate", "deflate, gzip", "br"]))
    def test_anything(self, body: bytes, field: str) -> None:
        """Any input gives a file or a DiscoveryError."""
        for content in (body, b"\x1f\x8b\x08" + body):
            try:
                decode(content, field, 100)
            except DiscoveryError as error:
                self.assertTrue(str(error).isprintable())
