"""Tests for iphttps.host.kernel.routes."""

from __future__ import annotations

from pathlib import Path

from pyroute2 import IPRoute
from twisted.trial.unittest import SynchronousTestCase

from iphttps.host.kernel import routes as module
from iphttps.host.kernel.routes import routes

from ..support import NamespaceCase, link_up


class RoutesTests(NamespaceCase):
    """The kernel's list."""

    def test_list(self) -> None:
        """Prefixes and the default route are there; this host's own addresses, link-local and multicast are not."""
        with IPRoute() as netlink:
            netlink.link("add", ifname="test0", kind="veth", peer="test1")
            (index,) = netlink.link_lookup(ifname="test0")
            link_up("test0")
            link_up("test1")
            netlink.addr("add", index=index, address="2001:db8:2::5", prefixlen=64)
            netlink.route("add", dst="2001:db8:1::/48", oif=index)
            netlink.route("add", dst="::/0", oif=index)
        self.assertEqual(["::/0", "2001:db8:1::/48", "2001:db8:2::/64"], list(map(str, routes("test0"))))
        self.assertEqual([], routes("test"))


class NoIPv6Tests(SynchronousTestCase):
    """A kernel without IPv6."""

    def test_no_ipv6(self) -> None:
        """There is no list, and there are no routes."""
        self.patch(module, "_LIST", Path(self.mktemp()))
        self.assertEqual([], routes("test0"))
