"""The file that assigns addresses: what it can say, and what is said of one that cannot be."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config.addresses.identity_addresses import load_assignment
from iphttps.core.errors import ConfigError
from iphttps.core.identity import Identity
from iphttps.core.iphttps.assignment import Assignment

PREFIX = IPv6Network("2001:db8:2::/64")
TAKEN = (PREFIX[0], PREFIX[1])


class FileTests(SynchronousTestCase):
    """Reading a file."""

    def load(self, text: str) -> Assignment:
        """Read a file with this text."""
        self.path = Path(self.mktemp())
        self.path.write_text(text, encoding="utf-8")
        return load_assignment(self.path, PREFIX, TAKEN)

    def assert_owner(self, key: str, identity: Identity) -> None:
        """Check that a key means an identity, and nobody else."""
        assignment = self.load(f"{key} = ['2001:db8:2::a', '2001:db8:2::b']")
        for address in (PREFIX[10], PREFIX[11]):
            self.assertTrue(assignment.permits(identity, address.packed), key)
            self.assertFalse(assignment.permits(Identity("CN=x", ("x",)), address.packed), key)

    def test_names(self) -> None:
        """A key is a subject, or another name, as a person writes it or as the log does."""
        for key, identity in (
            ("'CN=alice'", Identity("CN=alice")),
            ("'CN=alice,O=Example'", Identity("CN=alice,O=Example")),
            ("'CN=Jos\xe9'", Identity(r"CN=Jos\C3\A9")),
            (r"'CN=Jos\C3\A9'", Identity(r"CN=Jos\C3\A9")),
            ("'alice@example.org'", Identity("CN=a", ("alice@example.org",))),
            ("'alice.example.org'", Identity("", ("a", "alice.example.org"))),
            ("alice", Identity("", ("alice",))),
        ):
            self.assert_owner(key, identity)

    def test_empty(self) -> None:
        """An empty file assigns nothing."""
        self.assertTrue(self.load("").permits(None, PREFIX[10].packed))

    def test_rejections(self) -> None:
        """What cannot be is named with the file, the key, and what would be right."""
        no_address = "'x' has {}, which is not a client address in 2001:db8:2::/64"
        for text, said in (
            ("x = [", "is not TOML"),
            ("x = '2001:db8:2::a'", "'x' must be a list of IPv6 addresses, such as [\"2001:db8:2::a\"]"),
            ("x = [1]", "'x' must be a list of IPv6 addresses"),
            ("x = []", "'x' must be a list of IPv6 addresses"),
            ("[x]\ny = []", "'x' must be a list of IPv6 addresses"),
            ("x = ['192.0.2.1']", "'x' has '192.0.2.1', which is not an IPv6 address"),
            ("x = ['2001:db8:3::a']", no_address.format("2001:db8:3::a")),
            ("x = ['fe80::a']", no_address.format("fe80::a")),
            ("x = ['2001:db8:2::1']", no_address.format("2001:db8:2::1")),
            ("x = ['2001:db8:2::']", no_address.format("2001:db8:2::")),
            ("x = ['2001:db8:2::a']\ny = ['2001:db8:2:0::a']", "2001:db8:2::a is assigned twice, to 'x' and 'y'"),
            ("'CN = x' = ['2001:db8:2::a']", "'CN = x' is not a subject in the format of the log"),
            ("x = " + "[" * 5000, "is not TOML"),
            ("x = " + "9" * 5000, "is not TOML"),
        ):
            error = self.assertRaises(ConfigError, self.load, text)
            self.assertTrue(str(error).startswith(str(self.path)), error)
            self.assertIn(said, str(error))

    def test_unreadable(self) -> None:
        """A file that is not there is named."""
        error = self.assertRaises(ConfigError, load_assignment, Path("/nowhere"), PREFIX, [IPv6Address("::")])
        self.assertEqual("cannot read /nowhere: No such file or directory", str(error))
