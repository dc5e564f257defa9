"""Full TLS handshakes to LINK_UP per second, against `openssl s_server`; what a flow keeps of its rate meanwhile."""

import re
import sys
from statistics import mean

from bench import cpu, handshake_load
from bench.flow import DOWN, SECONDS, UP, rate
from bench.peers.ours import ours
from bench.peers.tunnel import Tunnel
from bench.progress import say
from bench.rows import Group, Row, at_least
from iphttps.lab.laboratory import Laboratory
from iphttps.lab.network import GATEWAY_IPV6
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program

PORT = 4433
FLAGS = ("--max-sessions-per-identity", "0", "--max-handshakes-per-source", "512")


def measure(rounds: int) -> list[Row]:
    """Knock at both servers in each round, then let a flow run without and with knocking beside it."""
    done: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    calm: list[float] = []
    stormy: list[float] = []
    with ours(*FLAGS, another_host=True) as tunnel:
        servers = (("iphttps", 443, tunnel.daemons[0]), ("file", PORT, _start_s_server(tunnel.lab)))
        for number in range(1, rounds + 1):
            for request, port, server in servers:
                before = cpu.seconds([server])
                per_second = _per_second(_knock(tunnel, request, port, SECONDS))
                done.setdefault(request, []).append(per_second)
                milliseconds = (cpu.seconds([server]) - before) * 1000
                costs.setdefault(request, []).append(milliseconds / (per_second * SECONDS))
            calm.append(_both_ways(tunnel))
            # Longer than two flows take with all that belongs to them.
            storm = _knock(tunnel, "iphttps", 443, 2 * SECONDS + 2)
            stormy.append(_both_ways(tunnel))
            meanwhile = _per_second(storm)
            say(
                f"  round {number}: {done['iphttps'][-1]:.0f} per second, s_server {done['file'][-1]:.0f}; "
                f"a flow {calm[-1]:.0f} Mbit/s, beside {meanwhile:.0f} handshakes per second {stormy[-1]:.0f}"
            )
    rival = "openssl s_server"
    return [
        Row("full TLS handshakes to LINK_UP", "1/s", done["iphttps"], rival, done["file"], at_least(0.3)),
        Row("the server's CPU for such a handshake", "ms", costs["iphttps"], rival, costs["file"]),
        Row("one flow beside handshakes, mean of up and down", "Mbit/s", stormy, "without them", calm, at_least(0.5)),
    ]


def _start_s_server(lab: Laboratory) -> Program:
    """Start it with our server's certificate; it demands one as well, and answers with a file."""
    (lab.directory / "answer").write_text("here\n")
    identity = lab.server_identity
    server = lab.program(
        lab.gateway, "s_server", "openssl", "s_server", "-6", "-accept", str(PORT), "-quiet", "-WWW",
        "-cert", str(identity.certificate), "-key", str(identity.private_key),
        "-CAfile", str(lab.authority.certificate), "-Verify", "1", "-verify_return_error",
    )  # fmt: skip
    wait_until(lambda: f":{PORT} " in lab.gateway.run("ss", "-Hltn").stdout, "s_server")
    return server


def _knock(tunnel: Tunnel, request: str, port: int, seconds: int) -> Program:
    lab = tunnel.lab
    identity = lab.authority.client("knocking")
    program = lab.program(
        lab.clients[-1], "knocks", sys.executable, str(handshake_load.__file__), str(lab.authority.certificate),
        str(identity.certificate), str(identity.private_key), GATEWAY_IPV6, str(port), str(seconds), request,
    )  # fmt: skip
    program.wait_for("going")
    return program


def _per_second(program: Program) -> float:
    said = program.wait_for("per second", 30)
    found = re.search(r"([\d.]+) per second, (\d+) failed", said)
    assert found, said
    if found[2] != "0":
        say(f"  {found[2]} handshakes failed")
    return float(found[1])


def _both_ways(tunnel: Tunnel) -> float:
    return mean([rate(tunnel, UP), rate(tunnel, DOWN)])


GROUP = Group("handshakes", "full TLS handshakes per second, alone and beside a flow", measure)
