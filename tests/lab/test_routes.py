"""Routes, names and scripts of a client whose outer connection is IPv6, as the traffic itself."""

import json
from ipaddress import IPv6Address, IPv6Network

from iphttps.lab.laboratory import INTERFACE, LINK_DOWN, LINK_UP, addresses, devices
from iphttps.lab.network import GATEWAY_IPV6, GATEWAY_NAME_IPV6, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import transfer, wait_reachable
from tests.lab.case import LabCase
from tests.lab.resolved import Resolved

OTHER_PREFIX = "2001:db8:4::/64"
OUTER_GATEWAY = "2001:db8:ffff:1::1"
NAMES = ("--dns-server", "2001:db8:1::53", "--search-domain", "example.org")
MEBIBYTE = 1 << 20

SCRIPT = """\
#!/bin/sh
{{
    env | grep ^IPHTTPS_ | sort
    ip -6 -o address show dev $IPHTTPS_INTERFACE scope global | wc -l
    ls -l /proc/self/fd | grep -c /dev/net/tun
}} > {directory}/$IPHTTPS_EVENT
echo "hello from $IPHTTPS_EVENT"
"""

# What enters the tunnel although it is for the server's outer address is counted.
COUNTER = f"""
table ip6 astray {{
    chain output {{
        type filter hook output priority 0;
        oifname "{INTERFACE}" ip6 daddr {GATEWAY_IPV6} counter
    }}
}}
"""


class RoutesCase(LabCase):
    """The gateway is reached by the client's default route alone."""

    def setUp(self) -> None:
        """Make the laboratory."""
        super().setUp()
        self.host = self.lab.clients[0]
        self.host.ip(
            f"route delete {GATEWAY_IPV6}",
            f"route add default via {OUTER_GATEWAY} dev outer metric 1024",
        )

    def routes(self) -> dict[str, int]:
        """Return the tunnel's routes that the server has given, and their metrics."""
        shown = self.host.run("ip", "-json", "-6", "route", "show", "dev", INTERFACE, "proto", "ra", check=False)
        return {route["dst"]: route["metric"] for route in json.loads(shown.stdout or "[]")}

    def used(self, prefix: str) -> str:
        """Return the tunnel's address in a prefix, once it can be used."""

        def found() -> str | None:
            for address in addresses(self.host):
                local = str(address["local"])
                if IPv6Address(local) in IPv6Network(prefix) and not address.get("tentative"):
                    return local
            return None

        return wait_until(found, f"an address in {prefix}")


