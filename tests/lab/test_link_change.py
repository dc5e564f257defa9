"""The network under the client changes while a download runs."""

import re
import threading
import time

from iphttps.lab.laboratory import LINK_UP, tunnel_address
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME_IPV4, PRIVATE_HOST
from iphttps.lab.traffic import Transfer, transfer, wait_reachable
from tests.lab.case import LabCase

CLOSED_URI = f"https://{GATEWAY_NAME_IPV4}:444/IPHTTPS"
"""A port without a listener."""

CHURN = 6.0
"""Seconds in which an interface comes and goes: several times those after which a change is told."""

SOON = 5.0
"""Seconds in which the client must be back."""


DEAD = """
table inet dead {{
    chain input {{
        type filter hook input priority 0;
        tcp sport {port} drop
    }}
}}
"""


class LinkChangeTests(LabCase):
    """Address and route of the client's outer interface, with the usual half a minute between attempts."""

    reconnect = ()

    def test_other_network(self) -> None:
        """After the move to another network the client is back within seconds, and the download goes on (LC-12)."""
        self.server()
        client = self.client(1, uri=f"https://{GATEWAY_NAME_IPV4}/IPHTTPS")
        host, gateway = self.lab.clients[0], self.lab.gateway
        wait_reachable(host, PRIVATE_HOST)
        outcome: list[Transfer] = []
        address = tunnel_address(host)
        download = threading.Thread(target=lambda: outcome.append(transfer(self.lab.private, host, address, 400 << 20)))
        download.start()
        self.addCleanup(download.join)
        gateway.ip("address add 192.0.2.201/30 dev outer1")
        mark, began = client.mark(), time.monotonic()
        host.ip(
            f"route delete {GATEWAY_IPV4}",
            "address delete 192.0.2.2/30 dev outer",
            "address add 192.0.2.202/30 dev outer",
            f"route add {GATEWAY_IPV4} via 192.0.2.201",
        )
        client.wait_for(LINK_UP, since=mark)
        self.assertTrue(download.is_alive(), "the download was over before it was disturbed")
        wait_reachable(host, PRIVATE_HOST)
        self.assertLess(time.monotonic() - began, SOON)
        self.assertIn("has lost the address", client.text)
        download.join()
        self.assertTrue(outcome[0].intact)

    def test_dead_path(self) -> None:
        """A dead connection is detected by the router's silence, and replaced."""
        self.server()
        client = self.client()
        host, gateway = self.lab.clients[0], self.lab.gateway
        wait_reachable(host, PRIVATE_HOST)
        (port,) = re.findall(r":(\d+) +\S+:443 *$", host.run("ss", "-Htn", "dport = :443").stdout.strip(), re.MULTILINE)
        gateway.run("nft", "-f", "-", stdin=DEAD.format(port=port))
        mark, began = client.mark(), time.monotonic()
        host.ip("address add 203.0.113.7/24 dev outer")
        client.wait_for("the router on the link does not answer", since=mark)
        client.wait_for(LINK_UP, since=mark)
        wait_reachable(host, PRIVATE_HOST)
        self.assertLess(time.monotonic() - began, SOON)

    def test_unrelated_interfaces(self) -> None:
        """An interface that comes and goes, as with containers, changes nothing in the schedule (3.1.2.1)."""
        host = self.lab.clients[0]
        client = self.lab.client(1, uri=CLOSED_URI)
        client.wait_for("next attempt in")
        end = time.monotonic() + CHURN
        while time.monotonic() < end:
            host.ip("link add churn0 type veth peer name churn1")
            host.ip("link set churn0 up", "link set churn1 up", "address add 10.99.99.1/24 dev churn0")
            host.ip("link delete churn0")
        mark = client.mark()
        host.ip(f"route delete {GATEWAY_IPV4}")  # the marker behind what must not be told
        client.wait_for("connecting to", since=mark)
        self.assertEqual((1, 2), (client.text.count("network has changed"), client.text.count("connecting to")))
