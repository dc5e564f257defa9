"""A crowd of SSTP clients that do nothing: calls with a user, which answer the server's echo requests and send no more.

    python idle_sstp_clients.py HOST AUTHORITY USER PREFIX COUNT

opens COUNT calls one after the other, prints `joined`, and then once a second how many calls are open, and how many
echo requests they have answered in all. The first line of its input is the password. Each client has an IPv4 address,
and has sent from its link-local address and one in PREFIX.
"""

import resource
import select
import sys
import time
from ipaddress import IPv6Address, IPv6Network

from iphttps.app.sstp_client import Client
from iphttps.core.errors import ConfigError
from iphttps.core.ip import icmpv6, ipv6
from iphttps.core.ip.batch import Batch
from iphttps.core.sstp.codec import ControlPacket

ROUTER_SOLICITATION, ECHO_REQUEST = 133, 128


class Call:
    """One call."""

    def __init__(self, client: Client, prefix: IPv6Network) -> None:
        """Open it, and have the server learn its addresses."""
        self.echoes = 0
        self._client = client
        client.connect()
        link_local = IPv6Address("fe80::").packed[:8] + client.ipv6cp.identifier
        address = prefix.network_address.packed[:8] + client.ipv6cp.identifier
        packets = (
            icmpv6.message(ROUTER_SOLICITATION, 0, bytes(4), link_local, ipv6.ALL_ROUTERS),
            icmpv6.message(ECHO_REQUEST, 0, bytes(4), address, prefix[1].packed),
        )
        client.stream.sendall(client.codec.encode(Batch.of(packets)))

    def fileno(self) -> int:
        """Return the connection's file descriptor."""
        return self._client.stream.fileno()

    def read(self) -> bool:
        """Read what is there and answer echo requests; tell whether the call is still open."""
        client, codec = self._client, self._client.codec
        try:
            codec.feed(client.stream.receive())
            while True:
                self.echoes += sum(isinstance(item, ControlPacket) for item in codec.control)
                client.control()
                if not codec.pending:
                    return True
                codec.feed(b"")
        except (ConfigError, OSError) as error:
            print(f"ended: {error}", flush=True)
            return False


def main() -> None:
    """Open the calls and keep them."""
    host, authority, user, prefix, count = sys.argv[1:]
    password = sys.stdin.readline().rstrip("\n")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    calls: dict[int, Call] = {}
    poller = select.epoll()
    echoes = 0
    for _ in range(int(count)):
        call = Call(Client(host, authority, user, password), IPv6Network(prefix))
        calls[call.fileno()] = call
        poller.register(call, select.EPOLLIN)
    print("joined", flush=True)
    due = time.monotonic()
    while True:
        for descriptor, _ in poller.poll(max(0.0, due - time.monotonic())):
            if not calls[descriptor].read():
                poller.unregister(descriptor)
                echoes += calls.pop(descriptor).echoes
        if time.monotonic() >= due:
            due = time.monotonic() + 1
            answered = echoes + sum(call.echoes for call in calls.values())
            print(f"{len(calls)} open, {answered} echoes", flush=True)


if __name__ == "__main__":
    main()
