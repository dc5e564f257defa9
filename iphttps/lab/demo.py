"""`make demo`: tunnels of both protocols between network namespaces are set up, used, interrupted and restored."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv6Network
from pathlib import Path

from iphttps.lab import privilege
from iphttps.lab.errors import LabError, LabUnavailable
from iphttps.lab.laboratory import (
    INTERFACE,
    LINK_DOWN,
    LINK_UP,
    LISTENING,
    SSTP_INTERFACE,
    TUNNEL_SERVER,
    Laboratory,
    address_in,
    devices,
    tunnel_address,
)
from iphttps.lab.namespaces import Namespace, remaining
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.programs import Program
from iphttps.lab.traffic import transfer, wait_reachable
from iphttps.lab.transcript import Outcome, Result, Transcript

SSTP_POOL, SSTP_SERVER = "10.99.0.0/24", "10.99.0.1"
SSTP_PREFIX = "2001:db8:3::/64"
SITE = "2001:db8::/46"  # both tunnels and the private network: the clients reach each other
USER, PASSWORD = "bob", "a password"

# Their standard input is a file, so that the password is no argument.
_WITH_INPUT = 'file=$1 && shift && exec "$@" <"$file"'

TRANSFER_SIZE = 100_000_000
PINGS = 10
SECONDS_TO_STOP = 2.0

# Shorter than the client's defaults, which are those of 3.1.2.1.
RECONNECT = ("--reconnect-initial", "1", "--reconnect-maximum", "5")

# A line of a daemon's log, except those of twistd itself.
LOG_LINE = re.compile(r"\S+ \[(?!twisted|-\])[^]]*\] (.*)")


class Demonstration:
    """The steps in order; each returns its finding or raises LabError."""

    def __init__(self, lab: Laboratory, transcript: Transcript) -> None:
        """Use an existing lab."""
        self._lab = lab
        self._transcript = transcript
        self._host, self._other = lab.clients
        self._users, self._password = lab.directory / "users.toml", lab.directory / "password"

    def hosts(self) -> str:
        """Show the hosts, and that the private network is unreachable without a tunnel."""
        for host in (self._host, self._other, self._lab.gateway, self._lab.private):
            self._show(host, "ip", "-brief", "address")
        if self._show(self._host, "ping", "-n", "-c", "1", "-W", "1", PRIVATE_HOST).returncode == 0:
            raise LabError("the private host answers without a tunnel: the demo would prove nothing")
        return "the private host is unreachable without a tunnel"

    def certificates(self) -> str:
        """Show the files of the authority created for this run."""
        self._client_identity = self._lab.authority.client("client1")
        files = sorted(self._lab.authority.directory.iterdir())
        self._transcript.output(str(file.relative_to(self._lab.directory)) for file in files)
        return "an authority, a server certificate and a client certificate"

    def user(self) -> str:
        """Add a user for SSTP."""
        self._password.write_text(f"{PASSWORD}\n")
        iphttps = str(Path(sys.executable).with_name("iphttps"))
        command = ("users", "add", USER, "--password-stdin", "--file", str(self._users))
        self._transcript.command(self._lab.gateway.label, ("iphttps", *self._bare(command)))
        self._lab.gateway.run("sh", "-ec", _WITH_INPUT, "sh", str(self._password), iphttps, *command)
        self._transcript.output(self._users.read_text().splitlines())
        return f"{USER}, with the hash of a password"

    def start_server(self) -> str:
        """Start the server, for both protocols on one port."""
        self._server = self._start_server()
        self._server.wait_for(LISTENING)
        self._show_log(self._server)
        return "LISTEN"

    def start_client(self) -> str:
        """Start the client."""
        begin = time.monotonic()
        self._client = self._lab.client(1, *RECONNECT, identity=self._client_identity)
        self._show_start(self._client)
        self._client.wait_for(LINK_UP)
        seconds = time.monotonic() - begin
        self._show_log(self._client)
        return f"LINK_UP after {seconds:.1f} s"

    def configuration(self) -> str:
        """Show the client's addresses and routes from the Router Advertisement."""
        self._address = tunnel_address(self._host)
        self._show(self._host, "ip", "-6", "address", "show", "dev", INTERFACE, "scope", "global")
        routes = self._show(self._host, "ip", "-6", "route", "show", "dev", INTERFACE, "proto", "ra")
        if not routes.stdout.strip():
            raise LabError("the Router Advertisement brought no route")
        return self._address

    def pings(self) -> str:
        """Ping the server's end of the tunnel and the private host."""
        for address in (TUNNEL_SERVER, PRIVATE_HOST):
            wait_reachable(self._host, address)
            shown = self._show(self._host, "ping", "-n", "-q", "-c", str(PINGS), "-i", "0.1", address)
            if shown.returncode != 0 or " 0% packet loss" not in shown.stdout:
                raise LabError(f"not every ping to {address} was answered")
        times = shown.stdout.rpartition("= ")[2].split("/")
        return f"{PINGS} of {PINGS} answered by the private host, {times[1]} ms on average"

    def upload(self) -> str:
        """Send to the private host."""
        return self._transfer(self._host, self._lab.private, PRIVATE_HOST)

    def download(self) -> str:
        """Receive from the private host."""
        return self._transfer(self._lab.private, self._host, self._address)

    def loss(self) -> str:
        """Kill the server, as a crash would."""
        self._mark = self._client.mark()
        self._transcript.command(self._lab.gateway.label, ("kill", "-KILL", str(self._server.pid)))
        begin = time.monotonic()
        self._server.kill()
        self._client.wait_for(LINK_DOWN, since=self._mark)
        seconds = time.monotonic() - begin
        self._show_log(self._client, self._mark)
        return f"the client noticed after {seconds:.1f} s"

    def recovery(self) -> str:
        """Start the server again; the client is left alone."""
        mark = self._client.mark()
        self._server = self._start_server()
        self._server.wait_for(LISTENING)
        begin = time.monotonic()
        self._client.wait_for(LINK_UP, since=self._mark, deadline=20)
        wait_reachable(self._host, PRIVATE_HOST)
        seconds = time.monotonic() - begin
        self._show_log(self._client, mark)
        return f"the private host is reachable again after {seconds:.1f} s"

    def start_sstp(self) -> str:
        """Start an SSTP client on the other host."""
        begin = time.monotonic()
        self._sstp = self._lab.sstp_client(2, USER, PASSWORD)
        self._show_start(self._sstp)
        self._sstp.wait_for(LINK_UP)
        seconds = time.monotonic() - begin
        self._show_log(self._sstp)
        self._other_address = address_in(self._other, IPv6Network(SSTP_PREFIX), SSTP_INTERFACE)
        self._show(self._other, "ip", "-brief", "address", "show", "dev", SSTP_INTERFACE)
        return f"{USER} is logged in after {seconds:.1f} s"

    def sstp_pings(self) -> str:
        """Ping by both families, and from client to client across the two protocols."""
        for host, address in (
            (self._other, SSTP_SERVER),
            (self._other, PRIVATE_HOST),
            (self._host, self._other_address),
        ):
            wait_reachable(host, address)
            shown = self._show(host, "ping", "-n", "-q", "-c", str(PINGS), "-i", "0.1", address)
            if shown.returncode != 0 or " 0% packet loss" not in shown.stdout:
                raise LabError(f"not every ping to {address} was answered")
        return "by IPv4 and IPv6, and between the clients of the two protocols"

    def sstp_transfer(self) -> str:
        """Send to the private host by SSTP."""
        return self._transfer(self._other, self._lab.private, PRIVATE_HOST)

    def stop(self) -> str:
        """Stop all with SIGTERM; each removes its device."""
        slowest = 0.0
        stopped = (
            (self._sstp, self._other, SSTP_INTERFACE),
            (self._client, self._host, INTERFACE),
            (self._server, self._lab.gateway, INTERFACE),
        )
        for program, host, interface in stopped:
            mark = program.mark()
            self._transcript.command(host.label, ("kill", "-TERM", str(program.pid)))
            begin = time.monotonic()
            # After its cleanup, twistd ends by the signal itself.
            if (status := program.stop()) not in (0, -signal.SIGTERM):
                raise LabError(f"{program.name} ended with status {status}\n{program.tail()}")
            slowest = max(slowest, time.monotonic() - begin)
            self._show_log(program, mark)
            if interface in devices(host):
                raise LabError(f"{program.name} has left {interface} behind")
        if slowest > SECONDS_TO_STOP:
            raise LabError(f"stopping took {slowest:.1f} s")
        if SSTP_INTERFACE in devices(self._lab.gateway):
            raise LabError(f"{self._server.name} has left {SSTP_INTERFACE} behind")
        return f"within {slowest:.1f} s, {INTERFACE} and {SSTP_INTERFACE} gone on all sides"

    def _start_server(self) -> Program:
        sstp = ("--sstp-pool", SSTP_POOL, "--sstp-prefix", SSTP_PREFIX, "--sstp-users", str(self._users))
        server = self._lab.server("--route", SITE, *sstp)
        self._show_start(server)
        return server

    def _bare(self, words: Sequence[str]) -> list[str]:
        directory = f"{self._lab.directory}/"
        return [word.replace(directory, "") for word in words]

    def _transfer(self, sender: Namespace, receiver: Namespace, address: str) -> str:
        self._transcript.say(f"{TRANSFER_SIZE:,} bytes over TCP from {sender.label} to {receiver.label} at {address}")
        done = transfer(sender, receiver, address, TRANSFER_SIZE)
        self._transcript.output(
            [
                f"sent     {done.sent:>11,} bytes  SHA-256 {done.sent_sha256}",
                f"received {done.received:>11,} bytes  SHA-256 {done.received_sha256}",
            ]
        )
        if not done.intact or done.received != TRANSFER_SIZE:
            raise LabError("the data received differs from the data sent")
        return f"{done.mbit_per_second:.0f} Mbit/s, SHA-256 identical at both ends"

    def _show(self, host: Namespace, *command: str) -> subprocess.CompletedProcess[str]:
        self._transcript.command(host.label, command)
        done = host.run(*command, check=False)
        self._transcript.output(line for line in (done.stdout + done.stderr).splitlines() if line.strip())
        return done

    def _show_start(self, program: Program) -> None:
        self._transcript.command(program.namespace.label, ("twistd", *self._bare(program.command)[1:]))

    def _show_log(self, program: Program, since: int = 0) -> None:
        lines = program.text[since:].splitlines()
        self._transcript.output(match[1] for match in map(LOG_LINE.match, lines) if match)


