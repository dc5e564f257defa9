"""`iphttps cleanup`: what it puts back, and what it leaves alone."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from iphttps.app.cli.entry import main
from iphttps.app.daemon.service import note_beside
from iphttps.host.kernel.undo import CONF, Note
from iphttps.host.process.unix import PrivateSocket

from ....host.support import NamespaceCase, setting


class CleanupTests(NamespaceCase):
    """A host on which a server ran."""

    def setUp(self) -> None:
        """Make a place for its socket."""
        super().setUp()
        directory = Path(self.mktemp())
        directory.mkdir()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(directory)  # the test's own directory may lie too deep for a socket's path
        self.control = Path("server-main.sock")
        self.note = note_beside(self.control)

    def cleanup(self) -> tuple[int, str]:
        """Run the command; return its exit status and what it said."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main(["cleanup", "--control", str(self.control)])
        return status, said.getvalue()

    def test_killed(self) -> None:
        """After a server that was killed, forwarding is put back, and its socket removed."""
        PrivateSocket(self.control).listening.close()
        Note(self.note).write({CONF / "all" / "forwarding": "0"})
        setting("all", "forwarding", 1)
        status, said = self.cleanup()
        self.assertEqual((0, "and Router Advertisements\n"), (status, said[-26:]))
        self.assertEqual((0, []), (setting("all", "forwarding"), os.listdir()))

    def test_nothing_to_do(self) -> None:
        """After an orderly end there is nothing to do, and nothing is said; so often as one likes."""
        self.assertEqual((0, ""), self.cleanup())
        self.assertEqual((0, ""), self.cleanup())

    def test_running(self) -> None:
        """A daemon that runs is left alone."""
        private = PrivateSocket(self.control)
        self.addCleanup(private.close)
        Note(self.note).write({CONF / "all" / "forwarding": "0"})
        setting("all", "forwarding", 1)
        status, said = self.cleanup()
        self.assertEqual((1, 1), (status, setting("all", "forwarding")))
        self.assertIn("is running: it restores everything itself when it is stopped", said)

    def test_something_else(self) -> None:
        """A file that is not a socket or not a note is rejected in one sentence."""
        self.control.write_text("precious")
        status, said = self.cleanup()
        self.assertEqual((1, 1), (status, said.count("\n")))
        self.assertIn("is not a socket", said)
        self.control.unlink()
        self.note.write_text("precious")
        status, said = self.cleanup()
        self.assertEqual((1, 1), (status, said.count("\n")))
        self.assertIn("of another version of iphttps", said)
