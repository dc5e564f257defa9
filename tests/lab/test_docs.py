"""The commands in docs/, run on machines of the laboratory."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SkipTest

from iphttps.lab.authority import Identity, KeyKind
from iphttps.lab.errors import LabError
from iphttps.lab.network import GATEWAY_NAME
from iphttps.lab.poll import wait_until
from iphttps.lab.privilege import SYSTEM_PATH
from tests.lab.machines import Machine
from tests.lab.test_five_minutes import NUMBER, USER, MachineCase

DOCS = Path(__file__).parents[2] / "docs"
PROGRAMS = Path(sys.executable).parent
PASSWORD = "of the export"
INSIDE = "10.1.1.1", "10.1.1.2", "10.1.1.3"
"""Addresses on the private network: of the gateway, of a name server, of a host that has IPv4 alone."""

NAME_SERVER = """\
server:
    interface: 10.1.1.2
    access-control: 10.1.1.0/24 allow
    chroot: ""
    username: ""
    pidfile: ""
    local-zone: "corp.example.org." static
    local-data: "old.corp.example.org. A 10.1.1.3"
"""


PLACES = {
    "gateway": "iphttps/server/main.toml",
    "unbound": "unbound/unbound.conf.d/iphttps.conf",
    "tayga": "tayga.conf",
}
"""The paths below /etc of the gateway of the configurations in the page."""


def page(name: str) -> str:
    """Return a page, for this laboratory's server."""
    return (DOCS / name).read_text().replace("vpn.example.org", GATEWAY_NAME)


