"""Configurations made of the commented examples."""

from __future__ import annotations

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config.config_templates import Value, configuration, example

ROOT = Path(__file__).parents[3]
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class WrittenTests(SynchronousTestCase):
    """What commands write."""

    def test_examples(self) -> None:
        """The examples that are installed are those in etc/."""
        for role in ("server", "client", "sstp-client"):
            self.assertEqual((ROOT / "etc" / f"{role}.toml").read_text(), example(role))

    def test_nothing(self) -> None:
        """Without values every key stands commented out, those too that the example sets."""
        for role in ("server", "client", "sstp-client"):
            text = configuration(role, "/etc/x.toml", {})
            self.assertEqual({}, tomllib.loads(text))
            self.assertEqual(example(role).count("\n"), text.count("\n"))
            self.assertIn("--config /etc/x.toml", text.splitlines()[0])

    @given(TEXT, st.lists(TEXT, max_size=3), st.booleans())
    def test_values(self, text: str, several: list[str], flag: bool) -> None:
        """Whatever a value is, it is read as it was given, and nothing else is."""
        values: dict[str, Value] = {"interface": text, "route": several, "default-router": flag}
        self.assertEqual(values, tomllib.loads(configuration("server", "/etc/x.toml", values)))

    def test_unknown(self) -> None:
        """A key that the example lacks is a bug, which is not written."""
        self.assertRaises(ValueError, configuration, "server", "/etc/x.toml", {"colour": "red"})
