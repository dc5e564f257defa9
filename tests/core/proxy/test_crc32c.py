"""Tests for iphttps.core.proxy.crc32c, by the examples of RFC 3720 appendix B.4."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.proxy.crc32c import crc32c

# An iSCSI SCSI Read (10) command.
READ = bytes.fromhex(
    "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000"
)


class ExampleTests(SynchronousTestCase):
    """The published test vectors, in iSCSI's byte order, least significant byte first."""

    def test_examples(self) -> None:
        """The checksums are those of the examples."""
        for data, expected in (
            (bytes(32), "aa36918a"),
            (b"\xff" * 32, "43aba862"),
            (bytes(range(32)), "4e79dd46"),
            (bytes(reversed(range(32))), "5cdb3f11"),
            (READ, "563a96d9"),
            (b"", "00000000"),
            (b"123456789", "839206e3"),  # the usual check value of such a checksum
        ):
            self.assertEqual(expected, crc32c(data).to_bytes(4, "little").hex())
