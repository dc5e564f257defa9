"""The changes of the host's network that matter."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.watch.path_watch import ANYWHERE, PathWatch
from iphttps.host.kernel.paths import Path

UPLINK = Path(2, "192.0.2.1", "192.0.2.2")
ANOTHER = Path(3, "198.51.100.1", "198.51.100.2")
SERVER = "203.0.113.7"


class PathWatchTests(SynchronousTestCase):
    """A host whose paths a test sets; every other destination has none."""

    def setUp(self) -> None:
        """Begin with a server that has been resolved."""
        self.paths: dict[str, Path | None] = {SERVER: UPLINK}
        self.asked: list[tuple[str, str | None]] = []
        self.broken = False
        self.watch = PathWatch("iphttps0", self.find)
        self.watch.resolved("vpn.example.org", [SERVER])

    def find(self, addresses: Sequence[str], tunnel: str, outside: str | None) -> Mapping[str, Path | None]:
        """Return the paths there are."""
        if self.broken:
            raise OSError(errno.EMFILE, "Too many open files")
        self.asked.append((tunnel, outside))
        return {address: self.paths.get(address) for address in addresses}

    def test_unrelated(self) -> None:
        """Paths to other destinations do not matter, nor do those that stay as they are."""
        for _ in range(3):
            self.paths["192.0.2.99"] = ANOTHER
            self.assertFalse(self.watch.changed())
        self.assertEqual(("iphttps0", None), self.asked[-1])

    def test_path(self) -> None:
        """Another gateway, interface or source address matters, once; so does the loss of the route."""
        for path in (ANOTHER, Path(3, "198.51.100.9", "198.51.100.2"), Path(3, "198.51.100.9", "198.51.100.3"), None):
            self.paths[SERVER] = path
            self.assertEqual([True, False], [self.watch.changed("eth0"), self.watch.changed("eth0")])
        self.assertEqual(("iphttps0", "eth0"), self.asked[-1])

    def test_unresolved(self) -> None:
        """As long as a name has not been resolved, a default route matters."""
        self.watch.resolved("another.example.org", [])
        self.paths[ANYWHERE[0]] = UPLINK
        self.assertTrue(self.watch.changed())
        self.assertFalse(self.watch.changed())

    def test_resolved_again(self) -> None:
        """An address counts from the attempt on for which its name was resolved."""
        self.paths["203.0.113.8"] = ANOTHER
        self.watch.resolved("vpn.example.org", ["203.0.113.8"])
        self.assertFalse(self.watch.changed())
        self.paths["203.0.113.8"] = UPLINK
        self.assertTrue(self.watch.changed())

    def test_forgotten(self) -> None:
        """After a change only default routes matter until names are resolved again."""
        self.watch.forget()
        self.paths[SERVER] = ANOTHER
        self.assertFalse(self.watch.changed())
        self.paths[ANYWHERE[1]] = UPLINK
        self.assertTrue(self.watch.changed())

    def test_unknown(self) -> None:
        """If the kernel cannot be asked, a change counts as one that matters."""
        self.broken = True
        self.assertTrue(self.watch.changed())
        self.broken = False
        self.assertFalse(self.watch.changed())
