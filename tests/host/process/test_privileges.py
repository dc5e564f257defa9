"""Giving up root, all but two capabilities; each test does it in a child process, for there is no way back."""

from __future__ import annotations

import os
import socket
import subprocess
from ipaddress import IPv6Interface
from pathlib import Path

from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel.network import LinuxNetwork, NetworkConfig
from iphttps.host.process import privileges

from ..support import NamespaceCase, in_child, link_up, need_another_user, setting, without_privilege

NAME = "iphttps-test"
BIND_AND_ADMIN = 1 << 10 | 1 << 12  # capabilities(7): CAP_NET_BIND_SERVICE, CAP_NET_ADMIN
UP = NetworkConfig(NAME, up=True, addresses=(IPv6Interface("2001:db8:2::1/64"),), forwarding=True)
DOWN = NetworkConfig(NAME, up=False)


def capabilities() -> dict[str, int]:
    """Return this process's sets of capabilities, as the kernel shows them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line[:6]: int(line.split()[1], 16) for line in lines if line.startswith("Cap")}


def as_nobody() -> dict[str, int]:
    """Do what `twistd --uid` makes of a daemon; return the capabilities left."""
    privileges.keep()
    without_privilege()
    privileges.narrow()
    return capabilities()


class PrivilegesTests(NamespaceCase):
    """The privileges of a daemon after `twistd` has dropped to its user."""

    def setUp(self) -> None:
        """Be root of a namespace, where there is another user to become."""
        super().setUp()
        need_another_user()

    def test_exactly_two(self) -> None:
        """Two capabilities remain, in effect and permitted, and no program started later inherits them."""
        left = in_child(as_nobody)
        wanted = {"CapInh": 0, "CapPrm": BIND_AND_ADMIN, "CapEff": BIND_AND_ADMIN, "CapAmb": 0}
        self.assertEqual({name: left[name] for name in wanted}, wanted)

    def test_not_inherited(self) -> None:
        """A program that the daemon starts has no capability at all."""

        def started() -> str:
            as_nobody()
            command = ["grep", "Cap[EP]", "/proc/self/status"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        self.assertEqual(in_child(started).split(), ["CapPrm:", "0" * 16, "CapEff:", "0" * 16])

    def test_without_keep(self) -> None:
        """Without `keep` nothing is left to narrow, and that is no error."""

        def dropped() -> dict[str, int]:
            without_privilege()
            privileges.narrow()
            return capabilities()

        left = in_child(dropped)
        self.assertEqual((left["CapEff"], left["CapPrm"]), (0, 0))

    def test_root_stays_root(self) -> None:
        """For root, who has not changed, `narrow` does nothing."""

        def narrowed() -> dict[str, int]:
            privileges.keep()
            privileges.narrow()
            return capabilities()

        self.assertEqual(in_child(narrowed), capabilities())

    def test_device_still_configurable(self) -> None:
        """The link can still be taken up and down, and the host be put back, after the drop."""
        before = setting("lo", "accept_ra")
        device = TunDevice(NAME)
        self.addCleanup(device.close)

        def configured() -> list[int]:
            network = LinuxNetwork()
            as_nobody()
            network.apply(DOWN)
            network.apply(UP)
            during = [setting("all", "forwarding"), setting("lo", "accept_ra")]
            network.restore()
            network.apply(DOWN)
            return during

        self.assertEqual(in_child(configured), [1, 2])
        self.assertEqual((setting("all", "forwarding"), setting("lo", "accept_ra")), (0, before))

    def test_listening_still_possible(self) -> None:
        """The server can still listen on a port below 1024, as it does after it was disabled (3.2.4.1)."""
        link_up("lo")

        def listening() -> int:
            as_nobody()
            with socket.create_server(("127.0.0.1", 443)) as port:
                return int(port.getsockname()[1])

        self.assertEqual(in_child(listening), 443)

    def test_nothing_else(self) -> None:
        """Root's other privileges are lost: access to files, and other users."""

        def tried() -> list[str]:
            as_nobody()
            refused = []
            for name, attempt in (
                ("read", lambda: Path("/proc/1/environ").read_bytes()),
                ("become", lambda: os.setuid(0)),
                ("send", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
            ):
                try:
                    attempt()
                except PermissionError:
                    refused.append(name)
            return refused

        self.assertEqual(in_child(tried), ["read", "become", "send"])
