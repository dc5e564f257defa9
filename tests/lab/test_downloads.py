"""Clients for which more comes than the server can send."""

import json
import sys
from pathlib import Path

from iphttps.lab.laboratory import TUNNEL_PREFIX
from iphttps.lab.network import GATEWAY_IPV6
from iphttps.lab.poll import wait_until
from tests.lab import flooding
from tests.lab.case import LabCase

CLIENTS = 4
TIMES = 6
ENOUGH = 40_000
"""Packets sent to the clients in all, after which their shares are compared."""


class DownloadTests(LabCase):
    """Raw sessions, which read all that comes."""

    def test_shares(self) -> None:
        """Six times as many packets bring a client no more than others get."""
        control = self.lab.directory / "control.sock"
        self.server("--max-sessions-per-identity", "0", "--control", str(control))
        busy = self.lab.authority.client("busy")
        program = sys.executable, str(Path(flooding.__file__))
        prefix = TUNNEL_PREFIX.partition("/")[0]
        files = map(str, (self.lab.authority.certificate, busy.certificate, busy.private_key))
        host = self.lab.clients[0]
        receiver = self.lab.program(host, "receiver", *program, "receive", *files, GATEWAY_IPV6, prefix, str(CLIENTS))
        receiver.wait_for("joined")
        sender = self.lab.program(self.lab.private, "sender", *program, "send", prefix, str(CLIENTS), str(TIMES))

        def counters() -> list[dict[str, int]]:
            asked = self.lab.gateway.run("curl", "-s", "--unix-socket", str(control), "http://local/clients")
            return [client["counters"] for client in json.loads(asked.stdout)["clients"]]

        def sent() -> list[int]:
            return [each["packets_out"] for each in counters()]

        def equal() -> bool:
            """Compare the shares of the next packets; where the server has time to spare, the flood may have it."""
            before = sent()
            wait_until(lambda: sum(sent()) > sum(before) + ENOUGH, "more of the flood")
            first, *others = [after - earlier for after, earlier in zip(sent(), before, strict=True)]
            return first < 1.1 * min(others)

        wait_until(lambda: sum(sent()) > ENOUGH, "the flood")
        wait_until(equal, "equal shares")
        self.assertTrue(receiver.running and sender.running)