class DefaultRouteTests(RoutesCase):
    """A default route through the tunnel, and everything else that comes and goes with the link."""

    def setUp(self) -> None:
        """Give the client's host a systemd-resolved, and a script for both events."""
        super().setUp()
        self.directory = self.lab.directory / "host"
        self.directory.mkdir()
        self.resolved = Resolved(self.lab, self.directory)
        script = self.directory / "script"
        script.write_text(SCRIPT.format(directory=self.directory))
        script.chmod(0o755)

    def noted(self, name: str) -> list[str]:
        """Return what one of the programs has noted."""
        path = self.directory / name
        return path.read_text().splitlines() if path.exists() else []

    def astray(self) -> int:
        """Return how many packets of the outer connection have entered the tunnel."""
        listed = json.loads(self.host.run("nft", "-j", "list", "table", "ip6", "astray").stdout)["nftables"]
        (counter,) = (
            part["counter"] for rule in listed for part in rule.get("rule", {}).get("expr", ()) if "counter" in part
        )
        return int(counter["packets"])

    def through_the_tunnel(self, address: str) -> None:
        """Check that a bulk transfer arrives, and that the connection that carries it stays outside."""
        self.assertTrue(transfer(self.lab.private, self.host, address, 4 * MEBIBYTE).intact)
        self.assertTrue(transfer(self.host, self.lab.private, PRIVATE_HOST, 4 * MEBIBYTE).intact)
        self.assertEqual(0, self.astray())

    def started(self, server: Program) -> Program:
        """Start the client with everything."""
        script = str(self.directory / "script")
        with self.resolved.there():
            return self.client(1, "--up-script", script, "--down-script", script, uri=f"https://{GATEWAY_NAME_IPV6}/")

    def test_life(self) -> None:
        """Routes, names and scripts from the first session through one with another prefix to the end."""
        server = self.server("--default-router", *NAMES)
        self.host.run("nft", "-f", "-", stdin=COUNTER)
        client = self.started(server)
        address = self.used("2001:db8:2::/64")
        wait_reachable(self.host, PRIVATE_HOST)

        # Everything goes through the tunnel, but the outer connection.
        self.assertEqual(50, self.routes()["default"])
        self.assertIn(f"dev {INTERFACE}", self.host.run("ip", "-6", "route", "get", GATEWAY_IPV6).stdout)
        self.through_the_tunnel(address)

        # Not when the outer route is gone for a while either.
        self.host.ip(f"route delete default via {OUTER_GATEWAY} dev outer")
        self.host.run("ping", "-c", "3", "-i", "0.2", "-W", "1", PRIVATE_HOST, check=False)
        self.assertEqual(0, self.astray())
        self.host.ip(f"route add default via {OUTER_GATEWAY} dev outer metric 1024")
        wait_reachable(self.host, PRIVATE_HOST)

        # What the script was told, and what it has inherited.
        client.wait_for("script: hello from up")
        facts = [
            f"IPHTTPS_ADDRESSES={address}/64",
            "IPHTTPS_DNS=2001:db8:1::53",
            "IPHTTPS_DOMAINS=example.org",
            "IPHTTPS_EVENT=up",
            f"IPHTTPS_INTERFACE={INTERFACE}",
            f"IPHTTPS_PEER={GATEWAY_IPV6}",
            f"IPHTTPS_URI=https://{GATEWAY_NAME_IPV6}/IPHTTPS",
        ]
        self.assertEqual([*facts, "1", "0"], self.noted("up"))
        told = [f"dns {INTERFACE} 2001:db8:1::53", f"domain {INTERFACE} example.org"]
        self.assertEqual(told, self.resolved.told)

        # With the session everything goes, once the script has run, which still finds the address.
        mark = client.mark()
        server.kill()
        client.wait_for(LINK_DOWN, since=mark)
        client.wait_for("script: hello from down", since=mark)
        wait_until(lambda: not addresses(self.host), "no address")
        self.assertEqual({}, self.routes())
        self.assertEqual([*facts[:3], "IPHTTPS_EVENT=down", *facts[4:], "1", "0"], self.noted("down"))
        wait_until(lambda: self.resolved.told == [*told, f"revert {INTERFACE}"], "names taken back")

        # The next session has another prefix, and nothing of the old one.
        self.server("--prefix", OTHER_PREFIX, "--default-router", *NAMES)
        client.wait_for(LINK_UP, since=mark)
        other = self.used(OTHER_PREFIX)
        self.assertEqual([other], [a["local"] for a in addresses(self.host) if a["scope"] == "global"])
        wait_reachable(self.host, PRIVATE_HOST)
        self.through_the_tunnel(other)
        wait_until(lambda: f"IPHTTPS_ADDRESSES={other}/64" in self.noted("up"), "the script, with the new address")

        client.stop()
        self.assertNotIn(INTERFACE, devices(self.host))
        self.assertIn(f"IPHTTPS_ADDRESSES={other}/64", self.noted("down"))
        self.assertEqual(f"revert {INTERFACE}", self.resolved.told[-1])


class RefusedTests(RoutesCase):
    """Routes that the client rejects."""

    def test_refused(self) -> None:
        """No default route against the operator's word; no server whose address lies in the tunnel's own prefix.

        Nor does SIGKILL leave anything.
        """
        self.server("--default-router", *NAMES, uri="http://*:80/", authentication="none")
        before = self.host.run("ip", "-6", "route").stdout
        client = self.client(1, "--default-route", "no", uri=f"http://{GATEWAY_NAME_IPV6}/")
        self.used("2001:db8:2::/64")
        wait_reachable(self.host, PRIVATE_HOST)
        self.assertNotIn("default", self.routes())
        client.wait_for("the link has DNS servers 2001:db8:1::53 and search domains example.org")
        client.kill()
        wait_until(lambda: self.host.run("ip", "-6", "route").stdout == before, "the routes of before")

        client = self.client(1, uri="http://[2001:db8:2::1]/")
        client.wait_for(
            "the server's address 2001:db8:2::1 lies in the tunnel's own prefix 2001:db8:2::/64: "
            "give --uri an address, or a name for one, that is reached without the tunnel"
        )
        client.wait_for(LINK_DOWN)
