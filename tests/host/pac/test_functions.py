"""The functions that a proxy auto-configuration file may call."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

from pyroute2 import IPRoute
from twisted.trial.unittest import SynchronousTestCase

from iphttps.host.pac.functions import MAXIMUM_NAMES, PACFunctions, SystemNames

from ..support import NamespaceCase, add_address, link_up


class Names:
    """A network with two hosts in it, and this one."""

    KNOWN = {
        "both.example": ["2001:db8::1", "192.0.2.1"],
        "six.example": ["2001:db8::6"],
        "192.0.2.9": ["192.0.2.9"],
        "2001:db8::9": ["2001:db8::9"],
    }

    def __init__(self, *own: str) -> None:
        self._own = list(own)

    def addresses(self, name: str) -> list[str]:
        """Return what is known."""
        return self.KNOWN.get(name, [])

    def own(self) -> list[str]:
        """Return this host's."""
        return self._own


NOON = datetime(2026, 3, 18, 12, 30, 15, tzinfo=UTC)  # a Wednesday


def functions(now: datetime = NOON, *own: str) -> PACFunctions:
    """Return the functions at a time on a host with these addresses."""
    return PACFunctions(Names(*own), now)


class NameTests(SynchronousTestCase):
    """Functions of the host name alone."""

    def check(self, function: Callable[..., object], *cases: tuple[object, ...]) -> None:
        """Check arguments, the last of which is the result."""
        for *arguments, expected in cases:
            self.assertEqual(function(*arguments), expected, arguments)

    def test_names(self) -> None:
        """Plain names, ends of names, first parts of names, as browsers tell them."""
        own = functions()
        self.check(own.isPlainHostName, ("www", True), ("www.example", False), ("2001:db8::1", False))
        self.check(own.dnsDomainIs, ("www.example", ".example", True), ("www.example", ".Example", False))
        self.check(
            own.localHostOrDomainIs,
            ("www", "www.example", True),
            ("www.example", "www.example", True),
            ("ww", "www.example", False),
            ("www.other", "www.example", False),
        )
        self.check(own.dnsDomainLevels, ("www", 0), ("www.a.example", 2))

    def test_patterns(self) -> None:
        """A star stands for anything, a question mark for one character, and nothing else for anything but itself."""
        self.check(
            functions().shExpMatch,
            ("vpn.example.org", "*.example.org", True),
            ("vpn.example.org", "vpn*", True),
            ("vpn.example.org", "vpn", False),
            ("vpn.example.org", "*example", False),
            ("vpn", "v?n", True),
            ("vpn", "v?", False),
            ("vpn", "???*", True),
            ("vpn", "????", False),
            ("", "*", True),
            ("", "?", False),
            ("aXbXc", "a*b*c", True),
            ("abab", "*ab", True),
            ("v", "[v]", True),
            ("10.1.2.3", "10.[0-9].*", True),
            ("10.x.2.3", "10.[0-9].*", False),
            ("vpn.a.org", "(*.a.org|*.b.org)", True),
            ("vpn.b.org", "(*.a.org|*.b.org)", True),
            ("vpn.c.org", "(*.a.org|*.b.org)", False),
            ("vpnXa", "vpn.(a|b)", False),
            ("vpn1", "vpn?|x", True),
            ("vpn", "[vpn", False),
            ("a+b", "a+b", False),
            ("vpnXexample", "vpn.example", False),
        )

    def test_pattern_with_many_stars(self) -> None:
        """Many stars do not take for ever."""
        self.assertFalse(functions().shExpMatch("a" * 5000, "*a" * 50 + "b"))

    def test_nonsense(self) -> None:
        """Any argument is handled without an exception."""
        own = functions()
        odd: tuple[object, ...] = (None, True, 1.5, -1, 10**9, "", "GMT", "SUN", "JAN", "é", object())
        for name, function in own.by_name().items():
            for first in odd:
                function()
                for second in odd:
                    function(first, second)
                    function(first, second, first, second)
                    function(first, second, first, second, first, second, first, second)
            self.assertIn(type(function()), (bool, int, str, type(None)), name)