def blocks(name: str) -> list[tuple[str, str, str]]:
    """Return the blocks of a page that are for a machine or have a name: language, machine or name, text."""
    found = re.findall(r"^```(\w+) (\w+)\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)
    assert found, f"{name} has no blocks"
    return found


def need_users() -> None:
    """Skip the test where there is but one user."""
    if Path("/proc/self/uid_map").read_text().split()[2] == "1":
        raise SkipTest("There is but one user in this user namespace.")


class PageCase(MachineCase):
    """A gateway, a client, and a person at each."""

    def type(self, machine: Machine, commands: str) -> str:
        """Give a block of commands, of which the first that fails is the last; return what they said."""
        path = f"{PROGRAMS}:{os.environ['PATH']}:{SYSTEM_PATH}"
        return machine.run("env", f"PATH={path}", "sh", "-ec", commands).stdout

    def add_user(self, machine: Machine) -> None:
        """Give a machine the user that the package makes."""
        for name, line in (("passwd", "{0}:x:{1}:{1}::/:/bin/false\n"), ("group", "{0}:x:{1}:\n")):
            with (machine.directory / "etc" / name).open("a") as file:
                file.write(line.format(USER, NUMBER))


class CertificatesTests(PageCase):
    """docs/certificates.md."""

    def test_authority(self) -> None:
        """Its commands make an authority, and certificates with which a server and a client trust each other."""
        ((_, _, commands),) = [block for block in blocks("certificates.md") if block[0] == "sh"]
        said = self.type(self.gateway, commands)
        self.assertRegex(said, r"(?m)^alice +client +valid ")
        self.assertRegex(said, rf"(?m)^{re.escape(GATEWAY_NAME)} +server +valid ")
        pin = re.search(r"^    (openssl x509 .*base64)$", (DOCS / "certificates.md").read_text(), re.MULTILINE)
        assert pin is not None
        key = self.type(self.gateway, pin[1].replace("server.pem", f"{GATEWAY_NAME}.pem")).strip()
        home, place = self.gateway.home, self.gateway.directory / "var/lib/iphttps/ca"
        self.server(
            *("--certificate", str(home / f"{GATEWAY_NAME}.pem"), "--private-key", str(home / f"{GATEWAY_NAME}.key")),
            *("--client-ca", str(place / "ca.pem"), "--client-crl", str(place / "crl.pem")),
        )
        self.client(
            *(1, "--ca", str(place / "ca.pem"), "--pin", f"sha256//{key}"),
            *("--certificate", str(home / "alice.pem"), "--private-key", str(home / "alice.key")),
        )


class DirectAccessTests(PageCase):
    """docs/directaccess.md, with certificates in the form in which Windows exports them."""

    def setUp(self) -> None:
        """Have on both machines what the page says that there is."""
        need_users()
        super().setUp()
        for program in ("unbound", "tayga"):
            if shutil.which(program, path=f"{os.environ['PATH']}:{SYSTEM_PATH}") is None:
                raise SkipTest(f"{program} is not installed: see the packages in tools/setup")
        self.add_user(self.gateway)
        home = self.gateway.home
        identity = self.lab.authority.server(GATEWAY_NAME, kind=KeyKind.RSA)
        authority = x509.load_pem_x509_certificate(self.lab.authority.certificate.read_bytes())
        (home / "root.cer").write_bytes(authority.public_bytes(Encoding.DER))
        (home / "gateway.password").write_text(f"{PASSWORD}\n")
        subprocess.run(
            ["openssl", "pkcs12", "-export", "-in", identity.certificate, "-inkey", identity.private_key,
             "-certfile", self.lab.authority.certificate, "-out", home / "gateway.pfx", "-passout", f"pass:{PASSWORD}"],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
        self.published = home / "CertEnroll" / "Example-CA.crl"
        self.published.parent.mkdir()
        self.publish()
        for path in ("etc/iphttps/server", "etc/cron.hourly", "etc/unbound/unbound.conf.d", "var/spool/tayga"):
            (self.gateway.directory / path).mkdir(parents=True, exist_ok=True)
        self.first = self.lab.authority.client("first")
        shutil.copy(self.first.certificate, self.client_machine.home / "first.pem")
        shutil.copy(self.first.private_key, self.client_machine.home / "first.key")
        shutil.copy(self.lab.authority.certificate, self.client_machine.home / "main-ca.pem")
        (self.client_machine.directory / "run/iphttps").mkdir()
        self.inside()

    def publish(self, *revoked: Identity) -> None:
        """Publish a revocation list as Active Directory does, in DER."""
        found = x509.load_pem_x509_crl(self.lab.authority.revoke(*revoked).read_bytes())
        self.published.write_bytes(found.public_bytes(Encoding.DER))

    def inside(self) -> None:
        """Give the private network IPv4, and a name server."""
        self.lab.gateway.ip(f"address add {INSIDE[0]}/24 dev private")
        for address in INSIDE[1:]:
            self.lab.private.ip(f"address add {address}/24 dev private")
        config = self.lab.directory / "inside.conf"
        config.write_text(NAME_SERVER)
        self.lab.program(self.lab.private, "names", "unbound", "-d", "-c", str(config))

    def take(self) -> str:
        """Do what the next block of the page says; return what its commands said."""
        language, name, text = next(self.steps)
        if language == "sh":
            machine = self.gateway if name == "gateway" else self.client_machine
            return self.type(machine, text.replace("http://pki.example.org", f"file://{self.gateway.home}"))
        path = self.gateway.directory / "etc" / PLACES[name]
        path.write_text(text)
        return ""

    def test_page(self) -> None:
        """Its commands, typed in their order, lead to a tunnel, to names and to IPv4 behind it, and back."""
        self.steps = iter(blocks("directaccess.md"))
        self.addCleanup(self.end, self.client_machine.home / "first.pid")
        self.addCleanup(self.end, self.gateway.directory / "run" / "tayga.pid")
        for _ in range(5):  # certificates, their revocation, the configuration; check and up; the client
            self.take()
        _, _, status = next(self.steps)
        wait_until(lambda: self.works(self.client_machine, status), "what works a little later")
        self.assertIn("CN=first", self.take())
        self.check_suite()
        for _ in range(3):  # unbound, tayga
            self.take()
        self.check_names()
        self.take()
        self.check_revocation()
        for _ in range(2):  # the client's end, and the server's
            self.take()
        self.assertRaises(StopIteration, next, self.steps)
        self.assertFalse(self.works(self.gateway, "iphttps status main"))

    def works(self, machine: Machine, commands: str) -> bool:
        """Tell whether a block of commands succeeds."""
        try:
            self.type(machine, commands)
        except LabError:
            return False
        return True

    def check_suite(self) -> None:
        """A suite without encryption is rejected as the configuration is, and agreed to as the page says."""
        (command,) = re.findall(r"`(openssl s_client [^`]*)`", page("directaccess.md"))
        command += " -cert first.pem -key first.key </dev/null"
        self.assertFalse(self.works(self.client_machine, command))
        config = self.gateway.directory / "etc" / PLACES["gateway"]
        config.write_text(config.read_text() + 'null-encryption = "accept"\n')
        self.type(self.gateway, "iphttps reload main")
        self.assertIn("Cipher is NULL-SHA256", self.type(self.client_machine, command))

    def check_names(self) -> None:
        """A host inside that has IPv4 alone has an address of IPv6 for who asks the gateway, and answers there."""
        self.lab.program(
            self.lab.gateway, "unbound", "unbound", "-d", "-c",
            str(self.gateway.directory / "etc" / PLACES["unbound"]),
        )  # fmt: skip
        (self.client_machine.directory / "etc" / "resolv.conf").write_text("nameserver 2001:db8:2::1\n")
        wait_until(
            lambda: self.works(self.client_machine, "ping -6 -c 1 -W 1 old.corp.example.org"), "an answer by name", 15.0
        )

    def check_revocation(self) -> None:
        """A certificate in Active Directory's list is rejected once the list is fetched."""
        self.publish(self.first)
        self.type(self.gateway, "/etc/cron.hourly/iphttps-crl")
        wait_until(lambda: "CN=first" not in self.gateway.iphttps("clients"), "the end of the session", 15.0)

    def end(self, pidfile: Path) -> None:
        """End a daemon that a command has put into the background."""
        try:
            os.kill(int(pidfile.read_text()), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            return  # it has not begun, or ended by itself


class ServiceTests(PageCase):
    """docs/service.md, as far as it goes without systemd; the rest is in test_package."""

    def test_elsewhere(self) -> None:
        """Without a package, its commands put the units, a user and the directories there."""
        need_users()
        (elsewhere,) = re.findall(
            r"^\*\*Elsewhere\*\*.*?^```sh\n.*?^```$", page("service.md"), re.DOTALL | re.MULTILINE
        )
        commands = elsewhere.split("```")[1].removeprefix("sh\n")
        commands = commands.replace(" && systemctl daemon-reload", "").replace("/opt/iphttps/bin", str(PROGRAMS))
        self.type(self.gateway, f"cd {DOCS.parent}\n{commands}")
        directory = self.gateway.directory
        users = (directory / "etc/passwd").read_text()
        self.assertRegex(users, rf"(?m)^{USER}:")
        number = int(re.findall(rf"(?m)^{USER}:.:(\d+):", users)[0])
        for role in ("server", "client"):
            self.assertTrue((directory / f"etc/systemd/system/iphttps-{role}@.service").exists())
            self.assertTrue((directory / f"etc/iphttps/{role}").is_dir())
        self.assertEqual(number, (directory / "run/iphttps").stat().st_uid)
