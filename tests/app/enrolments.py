"""A machine's places beneath a directory, and the commands that write to them."""

from __future__ import annotations

import re
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.cli.entry import main
from iphttps.app.instances.paths import Places
from iphttps.pki.authority.store import Authority

HOST = "vpn.example.org"


class EnrolmentCase(SynchronousTestCase):
    """A gateway and a client, each with a root of its own; keys are of the kind that is quickly made."""

    def setUp(self) -> None:
        """Make the directories."""
        self.directory = Path(self.mktemp()).absolute()
        self.gateway, self.laptop = (Places(self.directory / name) for name in ("gateway", "laptop"))
        for places in (self.gateway, self.laptop):
            places.root.mkdir(parents=True)

    def command(self, *words: str | Path) -> tuple[int, str, str]:
        """Give a command; return its exit status and what it said on standard output and standard error."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(list(map(str, words)))
        return status, out.getvalue(), err.getvalue()

    def good(self, *words: str | Path) -> str:
        """Give a command that must succeed; return what it said."""
        status, out, err = self.command(*words)
        self.assertEqual((0, ""), (status, err))
        return out

    def bad(self, *words: str | Path, status: int = 1) -> str:
        """Give a command that must fail; return its sentence."""
        found, _, err = self.command(*words)
        self.assertEqual((status, 1), (found, err.count("\n")), err)
        self.assertTrue(err.startswith("iphttps: "))
        return err[len("iphttps: ") : -1]

    def setup_words(self, *more: str) -> tuple[str, ...]:
        """Return the command that sets the gateway up."""
        return ("setup", "--name", HOST, "--key", "ecdsa", "--root", str(self.gateway.root), *more)

    def enrol(self, name: str, *more: str | Path) -> tuple[Path, Path]:
        """Enrol a client; return the file, and one with its passphrase."""
        words = ("--key", "ecdsa", "--root", self.gateway.root, "--out", self.directory)
        said = self.good("enrol", name, *words, *more)
        (path,) = re.findall(r"^wrote (.*), certificate valid until \d{4}-\d\d-\d\d$", said, re.MULTILINE)
        (passphrase,) = re.findall(r"^passphrase: (.*)$", said, re.MULTILINE)
        secret = self.directory / f"passphrase-{len(list(self.directory.iterdir()))}"
        secret.write_text(passphrase + "\n")
        return Path(path), secret

    def join_words(self, path: Path, secret: Path, *more: str | Path) -> tuple[str | Path, ...]:
        """Return the command that joins."""
        return ("join", path, "--passphrase-file", secret, "--root", self.laptop.root, *more)

    @property
    def authority(self) -> Authority:
        """The gateway's authority."""
        return Authority.open(self.gateway.authority)

    @property
    def server_authority(self) -> Authority:
        """The one that the gateway's clients trust."""
        return Authority.open(self.gateway.server_authority)

    def everything(self, places: Places) -> dict[str, tuple[int, bytes]]:
        """Return all files beneath a root, with modes and contents."""
        return {
            str(path.relative_to(places.root)): (path.stat().st_mode & 0o777, path.read_bytes())
            for path in places.root.rglob("*")
            if path.is_file()
        }
