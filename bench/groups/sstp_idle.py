"""Idle clients of SSTP: what they cost in memory, and what the echo requests to them take of a processor."""

import re
import sys
import time

from bench import cpu, idle_sstp_clients
from bench.peers.ours import SSTP_PASSWORD, SSTP_PREFIX, SSTP_USER, ours_sstp
from bench.progress import say
from bench.rows import Group, Row, at_most
from iphttps.core.sstp.states import HELLO
from iphttps.lab.errors import LabError
from iphttps.lab.network import GATEWAY_NAME
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program

SIZE = 1000
JOINING = 300.0  # seconds, at most
FLAGS = (
    *("--max-clients", "2000", "--max-sessions-per-identity", "0"),
    *("--max-handshakes-per-source", "512", "--max-sessions-per-source", "0"),
)

REQUESTS = 2
"""Echo requests to each client, on average, during which the server's processor time is counted."""

OPEN = re.compile(r"(\d+) open, (\d+) echoes")


def measure(rounds: int) -> list[Row]:
    """Gather a crowd, and let it be idle; once, whatever the number of rounds."""
    with ours_sstp(*FLAGS, another_host=True) as tunnel:
        lab, server = tunnel.lab, tunnel.daemons[0]
        before = cpu.resident(server)
        secret = lab.directory / "password"
        secret.write_text(f"{SSTP_PASSWORD}\n")
        crowd = lab.program(
            lab.clients[-1],
            "crowd",
            *("sh", "-ec", 'exec "$@" <"$0"', str(secret), sys.executable, str(idle_sstp_clients.__file__)),
            *(GATEWAY_NAME, str(lab.authority.certificate), SSTP_USER, SSTP_PREFIX, str(SIZE)),
        )
        crowd.wait_for("joined", JOINING)
        # The first request to each is answered: from now on there is one for each in every interval.
        wait_until(lambda: _counted(crowd)[1] >= SIZE, f"{SIZE} echo requests", 3 * HELLO)
        each = (cpu.resident(server) - before) / SIZE
        say(f"  {SIZE} idle clients joined, {each / 1000:.1f} kB each")
        asked, used, begin = _counted(crowd)[1], cpu.seconds([server]), time.monotonic()
        wanted = asked + REQUESTS * SIZE
        wait_until(lambda: _counted(crowd)[1] >= wanted, f"{wanted} echo requests", (REQUESTS + 2) * HELLO)
        share = (cpu.seconds([server]) - used) / (time.monotonic() - begin)
        there, answered = _counted(crowd)
        say(f"  {there} of {SIZE} still there, {answered - asked} echo requests, {share:.2%} of a processor")
        if there < SIZE:
            raise LabError(f"only {there} of {SIZE} idle clients are still there")
    return [
        Row(f"memory for each of {SIZE} idle clients, SSTP", "kB", [each / 1000], goal=at_most(55)),
        Row(f"a processor's time for {SIZE} idle clients, SSTP", "%", [100 * share], goal=at_most(2)),
    ]


def _counted(crowd: Program) -> tuple[int, int]:
    """Return how many clients of the crowd are there, and how many echo requests they have answered."""
    found = OPEN.findall(crowd.text)
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)


GROUP = Group("sstp-idle", "idle clients of SSTP, their memory, echo requests to them", measure)
