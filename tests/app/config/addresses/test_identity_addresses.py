"""The file that assigns addresses: what it can say, and what is said of one that cannot be."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config.addresses.identity_addresses import Identities, load_identities
from iphttps.core.errors import ConfigError
from iphttps.core.identity import Identity
from iphttps.core.iphttps.assignment import Assignment
from iphttps.core.queues.rate import MaxRate

PREFIX = IPv6Network("2001:db8:2::/64")
TAKEN = (PREFIX[0], PREFIX[1])


class FileTests(SynchronousTestCase):
    """Reading a file."""

    def load(self, text: str) -> Assignment:
        """Read a file with this text."""
        return self.loaded(text).assignment

    def loaded(self, text: str) -> Identities:
        """Read a file with this text, with the maximum rates."""
        self.path = Path(self.mktemp())
        self.path.write_text(text, encoding="utf-8")
        return load_identities(self.path, PREFIX, TAKEN)

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

    def test_rates(self) -> None:
        """An identity can have a maximum rate, with or without addresses; without them it may use any."""
        found = self.loaded(
            """
            alice = { max-rate = "20M" }
            carol = ["2001:db8:2::c"]
            "CN=none" = { max-rate = 0 }
            [bob]
            addresses = ["2001:db8:2::b"]
            max-rate = "1.5G"
            """
        )
        both = {"alice": 20_000_000, "CN=none": 0, "bob": 1_500_000_000}
        self.assertEqual({name: MaxRate(rate, rate) for name, rate in both.items()}, found.rates)
        for name, own in (("alice", False), ("bob", True)):
            identity = Identity("", (name,))
            permitted = [found.assignment.permits(identity, PREFIX[number].packed) for number in (0xB, 0xD)]
            self.assertEqual([own, not own], permitted)

    def test_empty(self) -> None:
        """An empty file assigns nothing."""
        self.assertTrue(self.load("").permits(None, PREFIX[10].packed))

    def test_rejections(self) -> None:
        """An invalid entry is named with the file, the key, and a valid value."""
        no_address = "'x' has {}, which is not a client address in 2001:db8:2::/64"
        for text, said in (
            ("x = [", "is not TOML"),
            ("x = '2001:db8:2::a'", "'x' must be a list of IPv6 addresses, such as [\"2001:db8:2::a\"]"),
            ("x = [1]", "'x' must be a list of IPv6 addresses"),
            ("x = []", "'x' must be a list of IPv6 addresses"),
            ("x = {}", "'x' must be a list of IPv6 addresses"),
            ("[x]\naddresses = []", "'x' must be a list of IPv6 addresses"),
            ("[x]\ny = []", "'x' has an unknown key 'y': the keys are addresses, max-rate"),
            ("[x]\nmax-rate = []", "max-rate of 'x' must be a rate in bit/s from 100k to 1T, such as 20M"),
            ("[x]\nmax-rate = '20'", "max-rate of 'x' must be a rate"),
            ("[x]\nmax-rate = true", "max-rate of 'x' must be a rate"),
            ("[x]\nmax-rate = " + "9" * 5000, "is not TOML"),
            ("x = { addresses = ['2001:db8:3::a'], max-rate = '20M' }", no_address.format("2001:db8:3::a")),
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
        error = self.assertRaises(ConfigError, load_identities, Path("/nowhere"), PREFIX, [IPv6Address("::")])
        self.assertEqual("cannot read /nowhere: No such file or directory", str(error))
