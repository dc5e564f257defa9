"""Configurations broken as people break them: what the daemon says of each, and what `iphttps check` does."""

from __future__ import annotations

import re
import shutil
import socket
import sys
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from iphttps.lab.authority import Authority
from iphttps.lab.network import GATEWAY_NAME, PRIVATE_NETWORK
from tests.lab.raw import inside
from tests.lab.test_five_minutes import MachineCase

IPHTTPS = str(Path(sys.executable).with_name("iphttps"))
PORT = 8443
DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
FILE = "/etc/iphttps/server/main.toml"
LINES = (
    'uri = "https://*:443/IPHTTPS"',
    'prefix = "2001:db8:2::/64"',
    f'route = ["{PRIVATE_NETWORK}"]',
    'client-ca = "/etc/iphttps/ca.pem"',
    'private-key = "/etc/iphttps/server/main.key"',
    'certificate = "/etc/iphttps/server/main.pem"',
    'interface = "iphttps0"',
    "max-clients = 50",
)


class Start(Enum):
    """The server's reaction to a file; `iphttps check` always reports it with the file and the line."""

    TELLS_PLACE = auto()
    """It refuses to start, with the file and the line."""
    REFUSES = auto()
    """It refuses to start, with the same sentence alone, because what is wrong is not in the file itself."""
    STARTS = auto()
    """It starts, and nobody can connect."""


@dataclass(frozen=True, slots=True)
class Way:
    """The replacement of a line, the place of the error, and its sentence."""

    line: int
    text: str
    place: str
    sentence: str
    start: Start = Start.TELLS_PLACE


WAYS = {
    "a key that is none": Way(8, "max-cleints = 50", "8", "unknown key 'max-cleints'; did you mean 'max-clients'?"),
    "a wrong value": Way(8, "max-clients = 0", "8", "max-clients takes a number of at least 1, not '0'"),
    "a prefix of another length": Way(
        2, 'prefix = "2001:db8:2::/48"', "2",
        "prefix 2001:db8:2::/48 must be a /64: clients form 64-bit interface identifiers",
    ),
    "no TOML": Way(
        2, "prefix = 2001:db8:2::/64", "2:14", "not TOML: expected newline or end of document after a statement"
    ),
    "a certificate that is not there": Way(
        6, 'certificate = "/etc/iphttps/server/mian.pem"', "6",
        "certificate: cannot read /etc/iphttps/server/mian.pem: No such file or directory",
    ),
    "what cannot be read": Way(
        5, 'private-key = "/etc/iphttps/server"', "5",
        "private-key: cannot read /etc/iphttps/server: Is a directory",
    ),
    "another certificate's key": Way(
        5, 'private-key = "/etc/iphttps/other.key"', "6",
        "/etc/iphttps/other.key is not the key of /etc/iphttps/server/main.pem: give the matching "
        "private key", Start.REFUSES,
    ),
    "an expired certificate": Way(
        6, 'certificate = "/etc/iphttps/expired.pem"', "6",
        "/etc/iphttps/expired.pem expired on DATE UTC: renew it", Start.REFUSES,
    ),
    "a certificate that is no authority's": Way(
        4, 'client-ca = "/etc/iphttps/server/main.pem"', "4",
        "/etc/iphttps/server/main.pem holds the certificate of CN=gateway.example, which is not an authority: use "
        "the authority that issued it", Start.STARTS,
    ),
    "an interface that is there": Way(
        7, 'interface = "private"', "7",
        "interface private already exists: stop the program that created it, or choose another name with --interface",
        Start.REFUSES,
    ),
    "no name for an interface": Way(
        7, 'interface = "longer than fifteen"', "7",
        "'longer than fifteen' is not a valid interface name: use 1 to 15 letters, digits and signs other than /:%",
        Start.REFUSES,
    ),
    "a port that is taken": Way(
        1, f'uri = "https://*:{PORT}/IPHTTPS"', "1",
        f"cannot listen on port {PORT} of *: another program uses it; `ss -ltnp` names it", Start.REFUSES,
    ),
}  # fmt: skip


