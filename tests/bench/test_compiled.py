"""The bench's programs in C."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from bench.compiled import program
from iphttps.lab.errors import LabError

NAMES = ("sessions", "light_clients", "udp_singles")


class ProgramTests(SynchronousTestCase):
    """Compiling, and what is said where it cannot be done."""

    def test_compiled(self) -> None:
        """Each of them compiles, and says how it is called when it is called wrongly."""
        if not shutil.which("gcc") or not Path("/usr/include/openssl/ssl.h").exists():
            raise SkipTest("gcc or OpenSSL's headers are missing")
        with TemporaryDirectory() as directory:
            for name in NAMES:
                done = subprocess.run([program(name, Path(directory))], capture_output=True, text=True, check=False)
                self.assertEqual(2, done.returncode, name)
                self.assertIn(f"usage: {name} ", done.stderr)

    def test_no_compiler(self) -> None:
        """Without a compiler a sentence says what to do."""
        with TemporaryDirectory() as directory, patch.dict("os.environ", PATH=directory):
            error = self.assertRaises(LabError, program, "sessions", Path(directory))
        self.assertEqual("gcc is not found: `tools/setup programs bench` as root installs it.", str(error))

    def test_error(self) -> None:
        """A sentence has the compiler's first line, such as that of a header that is missing."""
        if not shutil.which("gcc"):
            raise SkipTest("gcc is missing")
        with TemporaryDirectory() as directory:
            error = self.assertRaises(LabError, program, "missing", Path(directory))
        self.assertIn("missing.c cannot be compiled (", str(error))
        self.assertIn("tools/setup programs bench", str(error))
