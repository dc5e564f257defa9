"""Tests for iphttps.app.users.users_file."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config.rates import WANTED
from iphttps.app.config.tomlfile import Problem
from iphttps.app.users.users_file import User, UserChanges, UsersFile, parse, read
from iphttps.core.errors import ConfigError
from iphttps.core.queues.rate import MaxRate
from iphttps.core.sstp.ppp.mschapv2 import nt_password_hash
from iphttps.core.sstp.ppp.user_names import candidates

SECRET = nt_password_hash("secret")
HASH = f'nt-hash = "{SECRET.hex()}"'
EXAMPLE = f"""\
# The users of example.org.
[alice]
{HASH}
address = "10.99.0.7"

["bob@example.org"]
password = "secret"
address6 = "2001:db8:3::7"
disabled = true
"""


class ParseTests(SynchronousTestCase):
    """The users in a file."""

    def parse(self, text: str) -> list[User]:
        """Return the users in a text."""
        return list(parse(Path("users.toml"), text.encode()))

    def test_users(self) -> None:
        """A user has an NT hash or a password, and may have addresses or be disabled."""
        alice = User("alice", SECRET, False, IPv4Address("10.99.0.7"))
        bob = User("bob@example.org", SECRET, True, None, IPv6Address("2001:db8:3::7"), True)
        self.assertEqual([alice, bob], self.parse(EXAMPLE))
        self.assertEqual([], self.parse("# nobody\n"))
        for written, rate in (("'20M'", 20_000_000), ("0", 0), ("1500000", 1_500_000)):
            (user,) = self.parse(f"[a]\n{HASH}\nmax-rate = {written}")
            self.assertEqual(MaxRate(rate, rate), user.max_rate)
        self.assertEqual([User("a", SECRET)], self.parse(f"[a]\n{HASH.upper().replace('NT-HASH', 'nt-hash')}"))

    def test_marked(self) -> None:
        """An editor may have put a mark before the text, or written UTF-16."""
        for coding in ("utf-8-sig", "utf-16"):
            found = parse(Path("x"), EXAMPLE.encode(coding))
            self.assertEqual(["alice", "bob@example.org"], [user.name for user in found])

    def test_find(self) -> None:
        """A user is found by each form of the name that Windows sends, in upper or lower case."""
        users = parse(Path("x"), EXAMPLE.encode())
        for sent, expected in (
            (b"alice", "alice"),
            (b"ALICE", "alice"),
            (b"EXAMPLE\\alice", "alice"),
            (b"alice@example.org", "alice"),
            (b"EXAMPLE\\alice@example.org", "alice"),
            (b"Bob@Example.org", "bob@example.org"),
            (b"bob", None),
            (b"bob@example.net", None),
            (b"", None),
            (b"\xff", None),
        ):
            found = users.find(candidates(sent))
            self.assertEqual(expected, found and found.name, sent)

    def test_most_specific(self) -> None:
        """If alice and alice@example.org are two users, each is found by the whole name."""
        users = parse(Path("x"), f'[alice]\n{HASH}\n["alice@example.org"]\npassword = "other"\n'.encode())
        for sent in ("alice@example.org", "alice@example.net"):
            found = users.find(candidates(sent.encode()))
            assert found is not None
            self.assertEqual("alice@example.org" if sent.endswith("org") else "alice", found.name)

    def test_secret(self) -> None:
        """The text form of a user has no secret."""
        self.assertNotIn(SECRET.hex(), repr(self.parse(EXAMPLE)).lower())
        self.assertNotIn(repr(SECRET), repr(self.parse(EXAMPLE)))

    def test_mistakes(self) -> None:
        """An error names the file, the line, the user and the key, and what is right; never a secret."""
        both = "it must have either nt-hash or password: `iphttps users passwd a` sets a new password"
        hexadecimal = "nt-hash must be a string of 32 hexadecimal digits: `iphttps users passwd a` sets a new password"
        four, six = "an IPv4 address, such as 10.99.0.7", "an IPv6 address, such as 2001:db8:3::7"
        for text, line, sentence in (
            ("[a]\n", 1, both),
            (f'\n[a]\npassword = "sesame"\n{HASH}', 2, both),
            ('[a]\nnt-hash = "sesame"', 2, hexadecimal),
            ("[a]\nnt-hash = 1", 2, hexadecimal),
            ("\na = {nt-hash = 1}", 2, hexadecimal),
            ("a.nt-hash = 1\n[b]\nnt-hash = 2", 1, hexadecimal),
            ('[a]\npassword = ""', 2, "password: it must not be empty"),
            ("[a]\npassword = 1", 2, "password: it must be a string"),
            (f'[a]\npassword = "{"x" * 257}"', 2, "password: it must have at most 256 characters"),
            (f'[a]\n{HASH}\naddress = "10.0.0.256"', 3, f"address must be {four}, in quotes"),
            (f"[a]\n{HASH}\naddress = 10", 3, f"address must be {four}, in quotes"),
            (f'[a]\n{HASH}\n\n"address6" = "10.0.0.1"', 4, f"address6 must be {six}, in quotes"),
            (f'[a]\n{HASH}\nmax-rate = "20"', 3, f"max-rate must be {WANTED}"),
            (f"[a]\n{HASH}\nmax-rate = true", 3, f"max-rate must be {WANTED}"),
            (f'[a]\n{HASH}\ndisabled = "yes"', 3, "disabled must be true or false, without quotes"),
            (
                f'[a]\n{HASH}\n# x\npasswort = "sesame"',
                4,
                "unknown key 'passwort': the keys are nt-hash, password, address, address6, max-rate, disabled",
            ),
        ):
            error = self.assertRaises(Problem, self.parse, text)
            self.assertEqual(f"users.toml:{line}: user 'a': {sentence}", str(error), text)
            self.assertNotIn("sesame", str(error))

    def test_wrong_users(self) -> None:
        """So does an error about a user, or about two."""
        twice = "is the same user as A, because case is ignored: remove one"
        taken = "10.0.0.1 is already the address of a"
        name = "not a user name: it must consist of printable characters, without a space before or after them"
        for text, expected in (
            (f"[A]\n{HASH}\n[a]\n{HASH}", f"3: user 'a': {twice}"),
            (f'[a]\n{HASH}\naddress="10.0.0.1"\n[b]\n{HASH}\naddress="10.0.0.1"', f"6: user 'b': {taken}"),
            (f'[" a"]\n{HASH}', f"1: user ' a': {name}"),
            (f'["a\\nb"]\n{HASH}', f"1: user 'a\\nb': {name}"),
            (f'[""]\n{HASH}', f"1: user '': {name}"),
            (f"[{'x' * 257}]\n{HASH}", f"1: user '{'x' * 257}': not a user name: it must have at most 256 bytes"),
            ('alice = "sesame"', "1: user 'alice': is not a table: write [alice], and below it nt-hash = \"...\""),
            (f"[a]\n{HASH}\n[a]\n", "3:3: not TOML: cannot declare ('a',) twice"),
        ):
            error = self.assertRaises(Problem, self.parse, text)
            self.assertEqual(f"users.toml:{expected}", str(error), text)

    @given(st.text(max_size=60) | st.text("[]a=\"'\n#xy", max_size=60))
    def test_any(self, text: str) -> None:
        """Any invalid content gives an error with a sentence."""
        try:
            parse(Path("users.toml"), text.encode("utf-8", "replace"))
        except ConfigError as error:
            self.assertTrue(str(error).startswith("users.toml"))


class FileCase(SynchronousTestCase):
    """A users file."""

    def setUp(self) -> None:
        """Write it."""
        self.path = Path(self.mktemp()).absolute()
        self.write(EXAMPLE)

    def write(self, text: str, mode: int = 0o600) -> None:
        """Put a new file in the place of the old one."""
        unfinished = self.path.with_name("unfinished")
        unfinished.write_text(text)
        unfinished.chmod(mode)
        unfinished.rename(self.path)


class ReadTests(FileCase):
    """The mode of the file, and a missing file."""

    def test_mode(self) -> None:
        """A file that others have access to is rejected, with what to do."""
        for mode, who in ((0o640, "its group"), (0o620, "its group"), (0o644, "everybody on this host"), (0o602,) * 2):
            self.path.chmod(mode)
            error = str(self.assertRaises(ConfigError, read, self.path))
            if isinstance(who, str):
                self.assertIn(f"{self.path} holds passwords, and {who} has access to it", error)
            self.assertIn(f"run `chmod 0600 {self.path}`", error)
        for mode in (0o600, 0o400):
            self.path.chmod(mode)
            self.assertEqual(2, len(list(read(self.path))))

    def test_unreadable(self) -> None:
        """So is one that cannot be read."""
        missing = self.path.with_name("missing")
        error = self.assertRaises(ConfigError, read, missing)
        self.assertEqual(f"{missing} does not exist: `iphttps users add NAME` creates it", str(error))
        error = self.assertRaises(ConfigError, read, self.path.parent)
        self.assertEqual(f"cannot read {self.path.parent}: Is a directory", str(error))

    def test_large(self) -> None:
        """So is one without end."""
        os.truncate(self.path, 16 * 1024 * 1024 + 1)
        error = self.assertRaises(ConfigError, read, self.path)
        self.assertEqual(f"{self.path} is larger than 16 MB: it is not a users file", str(error))


class RefreshTests(FileCase):
    """A file that changes while a server runs."""

    def setUp(self) -> None:
        """Read it."""
        super().setUp()
        self.file = UsersFile(self.path)

    def names(self) -> list[str]:
        """Return who may log in."""
        return [user.name for user in self.file.users]

    def test_unchanged(self) -> None:
        """A file that has not changed is not read again."""
        before = self.file.users
        self.assertFalse(self.file.refresh())
        self.assertIs(before, self.file.users)

    def test_added(self) -> None:
        """A new user can log in at once, and ends no session."""
        self.write(f"{EXAMPLE}[carol]\n{HASH}\n")
        self.assertEqual(UserChanges(), self.file.refresh())
        self.assertEqual(["alice", "bob@example.org", "carol"], self.names())

    def test_ended(self) -> None:
        """The sessions end of who is removed, disabled, or has a new password."""
        self.write(f"[alice]\n{HASH}\n[bob]\n{HASH}\n[carol]\n{HASH}\n[dave]\n{HASH}\n")
        self.file.refresh()
        self.write(f'[alice]\n{HASH}\n[bob]\n{HASH}\ndisabled = true\n[carol]\npassword = "new"\n')
        self.assertEqual(UserChanges(("dave",), ("bob",), ("carol",)), self.file.refresh())
        self.assertIsNone(self.file.refresh())

    def test_same(self) -> None:
        """The same password in the other form, another address, or another order ends no session."""
        self.write(f'["bob@example.org"]\n{HASH}\ndisabled = true\n[alice]\npassword = "secret"\n')
        self.assertEqual(UserChanges(), self.file.refresh())
        self.assertEqual(["bob@example.org", "alice"], self.names())

    def test_in_place(self) -> None:
        """A change to the same file counts, even one that leaves its size and its time as they are."""
        self.path.write_text(EXAMPLE.replace("alice", "carol"))
        self.assertEqual(UserChanges(removed=("alice",)), self.file.refresh())
        about = self.path.stat()
        self.write(EXAMPLE)
        os.utime(self.path, ns=(about.st_atime_ns, about.st_mtime_ns))
        self.assertEqual(UserChanges(removed=("carol",)), self.file.refresh())

    def test_wrong(self) -> None:
        """A file that is wrong, or missing, is reported once and leaves the users as they are."""
        for spoil in (
            lambda: self.write("[alice]\n"),
            lambda: self.write(EXAMPLE, 0o644),
            self.path.unlink,
        ):
            spoil()
            self.assertRaises(ConfigError, self.file.refresh)
            self.assertIsNone(self.file.refresh())
            self.assertEqual(["alice", "bob@example.org"], self.names())
        self.write(f"[alice]\n{HASH}\n")
        self.assertEqual(UserChanges(removed=("bob@example.org",)), self.file.refresh())

    def test_put_right(self) -> None:
        """If only the mode was wrong, making it right is enough."""
        self.write(f"[alice]\n{HASH}\n", 0o640)
        self.assertRaises(ConfigError, self.file.refresh)
        self.path.chmod(0o600)
        self.assertEqual(UserChanges(removed=("bob@example.org",)), self.file.refresh())

    def test_first(self) -> None:
        """A server does not start with a wrong one."""
        self.write("[alice]\n")
        self.assertRaises(Problem, UsersFile, self.path)