STEPS: Sequence[tuple[str, Callable[[Demonstration], str]]] = (
    ("two clients, a gateway and a private host", Demonstration.hosts),
    ("certificates are issued", Demonstration.certificates),
    ("a user is added", Demonstration.user),
    ("the server starts, with IP-HTTPS and SSTP", Demonstration.start_server),
    ("a client connects by IP-HTTPS", Demonstration.start_client),
    ("an address by SLAAC, a route from the RA", Demonstration.configuration),
    ("ping through the tunnel", Demonstration.pings),
    ("100 MB from the client", Demonstration.upload),
    ("100 MB to the client", Demonstration.download),
    ("the server is killed", Demonstration.loss),
    ("the server restarts, the client reconnects", Demonstration.recovery),
    ("another client connects by SSTP", Demonstration.start_sstp),
    ("ping through both tunnels", Demonstration.sstp_pings),
    ("100 MB by SSTP", Demonstration.sstp_transfer),
    ("all are stopped", Demonstration.stop),
)
REMOVAL = "everything is removed"


def demonstrate(transcript: Transcript) -> list[Outcome]:
    """Run the steps until one fails or the user interrupts, then remove everything."""
    outcomes: list[Outcome] = []
    before = _devices_here()
    lab = Laboratory(clients=2)
    try:
        with lab:
            try:
                _take_steps(Demonstration(lab, transcript), transcript, outcomes)
            finally:
                # A second Ctrl-C must not stop the removal.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        transcript.line()
        transcript.say("interrupted")
    except LabError as error:
        transcript.say(str(error))
    outcomes += [Outcome(title, Result.NOT_REACHED) for title, _ in STEPS[len(outcomes) :]]
    transcript.step(len(outcomes) + 1, REMOVAL)
    outcomes.append(_removal(lab, before))
    transcript.result(outcomes[-1])
    return outcomes


