"""docs/performance.md: the tables, with when and on what they were measured, and how; what was tried is left there."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from OpenSSL import SSL

from bench.rows import Row
from bench.table import tables

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BY_HAND = "## What was tried"  # from here on the page is kept

# Where Debian's package says more than the program would.
PACKAGES = ("openvpn", "ocserv", "openconnect", "wireguard-go", "stunnel4", "openssl", "iperf3")

TEXT = """\
# Performance

Measured on {date} by `{command}`, {rounds}, on {cores} cores ({processor}).

{versions}

{tables}

![What a packet costs at the server's link, with 1 to 10000 clients](performance.svg)

## How it is measured

- Clients, gateway and private host are network namespaces on one machine, with both ends of the tunnel and iperf3
  on the same cores, so a rate is that of the whole system. Absolute rates say little about other machines; ratios say
  more.
- Compared programs alternate within the run, and a ratio is computed within its round. Figures are medians of the
  rounds, with minimum and maximum in parentheses. A goal is judged by the median.
- iphttps runs in a realistic configuration: mode Certificates, TLS 1.3, a revocation list, all policy, MTU 1280.
- SSTP runs with MS-CHAPv2, TLS 1.3, IPv4 and IPv6, all policy, and an MTU of 1400. Flows go by IPv6 as in the other
  tunnels, and in a second tunnel by IPv4.
- sstp-server 0.7.2 (PyPI) is measured without PPP: one TLS connection over the loopback to its own protocol objects,
  with packets of 1400 bytes; its pty end is /dev/null. It is no tunnel, and has less to do than one.
- OpenVPN runs in user space over TCP with AES-128-GCM, ocserv and openconnect without DTLS. All tunnels reach the
  same host behind the gateway. The stunnel relay carries the bytes of the same TCP flow without packets: no tunnel
  can be faster.
- The best C tunnel over TLS is the fastest of these in each round: OpenVPN with either MTU, or ocserv.
- CPU is user and system time of the tunnel's processes at both ends, per gigabyte, half of it in each direction.
- Pings go to the gateway's address in the tunnel every 20 ms while the flow runs; the figure is their average.
- Small packets: iperf3 sends UDP packets at a given rate for a second, towards the private host. Bisection finds the
  greatest rate, to within 7 %; a rate fails if more than 1 % is lost twice in a row.
- Idle clients are real TLS sessions with two addresses each, after a full handshake. All groups of idle clients exist
  at the same time, each with a server and a busy client; the busy clients take turns. A kB is 1000 bytes.
- Idle clients of SSTP have a user, authenticated by MS-CHAPv2, an IPv4 address, a link-local address and one more. What
  they take of a processor is the server's user and system time while it sends two echo requests to each, which takes
  two minutes; all else that it does meanwhile is included.
- A turn is the work of the server's reactor between two polls, during which it serves nothing else. Other programs
  that use the processor lengthen it, hence the second figure. Advertisements come every 3 seconds, as often as
  RFC 4861 allows, and as many as it allows in an hour.
- Handshakes: four processes connect, present a certificate, send the request, wait for the response and disconnect,
  without session tickets. `openssl s_server` has the same certificate and also requires one.
- The client that stops reading is a stopped process, to which packets continue after all buffers are full.
- Crowds: each active client is a host of its own with one TCP flow. All tunnels stand at the same time and take turns.
  Rates and Jain's index are of the same four seconds, in which all flows run, by the TCP counters of the private host:
  bytes acknowledged to it, or received by it. Meanwhile an idle client pings the private host every 20 ms; a lost ping
  counts as one that never ends. Processor time is the server's alone. The flows use cubic, the tunnels' connections
  reno. In a crowd of 200 the clients are light ones: one process written in C, with a device and an address for each;
  other tunnels have none.
- Raw sessions: one process written in C holds them, and sends on each as much as its socket takes: packets of 1280
  bytes in full records, or a record for each packet of 100 bytes. They are UDP to a prefix that the gateway's kernel
  drops, and the server counts what it gives to its device. Packets per core are those for a second of the server's
  processor time.
- Single packets: the private host sends packets of 100 bytes to the sessions by turns, 60,000 per second, and 400,000,
  which is more than the server can carry. Those that arrive are counted; the server's processor time is for all. Each
  session sends a packet a second, so that its address stays known.
- Sixteen flows of one client beside clients with one flow: the rate of all sixteen, in shares of the others' average.
- The slow line is a router between client and gateway with a token bucket of 2 Mbit/s in each direction, 4 kB deep, and
  a queue of 50 ms. The client with the flow pings the private host itself.
- A crowd takes two minutes to gather and two and a half for a round, 200 light clients half a minute each; raw sessions
  take two minutes a round, single packets and sixteen flows one and a half, the slow line two.
- The curve is the cost of the link alone, policy and Neighbor Cache, without TLS and devices.
"""


def write(rows: Sequence[Row], rounds: int) -> None:
    """Write the page."""
    before = PAGE.read_text() if PAGE.exists() else ""
    PAGE.write_text(page(before, measured(rows, rounds)))


def page(before: str, measured: str) -> str:
    """Return the page with what is measured put in the place of what was, and what people have written kept."""
    _, heading, kept = before.partition(BY_HAND)
    return f"{measured}\n{heading}{kept}" if heading else measured


def measured(rows: Sequence[Row], rounds: int) -> str:
    """Return the part of the page that is generated."""
    return TEXT.format(
        date=datetime.now(UTC).date(),
        command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        rounds="one round" if rounds == 1 else f"{rounds} rounds",
        cores=len(os.sched_getaffinity(0)),
        processor=_processor(),
        versions=", ".join(_versions()) + ".",
        tables=tables(rows, markdown=True),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _versions() -> list[str]:
    found = [
        f"iphttps {version('iphttps')}{_commit()}", f"Linux {platform.release()}",
        f"{platform.python_implementation()} {platform.python_version()}", f"Twisted {version('twisted')}",
        f"pyOpenSSL {version('pyopenssl')}", SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode(),
    ]  # fmt: skip
    for package in PACKAGES:
        if number := _output("dpkg-query", "--show", "--showformat", "${Version}", package):
            found.append(f"{package} {number}")
    return found


def _commit() -> str:
    number = _output("git", "-C", str(PAGE.parent), "rev-parse", "--short", "HEAD")
    return f" ({number})" if number else ""


def _output(*command: str) -> str:
    """Return what a command prints, nothing if it fails or does not exist."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
