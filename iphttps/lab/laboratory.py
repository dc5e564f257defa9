"""The daemons in the lab's network, with certificates that they trust."""

import json
import sys
from collections.abc import Sequence
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

from iphttps.lab.authority import Authority, Identity
from iphttps.lab.errors import LabError
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import (
    GATEWAY_IPV4,
    GATEWAY_IPV6,
    GATEWAY_NAME,
    GATEWAY_NAME_IPV4,
    GATEWAY_NAME_IPV6,
    PRIVATE_NETWORK,
    Network,
)
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program

INTERFACE = "iphttps0"
TUNNEL_PREFIX = "2001:db8:2::/64"
TUNNEL_SERVER = "2001:db8:2::1"

LISTEN_URI = "https://*:443/IPHTTPS"
CLIENT_URI = f"https://{GATEWAY_NAME}/IPHTTPS"

SSTP_INTERFACE = "sstp0"
SSTP_URI = f"https://{GATEWAY_NAME}"

# Log lines that show that the daemons are ready.
LISTENING = "STOPPED -> LISTEN"
LINK_UP = "ESTABLISHED -> LINK_UP"
LINK_DOWN = "LINK_UP -> LINK_DOWN"

DEVICES = {"tun": ("--device", "tun"), "plain": ("--device", "tun", "--offload", "off"), "tap": ("--device", "tap")}
"""The flags for each type of device; `plain` has no segmentation offload."""


class Laboratory(Network):
    """A network with an authority; its programs end with it."""

    def __init__(self, clients: int = 1) -> None:
        """Prepare a lab with this number of clients."""
        super().__init__(clients)
        self.programs: list[Program] = []
        self.server_device = self.client_device = "tun"
        self.twistd: Sequence[str] = [str(Path(sys.executable).with_name("twistd"))]
        self.authority = Authority(self.directory / "authority")
        self.server_identity = self.authority.server(
            GATEWAY_NAME, GATEWAY_NAME_IPV4, GATEWAY_NAME_IPV6, GATEWAY_IPV4, GATEWAY_IPV6
        )

    def server(
        self,
        *flags: str,
        uri: str = LISTEN_URI,
        authentication: str = "certificates",
        identity: Identity | None = None,
    ) -> Program:
        """Start the server on the gateway; these flags come last and take precedence."""
        usual = ["--uri", uri, "--authentication", authentication]
        usual += [*DEVICES[self.server_device], "--interface", INTERFACE]
        usual += ["--prefix", TUNNEL_PREFIX, "--route", PRIVATE_NETWORK]
        if uri.startswith("https:"):
            usual += _identity_flags(identity or self.server_identity)
        if authentication == "certificates":
            usual += ["--client-ca", str(self.authority.certificate)]
        return self.daemon(self.gateway, "iphttps-server", *usual, *flags)

    def client(
        self,
        number: int = 1,
        *flags: str,
        uri: str = CLIENT_URI,
        identity: Identity | None = None,
    ) -> Program:
        """Start a client, by default with a new certificate; these flags come last and take precedence."""
        host = self.clients[number - 1]
        usual = ["--uri", uri, *DEVICES[self.client_device], "--interface", INTERFACE]
        if uri.startswith("https:"):
            usual += ["--ca", str(self.authority.certificate)]
            usual += _identity_flags(identity or self.authority.client(host.label))
        return self.daemon(host, "iphttps-client", *usual, *flags)

    def sstp_client(self, number: int, user: str, password: str, *flags: str, uri: str = SSTP_URI) -> Program:
        """Start an SSTP client, with the password in a file of its own; these flags come last and take precedence."""
        host = self.clients[number - 1]
        file = self.directory / f"{host.label}.password"
        file.touch(0o600)
        file.write_text(f"{password}\n")
        usual = ["--uri", uri, "--user", user, "--password-file", str(file), "--interface", SSTP_INTERFACE]
        if uri.startswith("https:"):
            usual += ["--ca", str(self.authority.certificate)]
        return self.daemon(host, "sstp-client", *usual, *flags)

    def daemon(self, host: Namespace, plugin: str, *flags: str) -> Program:
        """Start a plugin with the `twistd` of this Python."""
        if not Path(self.twistd[0]).exists():
            raise LabError(
                f"{self.twistd[0]} does not exist: run the lab with the Python in which iphttps is installed"
            )
        return self.program(host, plugin, *self.twistd, "-n", "--pidfile=", plugin, *flags)

    def program(self, host: Namespace, name: str, *command: str) -> Program:
        """Start a program on a host; its output is kept like that of the daemons."""
        label = f"{len(self.programs) + 1}-{host.label}-{name}"
        program = Program(host, f"{name} on {host.label}", *command, output=self.directory / f"{label}.log")
        self.programs.append(program)
        return program

    def logs(self) -> str:
        """Return the last lines of every program's output, for failure messages."""
        return "\n".join(f"{program.name}:\n{program.tail()}" for program in self.programs)


def tunnel_address(host: Namespace, deadline: float = 40.0) -> str:
    """Wait for a client's address in the tunnel's prefix to pass DAD, and return it."""
    return address_in(host, IPv6Network(TUNNEL_PREFIX), INTERFACE, deadline)


def address_in(host: Namespace, prefix: IPv6Network, device: str, deadline: float = 40.0) -> str:
    """Wait for an address of a device in a prefix to pass DAD, and return it."""

    def usable() -> str | None:
        for address in addresses(host, device):
            if IPv6Address(address["local"]) in prefix and not address.get("tentative"):
                return str(address["local"])
        return None

    return wait_until(usable, f"an address in {prefix} on {host.label}", deadline)


def addresses(host: Namespace, device: str = INTERFACE) -> list[dict[str, object]]:
    """Return the IPv6 addresses of a device as `ip` lists them; empty if it does not exist."""
    shown = host.run("ip", "-json", "-6", "address", "show", "dev", device, check=False)
    if shown.returncode != 0:
        return []
    return [address for entry in json.loads(shown.stdout) for address in entry.get("addr_info", ())]


def devices(host: Namespace) -> set[str]:
    """Return the names of a host's network devices."""
    return {device["ifname"] for device in json.loads(host.run("ip", "-json", "link").stdout)}


def _identity_flags(identity: Identity) -> list[str]:
    return ["--certificate", str(identity.certificate), "--private-key", str(identity.private_key)]
