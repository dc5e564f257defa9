"""Tests for iphttps.app.users.editing."""

from __future__ import annotations

import os
import stat
import threading
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.users import editing
from iphttps.app.users.editing import add, remove, set_password
from iphttps.app.users.users_file import User, read, wrong_name
from iphttps.core.errors import ConfigError
from iphttps.core.sstp.ppp.mschapv2 import nt_password_hash
from iphttps.pki import atomic_files

OLD, NEW = (f'nt-hash = "{nt_password_hash(password).hex()}"' for password in ("old", "new"))
EXAMPLE = f"""\
# Ours.
[alice]  # in sales
{OLD}
address = "10.99.0.7"
# On leave until May.

# Theirs.
["bob@example.org"]
disabled = true
password = 'old'

[carol]
{OLD}
"""


class EditingTests(SynchronousTestCase):
    """Changes, by what they leave of the text."""

    def setUp(self) -> None:
        """Write the example."""
        self.path = Path(self.mktemp()).absolute()
        self.write(EXAMPLE)

    def write(self, text: str) -> None:
        """Write a file."""
        self.path.write_text(text)
        self.path.chmod(0o600)

    def test_add(self) -> None:
        """A new user stands at the end; the rest is as it was."""
        add(self.path, "dave", "new", IPv4Address("10.99.0.8"), IPv6Address("2001:db8::8"))
        added = f'\n[dave]\n{NEW}\naddress = "10.99.0.8"\naddress6 = "2001:db8::8"\n'
        self.assertEqual(EXAMPLE + added, self.path.read_text())

    def test_first(self) -> None:
        """A missing file is made, of mode 0600 whatever the umask is."""
        self.addCleanup(os.umask, os.umask(0))
        self.path.unlink()
        add(self.path, "alice", "new")
        self.assertEqual(f"[alice]\n{NEW}\n", self.path.read_text())
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))

    def test_set_password(self) -> None:
        """A new password takes the place of the old one, in whichever form that was."""
        set_password(self.path, "ALICE", "new")
        expected = EXAMPLE.replace(OLD, NEW, 1)
        self.assertEqual(expected, self.path.read_text())
        set_password(self.path, "bob@example.org", "new")
        self.assertEqual(expected.replace("password = 'old'", NEW), self.path.read_text())

    def test_remove(self) -> None:
        """A user's table goes; the comments before it, and before the next, stay."""
        remove(self.path, "Alice")
        first = EXAMPLE.index("[alice]")
        self.assertEqual(EXAMPLE[:first] + EXAMPLE[EXAMPLE.index("# On leave") :], self.path.read_text())
        remove(self.path, "carol")
        remove(self.path, "bob@example.org")
        self.assertEqual("# Ours.\n# On leave until May.\n\n# Theirs.\n", self.path.read_text())

    def test_mode(self) -> None:
        """The file keeps its owner, and nobody else can read it; a mode that lets others is said first."""
        set_password(self.path, "alice", "new")
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))
        self.path.chmod(0o644)
        for act in (
            lambda: add(self.path, "dave", "new"),
            lambda: remove(self.path, "alice"),
            lambda: set_password(self.path, "alice", "x"),
        ):
            self.assertIn("run `chmod 0600", str(self.assertRaises(ConfigError, act)))

    def test_owner(self) -> None:
        """If root changes the file of the daemons' user, it stays that user's."""
        if os.geteuid() != 0:
            return
        os.chown(self.path, 12345, 23456)
        set_password(self.path, "alice", "new")
        about = self.path.stat()
        self.assertEqual((12345, 23456, 0o600), (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)))

    def test_refused(self) -> None:
        """Nothing changes for a user who is there already, or is not, or a name or password that cannot be."""
        for act, sentence in (
            (lambda: add(self.path, "Alice", "new"), "already has a user alice"),
            (lambda: add(self.path, " x", "new"), "' x' is not a user name: it must consist"),
            (lambda: add(self.path, "x", ""), "not a password: it must not be empty"),
            (lambda: set_password(self.path, "alice", "x" * 257), "it must have at most 256 characters"),
            (lambda: set_password(self.path, "dave", "new"), "has no user dave: `iphttps users list`"),
            (lambda: remove(self.path, "dave"), "has no user dave"),
        ):
            self.assertIn(sentence, str(self.assertRaises(ConfigError, act)))
            self.assertEqual(EXAMPLE, self.path.read_text())
        self.path.unlink()
        self.assertIn(
            "`iphttps users add NAME` creates it", str(self.assertRaises(ConfigError, remove, self.path, "a"))
        )
        self.assertFalse(self.path.exists())

    def test_by_hand(self) -> None:
        """A file written in another way is left alone, if the change would not do what it should."""
        inline = f"alice = {{{OLD}}}\n[bob]\n{OLD}\n"
        digits = nt_password_hash("old").hex()
        several = f'[alice]\nnt-hash = """\\\n{digits}"""\n[bob]\n{OLD}\n'
        for text in (inline, several):
            self.write(text)
            error = self.assertRaises(ConfigError, set_password, self.path, "alice", "new")
            self.assertIn("change it by hand", str(error))
            self.assertEqual(text, self.path.read_text())
            set_password(self.path, "bob", "new")
        self.write(inline)
        remove(self.path, "alice")
        self.assertEqual(f"[bob]\n{OLD}\n", self.path.read_text())

    def test_crash(self) -> None:
        """If the new file cannot be written, the old one is there."""

        def failing(path: Path, content: bytes, mode: int = 0) -> None:
            raise ConfigError("no space")

        self.patch(atomic_files, "write", failing)
        self.assertRaises(ConfigError, remove, self.path, "alice")
        self.assertEqual(EXAMPLE, self.path.read_text())

    def test_cannot_open(self) -> None:
        """A file that cannot be locked is an error with a sentence."""

        def failing(path: Path) -> int:
            raise PermissionError(13, "Permission denied")

        self.patch(editing, "_lock", failing)
        error = self.assertRaises(ConfigError, remove, self.path, "alice")
        self.assertEqual(f"cannot open {self.path}: Permission denied", str(error))

    def test_at_once(self) -> None:
        """Commands at the same time do not undo each other's change."""
        names = [f"user{number}" for number in range(12)]
        threads = [threading.Thread(target=add, args=(self.path, name, "new")) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({"alice", "bob@example.org", "carol", *names}, {user.name for user in read(self.path)})

    @given(st.text(min_size=1, max_size=20).filter(lambda name: not wrong_name(name)), st.text(min_size=1, max_size=20))
    def test_any(self, name: str, password: str) -> None:
        """Any name and password can be added, and the user removed again."""
        if name.casefold() in ("alice", "bob@example.org", "carol"):
            return
        self.write(EXAMPLE)
        add(self.path, name, password)
        self.assertEqual(User(name, nt_password_hash(password)), list(read(self.path))[-1])
        remove(self.path, name)
        self.assertEqual(EXAMPLE.rstrip("\n"), self.path.read_text().rstrip("\n"))