class AddressTests(SynchronousTestCase):
    """Functions that resolve an address."""

    def test_resolve(self) -> None:
        """The first IPv4 address; all addresses for those functions that know IPv6."""
        own = functions()
        self.assertEqual(own.dnsResolve("both.example"), "192.0.2.1")
        self.assertIsNone(own.dnsResolve("six.example"))
        self.assertEqual(own.dnsResolveEx("both.example"), "2001:db8::1;192.0.2.1")
        self.assertEqual(own.dnsResolveEx("no.example"), "")
        self.assertEqual([own.isResolvable(f"{name}.example") for name in ("both", "six", "no")], [True, False, False])
        self.assertEqual([own.isResolvableEx(f"{name}.example") for name in ("both", "six", "no")], [True, True, False])

    def test_networks(self) -> None:
        """A host in a network, by its mask or by the length of its prefix."""
        own = functions()
        self.assertTrue(own.isInNet("both.example", "192.0.2.0", "255.255.255.0"))
        self.assertTrue(own.isInNet("192.0.2.9", "192.0.2.1", "255.255.255.0"))
        self.assertFalse(own.isInNet("192.0.2.9", "192.0.2.1", "255.255.255.255"))
        self.assertFalse(own.isInNet("six.example", "192.0.2.0", "255.255.255.0"))
        for pattern, mask in (
            ("192.0.2", "255.255.255.0"),
            ("192.0.2.0", "255.255.255"),
            ("192.0.2.", "255.255.255.0"),
            (" 192.0.2.0 ", " 255.255.255.0"),
            ("192.0.2.x", "255.255.255.0"),
            ("192.000.002.000", "255.255.255.000"),
            ("192.0.2.0/24", "255.255.255.0"),
            ("192.0.2.0.7", "255.255.255.0"),
            ("", ""),
        ):
            self.assertTrue(own.isInNet("192.0.2.9", pattern, mask), (pattern, mask))
        self.assertFalse(own.isInNet("192.0.2.9", "x", "255.255.255.0"))
        self.assertFalse(own.isInNet("192.0.2.9", "192.0.2.0"))
        self.assertTrue(own.isInNetEx("192.0.2.9", "2001:db8::/32;192.0.2.0/24"))
        self.assertTrue(own.isInNetEx("2001:db8::9", "2001:db8::/32"))
        self.assertFalse(own.isInNetEx("2001:db9::9", "2001:db8::/32"))
        self.assertFalse(own.isInNetEx("six.example", "2001:db8::/32"))

    def test_numbers(self) -> None:
        """The functions of browsers for what an address looks like, and for the number that it is."""
        own = functions()
        for address in ("192.0.2.9", "0.0.0.0", "255.255.255.255"):
            self.assertTrue(own.isValidIpAddress(address), address)
        for wrong in ("192.0.2", "192.0.2.256", "192.0.2.9.1", "192.0.2.x", "", "::1", None, 7):
            self.assertFalse(own.isValidIpAddress(wrong), wrong)
        self.assertEqual(own.convert_addr("104.16.41.2"), 1745889538)
        self.assertEqual(own.convert_addr("192.0.2.1"), -1073741311)
        self.assertEqual(own.convert_addr(None), 0)

    def test_own(self) -> None:
        """This host's address, or its loopback's where it has none."""
        self.assertEqual(functions(NOON, "192.0.2.5", "2001:db8::5").myIpAddress(), "192.0.2.5")
        self.assertEqual(functions(NOON, "192.0.2.5", "2001:db8::5").myIpAddressEx(), "192.0.2.5;2001:db8::5")
        self.assertEqual(functions(NOON, "2001:db8::5").myIpAddress(), "127.0.0.1")

    def test_sort(self) -> None:
        """IPv6 goes before IPv4; what is no address spoils the list."""
        own = functions()
        self.assertEqual(own.sortIpAddressList("192.0.2.9;2001:db8::2;10.0.0.1"), "2001:db8::2;10.0.0.1;192.0.2.9")
        self.assertEqual(own.sortIpAddressList("192.0.2.9;host"), "")

    def test_system(self) -> None:
        """The system's resolver knows localhost, and addresses, and is asked for so many names and no more."""
        asked = []
        original = socket.getaddrinfo

        def ask(name: str, *arguments: object, **options: object) -> object:
            asked.append(name)
            if name.endswith(".example"):
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            return original(name, *arguments, **options)  # type: ignore[arg-type]  # they are passed on as they are

        self.patch(socket, "getaddrinfo", ask)
        names = SystemNames()
        self.assertIn("127.0.0.1", names.addresses("localhost"))
        self.assertEqual(names.addresses("2001:db8::1"), ["2001:db8::1"])
        self.assertEqual(names.addresses("a" * 300), [])
        for number in range(100):
            self.assertEqual(names.addresses(f"{number}.example"), [])
            names.addresses("localhost")
        self.assertEqual(len(asked), MAXIMUM_NAMES)
        self.assertEqual(asked.count("localhost"), 1)
        for address in names.own():
            self.assertTrue(socket.getaddrinfo(address, None))


