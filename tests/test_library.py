"""docs/library.md: the modules that it names are public, and say which of their names are."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent


def named() -> set[tuple[str, str]]:
    """Return each module that the page names, and the class or function in it, empty where the module stands alone."""
    page = (ROOT / "docs" / "library.md").read_text()
    found = set()
    for dotted in re.findall(r"`((?:core|pki|net|host)(?:\.\w+)+)`", page):
        alone = (ROOT / "iphttps" / f"{dotted.replace('.', '/')}.py").is_file()
        module, _, name = (dotted, "", "") if alone else dotted.rpartition(".")
        found.add((module, name))
    return found


class PublicTests(SynchronousTestCase):
    """The public modules."""

    def test_all(self) -> None:
        """Each has `__all__` with what the page names in it, and everything in it exists."""
        self.assertGreater(len(named()), 10)
        for name, wanted in sorted(named()):
            module = import_module(f"iphttps.{name}")
            self.assertTrue(module.__all__, name)
            self.assertLessEqual({wanted} - {""}, set(module.__all__), name)
            for public in module.__all__:
                self.assertTrue(hasattr(module, public), f"{name}.{public}")
