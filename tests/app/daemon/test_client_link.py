"""The order of the client's actions on the host; scripts are real programs, the rest is recorded."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Interface
from typing import cast

from twisted.internet.testing import MemoryReactorClock

from iphttps.app.daemon.client_link import ClientLink
from iphttps.app.daemon.hooks.dns_settings import DNSSettings
from iphttps.app.daemon.hooks.scripts import LinkEvent, LinkFacts, Scripts
from iphttps.core.ip.rdnss import NO_NAMES, Names
from iphttps.net.interfaces import IReactor
from tests.core.ip.test_rdnss import domains, servers

from ..programs import ProgramCase

ADDRESS = IPv6Interface("2001:db8:2::5/64")
PEER = "2001:db8:ffff::1"
DNS = Names((IPv6Address("2001:db8:1::53"),), ("example.org",))


class RecordingDNS(DNSSettings):
    """One that notes what it is offered."""

    def __init__(self, reactor: IReactor, events: list[object]) -> None:
        super().__init__(reactor, "iphttps0", None)
        self._events = events

    def offer(self, names: Names) -> None:
        """Note the names."""
        self._events.append(names)


class ClientLinkCase(ProgramCase):
    """A link whose events are noted, in order."""

    def link(self, reactor: IReactor | None = None, **scripts: str) -> ClientLink:
        """Make one, with scripts that consist of such a line."""
        reactor = reactor or self.reactor
        self.events: list[object] = []
        self.addresses = [ADDRESS]
        paths = {LinkEvent(event): self.program(line, name=event) for event, line in scripts.items()}
        return ClientLink(
            reactor,
            LinkFacts("iphttps0"),
            Scripts(reactor, paths),
            RecordingDNS(reactor, self.events),
            switch=lambda up: self.events.append("up" if up else "down"),
            addresses=lambda: self.addresses,
            refuse=self.events.append,
        )

    def notes(self) -> list[str]:
        """Return what the scripts have written down."""
        return self.note().read_text().splitlines() if self.note().exists() else []


class AssignedTests(ClientLinkCase):
    """The DNS servers that the server has assigned."""

    def test_assigned(self) -> None:
        """They are there at once, before those of Router Advertisements, until the end."""
        given = Names((IPv4Address("10.0.0.53"),), ("~.",))
        link = self.link()
        link.up("uri", PEER, given)
        link.announced((servers("2001:db8:1::53"),))
        link.down()
        both = Names((*given.servers, *DNS.servers), given.domains)
        self.assertEqual(["up", given, both, NO_NAMES, "down"], self.events)


class ScriptTests(ClientLinkCase):
    """The order and times of scripts."""

    async def test_order(self) -> None:
        """The up script runs once the link has an address; the down script before the link goes down."""
        words = f'echo "$IPHTTPS_EVENT $IPHTTPS_ADDRESSES $IPHTTPS_PEER $IPHTTPS_DNS" >> {self.note()}'
        link = self.link(up=words, down=words)
        link.up("uri", PEER)
        link.announced((servers("2001:db8:1::53"),))
        self.addresses = []
        link.addressed()
        await link.ended()
        self.assertEqual(self.notes(), [])
        self.addresses = [ADDRESS]
        for _ in range(2):
            link.addressed()
        await link.ended()
        facts = f"2001:db8:2::5/64 {PEER} 2001:db8:1::53"
        self.assertEqual(self.notes(), [f"up {facts}"])
        link.down()
        self.assertEqual(self.events, ["up", Names(DNS.servers), NO_NAMES])
        await link.ended()
        self.assertEqual(self.events[3:], ["down"])
        self.assertEqual(self.notes(), [f"up {facts}", f"down {facts}"])

    def test_no_scripts(self) -> None:
        """Without scripts the link goes down at once, once."""
        link = self.link()
        link.up("uri", PEER)
        link.addressed()
        for _ in range(2):
            link.down()
        self.assertEqual(self.events, ["up", NO_NAMES, "down"])
        self.successResultOf(link.ended())

    def test_never_used(self) -> None:
        """A link that never had an address goes down without a script."""
        link = self.link(down="exit 0")
        link.up("uri", PEER)
        link.down()
        self.assertEqual(self.events, ["up", NO_NAMES, "down"])

    async def test_up_again(self) -> None:
        """When the link comes up again before the down script has ended, the old session's traces go first."""
        link = self.link(down="exec sleep 60")
        link.up("uri", PEER)
        link.addressed()
        link.down()
        link.up("uri", PEER)
        self.assertEqual(self.events, ["up", NO_NAMES, "down", "up"])
        link.addressed()
        link.down()
        link.up("uri", PEER)
        link.down()
        self.assertEqual(self.events, ["up", NO_NAMES, "down", "up", NO_NAMES, "down", "up", NO_NAMES, "down"])
        await link.ended()
        self.assertEqual(sum("was still running" in line for line in self.logged), 2)

    async def test_up_script_at_work(self) -> None:
        """An up script that is still at work when the link goes down is killed."""
        link = self.link(up="exec sleep 60", down=f"echo down >> {self.note()}")
        link.up("uri", PEER)
        link.addressed()
        link.down()
        await link.ended()
        self.assertEqual(self.notes(), ["down"])
        self.assertIn("was still running when the link went down, and was killed", "".join(self.logged))


class NameTests(ClientLinkCase):
    """The handling of DNS servers and search domains."""

    def test_lifetimes(self) -> None:
        """Announced DNS settings are applied, and removed when they expire or the link goes down."""
        clock = MemoryReactorClock()
        link = self.link(cast(IReactor, clock))
        link.up("uri", PEER)
        link.announced((servers("2001:db8:1::53", lifetime=600), domains("example.org", lifetime=300)))
        clock.advance(300)
        link.announced((domains("example.org", lifetime=600),))
        clock.advance(300)
        self.assertEqual(self.events, ["up", DNS, Names(DNS.servers), DNS, Names((), DNS.domains)])
        link.down()
        self.assertEqual(self.events[5:], [NO_NAMES, "down"])
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_down(self) -> None:
        """While the link is down nothing is believed."""
        link = self.link()
        link.announced((servers("2001:db8:1::53"),))
        link.addressed()
        self.assertEqual(self.events, [])

    def test_forgotten(self) -> None:
        """Nothing of one session is believed in the next."""
        link = self.link()
        link.up("uri", PEER)
        link.announced((servers("2001:db8:1::53"),))
        link.down()
        link.up("uri", PEER)
        link.announced((domains("example.org"),))
        self.assertEqual(self.events[-1], Names((), DNS.domains))
        link.down()


class PrefixTests(ClientLinkCase):
    """The server's address and the tunnel's prefix."""

    def test_own_prefix(self) -> None:
        """A server whose address lies in the tunnel's own prefix is rejected with a sentence."""
        link = self.link(up="exit 0")
        link.up("uri", "2001:db8:2::1")
        link.addressed()
        self.assertEqual(
            self.events,
            [
                "up",
                (
                    "the server's address 2001:db8:2::1 lies in the tunnel's own prefix 2001:db8:2::/64: "
                    "give --uri an address, or a name for one, that is reached without the tunnel"
                ),
            ],
        )
        self.successResultOf(link.ended())

    def test_others(self) -> None:
        """Any other address is good, of IPv4 too."""
        for peer in (PEER, "198.51.100.1", ""):
            link = self.link()
            link.up("uri", peer)
            link.addressed()
            self.assertEqual(self.events, ["up"])
