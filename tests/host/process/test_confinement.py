"""The abilities of a confined process."""

from __future__ import annotations

import encodings.idna  # noqa: F401  # for look-ups, as in the child: nothing of Python's can be read once confined
import os
import socket
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.host.process import confinement
from iphttps.host.process.confinement import confine

from ..support import in_child


def _outcome(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as error:
        return os.strerror(error.errno or 0)
    return "done"


class ConfinementTests(SynchronousTestCase):
    """`confine`, on this kernel."""

    def test_confined(self) -> None:
        """A key that the user may read cannot be opened, nor can a server be reached; names are resolved."""
        key = Path(self.mktemp()).absolute()
        key.write_text("key")
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)

        def tried() -> list[str]:
            if not confine():
                return ["no Landlock"]
            return [
                _outcome(key.read_text),
                _outcome(lambda: key.write_text("x")),
                _outcome(lambda: os.listdir(key.parent)),
                _outcome(lambda: Path("/proc/self/environ").read_bytes()),
                _outcome(lambda: os.execv("/bin/true", ["true"])),
                _outcome(lambda: socket.create_connection(listening.getsockname())),
                _outcome(lambda: socket.create_server(("127.0.0.1", 0))),
                _outcome(Path("/etc/hosts").read_text),
                _outcome(lambda: socket.getaddrinfo("localhost", None)),
            ]

        found = in_child(tried)
        if found == ["no Landlock"]:
            raise SkipTest("This kernel has no Landlock.")
        self.assertEqual(found[:5], ["Permission denied"] * 5)
        version = confinement._libc.syscall(444, None, 0, 1)
        self.assertEqual(found[5:7], ["Permission denied" if version >= 4 else "done"] * 2)
        self.assertEqual(found[7:], ["done", "done"])
        self.assertEqual(key.read_text(), "key")

    def test_versions(self) -> None:
        """Each version of Landlock is asked for what it knows, and not for more (landlock(7))."""
        expected = {1: (0x1FFF, 0, 0), 2: (0x3FFF, 0, 0), 3: (0x7FFF, 0, 0), 4: (0x7FFF, 3, 0), 5: (0xFFFF, 3, 0)}
        for version, rights in (*expected.items(), (6, (0xFFFF, 3, 3)), (9, (0xFFFF, 3, 3))):
            self.assertEqual(confinement._rights(version), rights)

    def test_kernel_without(self) -> None:
        """A kernel without Landlock is told, and changes nothing."""

        class Without:
            def syscall(self, *_: object) -> int:
                return -1

        self.patch(confinement, "_libc", Without())
        self.assertFalse(confine())
