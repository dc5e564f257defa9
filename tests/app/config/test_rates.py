"""Maximum rates as options and files have them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from iphttps.app.config.rates import WANTED, Rate, max_rate, written
from iphttps.app.config.server_options import Options
from iphttps.core.errors import ConfigError
from iphttps.core.queues.rate import MaxRate

from ..support import AppCase


class RateTests(AppCase):
    """A rate in bit/s, with decimal units."""

    def test_units(self) -> None:
        """Units are decimal, and may be in either case; 0 is no limit."""
        for text, bits in (
            ("20M", 20_000_000),
            ("1.5G", 1_500_000_000),
            ("1.5g", 1_500_000_000),
            ("100k", 100_000),
            ("100K", 100_000),
            ("2000000", 2_000_000),
            ("0.7M", 700_000),
            ("1T", 10**12),
            ("0", 0),
            ("0M", 0),
            (3_000_000, 3_000_000),
            (2.5e6, 2_500_000),
        ):
            self.assertEqual(MaxRate(bits, bits), max_rate(text), text)

    def test_wrong(self) -> None:
        """Anything else is not a rate, also one that is too low to be meant, such as 20 for 20M."""
        wrong: list[object] = ["", "20", "99.9k", "1.1T", "M", "-20M", "20 M", "20MB", "2e7", "1.M", "٢M", "9" * 5000]
        for value in [*wrong, True, [], 20, 10**5000]:
            self.assertRaises(ValueError, max_rate, value)

    @given(st.integers(100_000, 10**12))
    def test_written(self, bits: int) -> None:
        """A rate as written is read as the same rate."""
        self.assertEqual(MaxRate(bits, bits), max_rate(written(bits)))

    def test_short(self) -> None:
        """A round rate is written with a unit."""
        self.assertEqual(
            ["20M", "1.5G", "1T", "250k", "1234567", "0"],
            [written(bits) for bits in (20_000_000, 1_500_000_000, 10**12, 250_000, 1_234_567, 0)],
        )

    def test_file(self) -> None:
        """A file has a string or a number."""
        rate = Rate()
        self.assertEqual(["20M", "0", "1500000", ""], [rate.taken(value) for value in ("20M", 0, 1_500_000, "")])
        wrong: list[object] = [True, [], None, 10**5000]
        for value in wrong:
            self.assertRaises(TypeError, rate.taken, value)

    def test_option(self) -> None:
        """The error names the option and what is right."""
        error = self.assertRaises(ConfigError, Rate().parse, "max-rate", "20", Path)
        self.assertEqual(f"--max-rate takes {WANTED}, not '20'", str(error))

    def test_default(self) -> None:
        """Without the option there is no limit."""
        options = Options()
        self.assertEqual(MaxRate(), options.value("max-rate"))
        options["max-rate"] = "1.5G"
        self.assertEqual(MaxRate(1_500_000_000, 1_500_000_000), options.value("max-rate"))