class OwnTests(NamespaceCase):
    """`SystemNames.own` in networks that lead nowhere else."""

    def configure(self, *addresses: str, route: str | None = None) -> None:
        """Give the host an interface with these addresses."""
        link_up("lo")
        with IPRoute() as netlink:
            netlink.link("add", ifname="lan", kind="veth", peer="other")
            index = netlink.link_lookup(ifname="lan")[0]
            for each in ("lan", "other"):
                netlink.link("set", index=netlink.link_lookup(ifname=each)[0], state="up")
            for address in addresses:
                host, _, length = address.partition("/")
                add_address(index, host, int(length))
            if route:
                netlink.route("add", dst=route, oif=index)

    def test_no_default_route(self) -> None:
        """The addresses of the interfaces count; those of the loopback and of the link alone do not."""
        self.configure("fd01::5/64", "10.9.0.2/24", "fd00::5/64", route="10.0.0.0/8")
        found = SystemNames().own()
        self.assertEqual(found[0], "10.9.0.2")
        self.assertEqual(set(found), {"10.9.0.2", "fd01::5", "fd00::5"})

    def test_one_default_route(self) -> None:
        """One family's default route does not hide the other's addresses."""
        self.configure("2001:db8::5/64", "10.9.0.2/24", "10.9.0.3/24", route="::/0")
        self.assertEqual(SystemNames().own(), ["10.9.0.2", "10.9.0.3", "2001:db8::5"])

    def test_nothing(self) -> None:
        """A host that has nothing but its loopback has none."""
        self.assertEqual(SystemNames().own(), [])
        link_up("lo")
        self.assertEqual(SystemNames().own(), [])


class TimeTests(SynchronousTestCase):
    """Functions of the time."""

    def test_weekdays(self) -> None:
        """A day, days around the week's end, in GMT if asked."""
        own = functions()
        for *words, expected in (
            ("WED", True),
            ("wed", True),
            ("THU", False),
            ("MON", "FRI", True),
            ("SAT", "TUE", False),
            ("SAT", "WED", True),
            ("WED", "GMT", True),
            ("MON", "TUE", "GMT", False),
            ("NOW", False),
            ("WED", "NOW", False),
            ("GMT", False),
        ):
            self.assertIs(own.weekdayRange(*words), expected, words)

    def test_dates(self) -> None:
        """A day, a month, a year, or from one date to another, both included, around the year's end too."""
        own = functions()
        for *words, expected in (
            (18, True),
            (18.0, True),
            (19, False),
            ("MAR", True),
            ("APR", False),
            (2026, True),
            (2025, False),
            (1, 18, True),
            (19, 31, False),
            ("JAN", "MAR", True),
            ("NOV", "MAR", True),
            ("NOV", "FEB", False),
            (2025, 2026, True),
            (2027, 2025, False),
            (18, "MAR", 18, "MAR", True),
            (19, "MAR", 31, "MAR", False),
            (24, "DEC", 18, "MAR", True),
            ("MAR", 2026, "MAR", 2026, True),
            ("APR", 2025, "FEB", 2026, False),
            (1, "JAN", 2026, 18, "MAR", 2026, True),
            (1, "JAN", 2026, 17, "MAR", 2026, "GMT", False),
            (1, "JAN", 2, False),
            (1, 2, 3, 4, False),
            (1, "JAN", 2026, "FEB", False),
            (1, 2026, False),
            ("18", True),
            ("1", "jan", "31", "Mar", True),
        ):
            self.assertIs(own.dateRange(*words), expected, words)

    def test_hours(self) -> None:
        """An hour, or from one time to another, both included, around midnight too."""
        own = functions()
        for *words, expected in (
            (12, True),
            (13, False),
            (8, 12, True),
            (13, 18, False),
            (22, 12, True),
            (22, 6, False),
            (12, 30, 12, 30, True),
            (12, 31, 18, 0, False),
            (12, 30, 15, 12, 30, 15, True),
            (12, 30, 16, 18, 0, 0, False),
            (8, 12, "GMT", True),
            (8, "noon", False),
            ("8", "17", True),
            ("12", True),
            (8, 9, 10, False),
        ):
            self.assertIs(own.timeRange(*words), expected, words)

    def test_zone(self) -> None:
        """Local time counts, unless the last word is GMT."""
        own = functions(datetime(2026, 3, 19, 1, 0, tzinfo=timezone(timedelta(hours=3))))
        self.assertTrue(own.timeRange(1))
        self.assertTrue(own.timeRange(22, "GMT"))
        self.assertTrue(own.weekdayRange("THU"))
        self.assertTrue(own.weekdayRange("WED", "GMT"))
        self.assertTrue(own.dateRange(18, "GMT"))
