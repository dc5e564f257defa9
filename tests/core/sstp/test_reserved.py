"""IPv6 addresses that are fixed for users."""

from __future__ import annotations

from ipaddress import IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.core.sstp.reserved import Reserved

SERVER, ALICES, OTHER = (IPv6Address(f"2001:db8:3::{last}") for last in ("1", "7", "8"))
PREFIX = SERVER.packed[:8]


class ReservedTests(SynchronousTestCase):
    """The owner of an address."""

    def setUp(self) -> None:
        """Fix an address for alice."""
        self.reserved = Reserved(PREFIX, frozenset((SERVER.packed,)))
        self.reserved.reserve({"alice": ALICES})

    def test_user(self) -> None:
        """The address and its interface identifier are alice's; others are anybody's, hers too."""
        for user, address, permitted in (
            ("alice", ALICES, True),
            ("bob", ALICES, False),
            ("", ALICES, False),
            ("bob", OTHER, True),
            ("alice", OTHER, True),
        ):
            self.assertIs(permitted, self.reserved.permits(user, address.packed))
            self.assertIs(permitted, self.reserved.permits_identifier(user, address.packed[8:]))
        self.assertEqual((ALICES.packed[8:], b""), tuple(map(self.reserved.identifier, ("alice", "bob"))))

    def test_no_more(self) -> None:
        """An address that is fixed no more is anybody's."""
        self.reserved.reserve({"bob": OTHER})
        self.assertTrue(self.reserved.permits("bob", ALICES.packed))
        self.assertEqual(b"", self.reserved.identifier("alice"))

    def test_wrong(self) -> None:
        """A fixed address must be a client's, in the prefix, and one user's; what was valid before stays so."""
        for fixed, sentence in (
            ({"bob": IPv6Address("2001:db8:4::7")}, "2001:db8:4::7 is not in 2001:db8:3::/64, the clients' prefix: "),
            ({"bob": SERVER}, "2001:db8:3::1 is the server's: "),
            ({"bob": IPv6Address("2001:db8:3::")}, "2001:db8:3:: is the server's: "),
            ({"bob": OTHER, "carol": OTHER}, "2001:db8:3::8 is fixed for bob and for carol: "),
        ):
            error = self.assertRaises(ConfigError, self.reserved.reserve, fixed)
            self.assertTrue(str(error).startswith(sentence), error)
            self.assertFalse(self.reserved.permits("bob", ALICES.packed))

    def test_no_prefix(self) -> None:
        """Without a prefix nothing is reserved: the users of the file have no IPv6 here."""
        reserved = Reserved(b"", frozenset())
        reserved.reserve({"alice": ALICES})
        self.assertTrue(reserved.permits_identifier("bob", ALICES.packed[8:]))
