"""The clock of a machine is set while daemons run: by a day and by a year, both ways."""

import struct
import subprocess
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from iphttps.lab.authority import DAY, Authority, Identity
from iphttps.lab.laboratory import INTERFACE, LINK_DOWN, LINK_UP, addresses
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable
from tests.lab.case import LabCase

YEAR = 365 * DAY
JUMPS = (DAY, -DAY, YEAR, -YEAR)
"""The offset of the clock; each test starts with that of the one before."""

LONG = 800 * DAY
DELAY = 1.0
"""Seconds of the reconnect timer, to be told from at once and from never."""


class Clock:
    """The time of day of the programs that are started with it."""

    def __init__(self, directory: Path, name: str) -> None:
        """Have it right at first."""
        library = directory / "setclock.so"
        if not library.exists():
            source = str(Path(__file__).with_name("setclock.c"))
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), source], check=True)
        self._file = directory / f"{name}.offset"
        self._file.write_bytes(bytes(8))
        self.command = ("/usr/bin/env", f"LD_PRELOAD={library}", f"CLOCK_OFFSET={self._file}")

    def set(self, offset: timedelta) -> None:
        """Set it so far from the right time, for programs that run as well."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", int(offset.total_seconds())))


def lasting(issuer: Authority, path: Path, before: timedelta = LONG, after: timedelta = LONG) -> None:
    """Have a certificate in a file be valid from so long ago on, for so long from now."""
    key = serialization.load_pem_private_key(issuer.identity.private_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    old = x509.load_pem_x509_certificate(path.read_bytes())
    begin, end = old.not_valid_before_utc - before, old.not_valid_before_utc + after
    builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(old.issuer).public_key(old.public_key())
    builder = builder.serial_number(old.serial_number).not_valid_before(begin).not_valid_after(end)
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    made = builder.sign(key, hashes.SHA256())
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))


def answers(pings: Program) -> int:
    """Return how many pings were answered."""
    return pings.text.count("bytes from")


class ClockSetTests(LabCase):
    """Real daemons, whose C library tells them another time of day."""

    clients = 2
    reconnect = ("--reconnect-initial", str(DELAY), "--reconnect-maximum", str(DELAY))

    def setUp(self) -> None:
        """Have certificates for years, and a clock for the gateway and one for the clients."""
        super().setUp()
        authority = self.lab.authority
        lasting(authority, authority.certificate)
        lasting(authority, self.lab.server_identity.certificate, after=LONG - DAY)
        self.clocks = {name: Clock(self.lab.directory, name) for name in ("gateway", "clients")}
        self.twistd = str(Path(sys.executable).with_name("twistd"))

    def set_clocks(self, offset: timedelta) -> None:
        """Set the clocks of all machines."""
        for clock in self.clocks.values():
            clock.set(offset)

    def start_server(self, *flags: str) -> Program:
        """Start the server by the gateway's clock."""
        self.lab.twistd = [*self.clocks["gateway"].command, self.twistd]
        return self.server(*flags)

    def start_client(self, number: int = 1, identity: Identity | None = None) -> Program:
        """Start a client by the clients' clock, by default with a certificate for years."""
        self.lab.twistd = [*self.clocks["clients"].command, self.twistd]
        if identity is None:
            identity = self.lab.authority.client(f"client{number}")
            lasting(self.lab.authority, identity.certificate)
        client = self.client(number, identity=identity)
        host = self.lab.clients[number - 1]
        host.setting(f"ipv6.conf.{INTERFACE}.dad_transmits", "1")
        host.setting(f"ipv6.neigh.{INTERFACE}.retrans_time_ms", "300")  # how long the kernel waits for an objection
        return client

    def flags_of(self, host: Namespace, address: str) -> dict[str, object] | None:
        """Return what the kernel knows of an address, once Duplicate Address Detection is over."""
        (found,) = (each for each in addresses(host) if each["local"] == address)
        return None if found.get("tentative") and not found.get("dadfailed") else found

    def claim(self, number: int, address: str) -> bool:
        """Have a client give itself an address; tell whether it was free."""
        host = self.lab.clients[number - 1]
        host.ip(f"address add {address}/128 dev {INTERFACE}")
        found = wait_until(lambda: self.flags_of(host, address), f"the end of detection for {address}")
        return not found.get("dadfailed")

    def test_session(self) -> None:
        """Sessions, traffic and Neighbor Discovery go on; a lost address is noticed; who is revoked goes."""
        authority = self.lab.authority
        crl = authority.revoke(begin=-LONG, end=LONG)
        server = self.start_server("--client-crl", str(crl))
        first, second = self.start_client(1), self.start_client(2)
        one, two = self.lab.clients
        for host in (one, two):
            wait_reachable(host, PRIVATE_HOST)
        pings = self.lab.program(one, "ping", "ping", "-n", "-O", "-i", "0.1", PRIVATE_HOST)
        for turn, jump in enumerate(JUMPS):
            much, mark = answers(pings) + 20, first.mark()
            self.set_clocks(jump)
            address = f"2001:db8:2::beef:{turn:x}"
            self.assertTrue(self.claim(1, address), jump)
            wait_reachable(self.lab.private, address)
            self.assertFalse(self.claim(2, address), jump)
            one.ip(f"address add 2001:db8:99::{turn + 1:x}/128 dev lo")  # the client asks the router
            first.wait_for("the host's network has changed", since=mark)
            wait_until(partial(lambda least: answers(pings) >= least, much), "answers to the pings")
        self.assertLess(pings.text.count("no answer yet"), 5)
        for client in (first, second):
            self.assertNotIn(LINK_DOWN, client.text)
        mark = second.mark()
        two.ip("address delete 2001:db8:ffff:2::2/64 dev outer")
        second.wait_for("has lost the address", 4.0, mark)
        second.wait_for(LINK_UP, since=mark)
        identity = next(path for path in authority.directory.glob("*client1.pem"))
        authority.revoke(Identity(identity, identity.with_suffix(".key")), begin=-LONG, end=LONG)
        server.wait_for("disconnected: its certificate is revoked")
        self.assertIn("CN=client1", server.wait_for("is revoked;"))

    def test_reconnect(self) -> None:
        """The next attempt comes when it was to come, and the server that was started again has the client back."""
        server, client = self.start_server(), self.start_client()
        for jump in JUMPS:
            mark = client.mark()
            server.kill()
            client.wait_for("next attempt in", since=mark)
            waiting, began = client.mark(), time.monotonic()
            self.set_clocks(jump)
            client.wait_for("connecting to", since=waiting)
            waited = time.monotonic() - began
            self.assertTrue(DELAY / 2 < waited < 4 * DELAY, (jump, waited))
            server = self.start_server()
            client.wait_for(LINK_UP, since=mark)
            wait_reachable(self.lab.clients[0], PRIVATE_HOST)

    def test_ends(self) -> None:
        """The session goes where a certificate has ended by the new time of day, and comes back with the right time."""
        server, lasting_client = self.start_server(), self.start_client(2)
        client = self.start_client(1, self.lab.authority.client("brief"))
        self.clocks["gateway"].set(YEAR)
        self.assertIn("CN=brief", server.wait_for("disconnected: its certificate expired on"))
        client.wait_for("rejected this client's certificate: it has expired")
        self.clocks["gateway"].set(timedelta(0))
        client.wait_for(LINK_UP, since=client.text.find(LINK_DOWN))
        self.assertNotIn(LINK_DOWN, lasting_client.text)
        self.clocks["clients"].set(3 * YEAR)
        for each in (client, lasting_client):
            each.wait_for("the server's certificate expired on")
            each.wait_for("or check this host's clock")
        mark = client.mark()
        self.clocks["clients"].set(timedelta(0))
        client.wait_for(LINK_UP, since=mark)