class ServerTests(MachineCase):
    """A server's configuration, with one thing wrong at a time."""

    def setUp(self) -> None:
        """Put certificates where they belong."""
        super().setUp()
        self.configuration = self.gateway.directory / "etc/iphttps"
        (self.configuration / "server").mkdir(parents=True)
        authority, expired = self.lab.authority, self.lab.authority.server(GATEWAY_NAME, expired=True)
        for name, identity in (
            ("server/main", self.lab.server_identity), ("other", authority.client()), ("expired", expired)
        ):  # fmt: skip
            shutil.copy(identity.certificate, self.configuration / f"{name}.pem")
            shutil.copy(identity.private_key, self.configuration / f"{name}.key")
        shutil.copy(authority.certificate, self.configuration / "ca.pem")

    def configure(self, way: Way | None = None) -> None:
        """Write the configuration, broken in a way."""
        lines = [way.text if way and number == way.line else line for number, line in enumerate(LINES, 1)]
        if way and "expired" in way.text:  # its own key, or that would be what is wrong
            lines = [line.replace("server/main.key", "expired.key") for line in lines]
        (self.gateway.directory / FILE.lstrip("/")).write_text("".join(f"{line}\n" for line in lines))

    def said(self, command: str) -> tuple[int, list[str]]:
        """Give a command; return its exit status and its lines, without what day it is."""
        done = self.gateway.run(IPHTTPS, command, check=False)
        return done.returncode, DATE.sub("DATE", done.stdout + done.stderr).splitlines()

    def errors(self) -> list[str]:
        """Return the errors that the check finds; its exit status must be that of errors."""
        status, lines = self.said("check")
        found = [line for line in lines if ": error: " in line]
        self.assertEqual(1 if found else 0, status, lines)
        return found

    def test_ways(self) -> None:
        """Each is said in one sentence by both, by the check with file and line; then it is mended and starts."""
        with inside(self.lab.gateway):
            taken = socket.create_server(("::", PORT), family=socket.AF_INET6)
        self.addCleanup(taken.close)
        for name, way in WAYS.items():
            self.configure(way)
            self.assertEqual([f"{FILE}:{way.place}: error: {way.sentence}"], self.errors(), name)
            place = f"{FILE}:{way.place}: " if way.start is Start.TELLS_PLACE else ""
            refused = 1, [f"iphttps: server/main failed to start: {place}{way.sentence}"]
            started = 0, ["server/main is up: LISTEN"]
            self.assertEqual(started if way.start is Start.STARTS else refused, self.said("up"), name)
            self.gateway.iphttps("down")
        self.configure()
        self.assertEqual([], self.errors())
        self.assertEqual((0, ["server/main is up: LISTEN"]), self.said("up"))


class ClientTests(MachineCase):
    """A client's configuration."""

    def test_wrong_authority(self) -> None:
        """A client that trusts another authority than the server's says whose certificate it has seen."""
        self.gateway.iphttps("setup", "--name", GATEWAY_NAME, "--route", PRIVATE_NETWORK, "--key", "ecdsa")
        self.gateway.iphttps("up")
        self.client_machine.iphttps("join", "alice.iphttps", stdin=self.enrolled("alice", "--key", "ecdsa"))
        other = Authority(self.lab.directory / "other", "Other CA")
        trusted = self.client_machine.directory / f"etc/iphttps/client/{GATEWAY_NAME}-ca.pem"
        shutil.copy(other.certificate, trusted)
        done = self.client_machine.run(IPHTTPS, "up", "--timeout", "8", check=False)
        self.assertEqual(1, done.returncode)
        self.assertRegex(
            done.stderr,
            r"^iphttps: client/gateway\.example is running but not up after 8 s: certificate check: the certificate "
            r"of CN=gateway\.example is issued by CN=gateway\.example server CA, which is not trusted\. Either --ca is "
            r"the wrong file, the server does not send its intermediate certificate, or a proxy intercepts TLS; next "
            r"attempt in \d+ s\n$",
        )
        # The check asks nobody: all that it can know is whose certificate that is.
        shown = self.client_machine.iphttps("check")
        self.assertRegex(
            shown, r"(?m)^/etc/iphttps/client/gateway\.example\.toml:\d+: note: certificate CN=Other CA expires in"
        )
        self.assertTrue(shown.endswith("client/gateway.example: no problems found\n"), shown)
