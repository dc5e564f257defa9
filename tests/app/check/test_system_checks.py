"""The checks of the machine by `iphttps check`, in a network namespace."""

from __future__ import annotations

import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from pyroute2 import IPRoute

from iphttps.app.check.findings import Findings
from iphttps.app.check.system_checks import check_system
from iphttps.app.config import client_options, interface_settings
from iphttps.app.config.server_options import Options
from iphttps.host.kernel import inspection
from iphttps.host.kernel.network import Wanted
from tests.host.support import (
    NamespaceCase,
    add_veth,
    in_child,
    link_up,
    need_another_user,
    read_only_settings,
    setting,
    without_privilege,
)

PLAIN = (
    "--uri", "http://*:8080/", "--authentication", "none", "--prefix", "2001:db8:2::/64", "--route", "2001:db8:1::/64",
)  # fmt: skip


class SystemTests(NamespaceCase):
    """A gateway with one interface besides."""

    def setUp(self) -> None:
        """Give the machine a network."""
        super().setUp()
        link_up("lo")
        add_veth("eth0", "eth1")
        link_up("eth0")
        link_up("eth1")

    def route(self, prefix: str, interface: str = "eth0") -> None:
        """Lead a prefix to an interface."""
        with IPRoute() as netlink:
            netlink.route("add", dst=prefix, oif=netlink.link_lookup(ifname=interface)[0])

    def found(self, *arguments: str, now: datetime | None = None) -> list[str]:
        """Return what is found, but for notes."""
        options = Options()
        options.parse([*PLAIN, *arguments])
        findings = Findings(options)
        check_system(options.config, findings, now or datetime.now(UTC), None)
        return [str(one) for one in findings.all if one.severity.value != "note"]

    def only(self, *arguments: str, now: datetime | None = None) -> str:
        """Return the only thing that is found."""
        found = self.found(*arguments, now=now)
        self.assertEqual(1, len(found), found)
        return found[0]

    def test_good(self) -> None:
        """A correct system has no findings."""
        self.route("2001:db8:1::/64")
        self.assertEqual([], self.found())

    def test_routes(self) -> None:
        """Advertised routes must be reachable from the server, and the tunnel's prefix must not be in use elsewhere."""
        self.assertIn("warning: this host has no route to 2001:db8:1::/64", self.only())
        self.route("::/0")
        self.assertEqual([], self.found())
        self.route("2001:db8:2:0:8000::/65", "eth1")
        self.assertIn("error: 2001:db8:2:0:8000::/65 is already routed to eth1", self.only())

    def test_pool(self) -> None:
        """The addresses of SSTP's clients must be nowhere else, and not part of an attached network."""
        self.route("::/0")
        sstp = ("--sstp-pool", "10.99.0.0/24", "--sstp-users", "users", "--sstp-certificate-hash", "00" * 20)
        self.assertEqual([], self.found(*sstp))
        with IPRoute() as netlink:
            netlink.addr("add", address="10.99.7.1", prefixlen=16, index=netlink.link_lookup(ifname="eth0")[0])
        self.assertIn("warning: --sstp-pool 10.99.0.0/24 lies in 10.99.0.0/16, the network of eth0", self.only(*sstp))
        self.assertEqual([], self.found(*sstp, "--sstp-pool", "10.98.0.0/24"))
        self.assertIn(
            "error: 10.99.0.0/16 is already routed to eth0, and --sstp-pool 10.0.0.0/8 is for the tunnel alone",
            self.only(*sstp, "--sstp-pool", "10.0.0.0/8"),
        )

    def test_sstp_interface(self) -> None:
        """The name of SSTP's interface must be free; alone, that of IP-HTTPS does not matter."""
        self.route("::/0")
        sstp = ("--sstp-pool", "10.99.0.0/24", "--sstp-users", "users", "--sstp-certificate-hash", "00" * 20)
        self.assertIn("interface eth1 already exists", self.only(*sstp, "--sstp-interface", "eth1"))
        self.assertEqual([], self.found(*sstp, "--prefix", "", "--interface", "eth1"))

    def test_sstp_prefix(self) -> None:
        """The prefix of SSTP's clients must be nowhere else."""
        self.route("::/0")
        self.route("2001:db8:3::/65", "eth1")
        sstp = ("--sstp-prefix", "2001:db8:3::/64", "--sstp-users", "users", "--sstp-certificate-hash", "00" * 20)
        self.assertIn("error: 2001:db8:3::/65 is already routed to eth1, and --sstp-prefix", self.only(*sstp))

    def test_interface(self) -> None:
        """The name of the interface must be free and possible."""
        self.route("::/0")
        self.assertIn("error: interface eth1 already exists", self.only("--interface", "eth1"))
        self.assertIn("is not a valid interface name", self.only("--interface", "a/b"))

    def test_port(self) -> None:
        """A port that is taken is named, and so is an address that is not here."""
        self.route("::/0")
        with socket.create_server(("::", 8080), family=socket.AF_INET6):
            self.assertIn("error: cannot listen on port 8080 of *: another program uses it", self.only())
        self.assertIn("this host has no such address", self.only("--uri", "http://192.0.2.1/"))
        self.assertIn("give an address of this host, or *", self.only("--uri", "http://vpn.example/"))

    def test_control(self) -> None:
        """A control socket must have a place."""
        self.route("::/0")
        self.assertIn("its path is too long", self.only("--control", "/" + "x" * 108))
        self.assertIn("there is no directory /nowhere", self.only("--control", "/nowhere/a/b.sock"))
        self.assertIn("is not a socket", self.only("--control", "/etc/passwd"))
        self.assertEqual([], self.found("--control", str(Path.cwd() / "a.sock")))

    def test_device(self) -> None:
        """Without /dev/net/tun it is said how to get it."""
        self.route("::/0")
        self.patch(inspection, "TUN", Path("/dev/nowhere"))
        self.assertIn("error: cannot create the interface iphttps0: /dev/net/tun is missing", self.only())

    def test_clock(self) -> None:
        """A clock that stands before the program came here cannot be right."""
        self.route("::/0")
        self.assertIn("error: the clock says 1970-01-01 00:00 UTC", self.only(now=datetime.fromtimestamp(0, UTC)))

    def test_firewall(self) -> None:
        """Packet filter rules that drop forwarded packets, Neighbor Discovery or the port give a warning."""
        self.route("::/0")
        chains = "".join(
            f"chain {hook} {{ type filter hook {hook} priority 0; policy drop; }}\n" for hook in ("input", "forward")
        )
        subprocess.run(["nft", "-f", "-"], input=f"table inet f {{\n{chains}}}", text=True, check=True)
        forward, discovery, port = self.found()
        self.assertIn("warning: the firewall's chain inet f forward drops", forward)
        self.assertIn("drops Neighbor Discovery on iphttps0", discovery)
        self.assertIn("has no rule for port 8080", port)

    def test_client_firewall(self) -> None:
        """A packet filter rule that drops Router Advertisements gives a warning for the client."""
        chain = "chain input { type filter hook input priority 0; policy drop; ct state established accept; }"
        subprocess.run(["nft", "-f", "-"], input=f"table inet f {{\n{chain}\n}}", text=True, check=True)
        options = client_options.Options()
        options.parse(["--uri", "http://127.0.0.1:8080/"])
        findings = Findings(options)
        check_system(options.config, findings, datetime.now(UTC), None)
        (found,) = map(str, findings.all)
        self.assertIn(
            "warning: the firewall's chain inet f input drops Neighbor Discovery on iphttps0, by which", found
        )

    def read_only(self, *arguments: str) -> list[str]:
        """Return what is found of a server, or with arguments of a client, where /proc/sys is read-only."""

        def look() -> list[str]:
            read_only_settings()
            options = client_options.Options() if arguments else Options()
            options.parse(list(arguments or PLAIN))
            findings = Findings(options)
            check_system(options.config, findings, datetime.now(UTC), None)
            return [str(one) for one in findings.all if one.severity.value == "error"]

        return in_child(look)

    def test_read_only(self) -> None:
        """With a read-only /proc/sys only wrong settings are errors, and are named, for both daemons."""
        self.route("::/0")
        client = ("--uri", "http://127.0.0.1:8080/")
        forwarding, _ = self.read_only()
        self.assertIn("cannot set net.ipv6.conf.all.forwarding to 1: /proc/sys is mounted read-only", forwarding)
        setting("all", "forwarding", 1)
        (settings,) = self.read_only()
        self.assertIn("--sysctl net.ipv6.conf.default.accept_ra=0`", settings)
        self.assertNotIn("forwarding", settings)
        for name, value in interface_settings.SERVER.items():
            setting("default", name, value.value if isinstance(value, Wanted) else value)
        self.assertEqual([], self.read_only())
        setting("default", "forwarding", 0)
        self.assertIn("net.ipv6.conf.default.forwarding=1", str(self.read_only()))
        (settings,) = self.read_only(*client)
        self.assertIn("--sysctl net.ipv6.conf.default.accept_ra_rt_info_max_plen=128", settings)
        options = client_options.Options()
        options.parse(list(client))
        for name, value in interface_settings.client_settings(options.config).items():
            setting("default", name, value.value if isinstance(value, Wanted) else value)
        self.assertEqual([], self.read_only(*client))

    def test_no_privilege(self) -> None:
        """A user other than root is told that some checks need root."""
        need_another_user()
        self.route("::/0")

        def look() -> list[str]:
            without_privilege()
            return self.found("--uri", "http://*:80/")

        found = in_child(look)
        self.assertTrue(any("repeat the check as root" in one for one in found), found)
        self.assertFalse(any("port 80" in one for one in found), found)