def _take_steps(demonstration: Demonstration, transcript: Transcript, outcomes: list[Outcome]) -> None:
    for title, take in STEPS:
        transcript.step(len(outcomes) + 1, title)
        try:
            outcomes.append(Outcome(title, Result.DONE, take(demonstration)))
        except LabError as error:
            outcomes.append(Outcome(title, Result.FAILED, str(error)))
        transcript.result(outcomes[-1])
        if outcomes[-1].result is Result.FAILED:
            return


def _removal(lab: Laboratory, devices_before: set[str]) -> Outcome:
    """Check that nothing created is left."""
    left = remaining()
    left += [program.name for program in lab.programs if program.running]
    left += sorted(_devices_here() - devices_before)
    left += [str(lab.directory)] if lab.directory.exists() else []
    if left:
        return Outcome(REMOVAL, Result.FAILED, f"left: {', '.join(left)}")
    return Outcome(REMOVAL, Result.DONE, "no namespace, device, process or file left")


def _devices_here() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def main() -> int:
    """Run the demo; return 0 if every step succeeded, otherwise 1."""
    try:
        privilege.enter()
    except LabUnavailable as reason:
        print(f"demo: {reason}", file=sys.stderr)
        return 1
    # These signals, too, clean up first.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    transcript = Transcript(sys.stdout)
    outcomes = demonstrate(transcript)
    transcript.table(outcomes)
    return 0 if all(outcome.result is Result.DONE for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
