"""The lab's network: clients, a gateway, and a private host behind it.

    client1 --- outer      outer1 ---+
                                     | gateway --- private     private --- private host
    client2 --- outer      outer2 ---+

The outer networks carry IPv4 and IPv6, the private network IPv6 only. A client has routes to the gateway's public
addresses only: it reaches anything else through a tunnel.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from iphttps.lab.namespaces import Namespace, join

# Of the documentation prefixes (RFC 5737, RFC 3849).
GATEWAY_IPV4 = "198.51.100.1"
GATEWAY_IPV6 = "2001:db8:ffff::1"
PRIVATE_NETWORK = "2001:db8:1::/64"
PRIVATE_ROUTER = "2001:db8:1::1"
PRIVATE_HOST = "2001:db8:1::2"

# A host that can be inserted between a client and the gateway.
PROXY_IPV4 = "203.0.113.1"
PROXY_NAME = "proxy.example"

# Names in every client's hosts file: for both address families, and for each one.
GATEWAY_NAME = "gateway.example"
GATEWAY_NAME_IPV4 = "gateway4.example"
GATEWAY_NAME_IPV6 = "gateway6.example"

HOSTS = f"""\
127.0.0.1 localhost
::1 localhost
{GATEWAY_IPV4} {GATEWAY_NAME} {GATEWAY_NAME_IPV4}
{GATEWAY_IPV6} {GATEWAY_NAME} {GATEWAY_NAME_IPV6}
{PROXY_IPV4} {PROXY_NAME}
"""

MOST_CLIENTS = 64  # four addresses each, of 192.0.2.0/24


class Network:
    """Connected hosts with addresses, in namespaces; a context manager that removes everything."""

    def __init__(self, clients: int = 1) -> None:
        """Prepare a network with this number of clients."""
        if not 1 <= clients <= MOST_CLIENTS:
            raise ValueError(f"a network has 1 to {MOST_CLIENTS} clients, not {clients}")
        self._undo = ExitStack()
        self.directory = Path(self._undo.enter_context(tempfile.TemporaryDirectory(prefix="iphttps-lab-")))
        self.directory.chmod(0o755)  # for a daemon that has dropped root
        self.etc = self.directory / "etc"
        self.etc.mkdir()
        (self.etc / "hosts").write_text(HOSTS)
        self.gateway = Namespace("gateway", self.etc)
        self.private = Namespace("private", self.etc)
        self.clients = [Namespace(f"client{number}", self.etc) for number in range(1, clients + 1)]

    def __enter__(self) -> Self:
        """Create the network."""
        self.create()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the network."""
        self.remove()

    def create(self) -> None:
        """Create and connect the hosts; if this fails, remove what was created."""
        try:
            for host in (self.gateway, self.private, *self.clients):
                self.add(host)
            self._address_gateway()
            for number, client in enumerate(self.clients, start=1):
                self._connect_client(number, client)
            self._connect_private_host()
        except BaseException:  # KeyboardInterrupt, too, would leave namespaces behind
            self.remove()
            raise

    def remove(self) -> None:
        """Remove every host and the files; can be called repeatedly, and after a failed creation."""
        self._undo.close()

    def add(self, host: Namespace) -> None:
        """Create one more host, which is not connected; it is removed with the network."""
        self._undo.callback(host.remove)
        host.create()

    def between(self, client: Namespace) -> Namespace:
        """Insert a host that does not forward between a client and the gateway; the client reaches only that host."""
        host = Namespace("proxy", self.etc)
        self.add(host)
        client.ip("link delete outer")
        join(client, "outer", host, "inner")
        join(self.gateway, "proxied", host, "outer")
        client.ip("address add 203.0.113.2/24 dev outer")
        self.gateway.ip(
            "address add 203.0.113.129/25 dev proxied", "address add 2001:db8:ffff:100::1/64 dev proxied nodad"
        )
        host.ip(
            f"address add {PROXY_IPV4}/25 dev inner",
            "address add 203.0.113.130/25 dev outer",
            "address add 2001:db8:ffff:100::2/64 dev outer nodad",
            f"route add {GATEWAY_IPV4} via 203.0.113.129",
            f"route add {GATEWAY_IPV6} via 2001:db8:ffff:100::1",
        )
        return host

    def _address_gateway(self) -> None:
        self.gateway.ip(
            f"address add {GATEWAY_IPV4}/32 dev lo",
            f"address add {GATEWAY_IPV6}/128 dev lo nodad",
        )

    def _connect_client(self, number: int, client: Namespace) -> None:
        # The random delays before solicitation and detection (RFC 4861, 4862) only help large numbers of hosts.
        client.setting("ipv6.conf.default.router_solicitation_delay", "0")
        device = f"outer{number}"
        ipv4 = f"192.0.2.{4 * (number - 1) + 1}", f"192.0.2.{4 * (number - 1) + 2}"
        ipv6 = f"2001:db8:ffff:{number:x}::1", f"2001:db8:ffff:{number:x}::2"
        join(self.gateway, device, client, "outer")
        self.gateway.ip(
            f"address add {ipv4[0]}/30 dev {device}",
            f"address add {ipv6[0]}/64 dev {device} nodad",
        )
        client.ip(
            f"address add {ipv4[1]}/30 dev outer",
            f"address add {ipv6[1]}/64 dev outer nodad",
            f"route add {GATEWAY_IPV4} via {ipv4[0]}",
            f"route add {GATEWAY_IPV6} via {ipv6[0]}",
        )

    def _connect_private_host(self) -> None:
        join(self.gateway, "private", self.private, "private")
        self.gateway.ip(f"address add {PRIVATE_ROUTER}/64 dev private nodad")
        self.private.ip(
            f"address add {PRIVATE_HOST}/64 dev private nodad",
            f"route add default via {PRIVATE_ROUTER}",
        )
