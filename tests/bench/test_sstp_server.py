"""Installing sstp-server, which is measured without PPP."""

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from bench.peers import sstp_server


class InstalledTests(SynchronousTestCase):
    """The sentence for a host on which the package cannot be installed."""

    def test_no_python(self) -> None:
        """Without Python 3.12 or later a sentence says that it is left out, why, and what to do."""
        said: list[str] = []
        with (
            patch.object(sstp_server, "say", said.append),
            patch.object(sstp_server, "found_python", lambda: None),
            sstp_server.installed() as python,
        ):
            self.assertIsNone(python)
        self.assertEqual(1, len(said))
        self.assertIn("left out: it takes Python 3.12 or later", said[0])
        self.assertIn("install one", said[0])

    def test_no_registry(self) -> None:
        """If a command fails, a sentence has it and its last line."""
        said: list[str] = []
        with (
            patch.object(sstp_server, "say", said.append),
            patch.object(sstp_server, "found_python", lambda: "false"),
            sstp_server.installed() as python,
        ):
            self.assertIsNone(python)
        self.assertEqual(1, len(said))
        self.assertIn("`false -m venv", said[0])
