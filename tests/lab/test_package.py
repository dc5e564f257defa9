"""The Debian package, in a system of its own with systemd as it is: installed, at work, upgraded and purged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name
from twisted.trial.unittest import SkipTest

from iphttps.lab.laboratory import CLIENT_URI, INTERFACE, TUNNEL_PREFIX, tunnel_address
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PRIVATE_HOST, PRIVATE_NETWORK
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import wait_reachable
from tests.lab.case import LabCase
from tests.lab.machine import BY_UDEV, UNTOUCHED, Machine, bootstrap, content, copy, install

ROOT = Path(__file__).parents[2]
SERVER, CLIENT = "iphttps-server@main.service", "iphttps-client@main.service"
TWO = f"{1 << 10 | 1 << 12:016x}"  # capabilities(7): CAP_NET_BIND_SERVICE, CAP_NET_ADMIN
ONE = f"{1 << 12:016x}"
ENDED_BY_WATCHDOG = "Fatal Python error: Aborted"  # faulthandler, which shows what it was at

SERVER_CONFIGURATION = f"""\
uri = "https://*:443/IPHTTPS"
certificate = "/etc/iphttps/server/main.pem"
private-key = "/etc/iphttps/server/main.key"
client-ca = "/etc/iphttps/server/clients-ca.pem"
prefix = "{TUNNEL_PREFIX}"
route = ["{PRIVATE_NETWORK}"]
"""
CLIENT_CONFIGURATION = f"""\
uri = "{CLIENT_URI}"
ca = "/etc/iphttps/client/main-ca.pem"
certificate = "/etc/iphttps/client/main.pem"
private-key = "/etc/iphttps/client/main.key"
proxy = "auto"
pac = "/etc/iphttps/client/proxy.pac"
up-script = "/etc/iphttps/client/up"
reconnect-initial = 0.2
reconnect-maximum = 1
"""
SOONER = "[Service]\nRestartSec=2\nWatchdogSec=6\n"  # so that the test need not wait for half a minute
PUT_THERE = frozenset({"/package.deb", "/etc/hosts"})
"""Files that the test itself has created."""

NEEDED = "dpkg-deb", "mmdebstrap", "systemd-nspawn"
NETWORKD = "[Match]\nName=lo iphttps*\n[Network]\nIPv6AcceptRA=no\n"
PAC = "function FindProxyForURL(url, host) { return 'DIRECT'; }\n"
UP = "#!/bin/sh\ngrep CapEff /proc/self/status | tr -d '[:space:]'\n"


class PackageTests(LabCase):
    """A gateway and a client that have nothing of this checkout but the package."""

    gateway: Machine
    road: Machine

    def setUp(self) -> None:
        """Make the network."""
        if Path("/proc/self/uid_map").read_text().split()[2] == "1":
            raise SkipTest("A Debian in a folder takes root, not a user namespace: type 'sudo make test'.")
        missing = [program for program in NEEDED if shutil.which(program) is None]
        if missing:
            raise SkipTest(f"Missing here: {', '.join(missing)}; on Debian 'sudo make test' installs them.")
        super().setUp()

    def test_package(self) -> None:
        """Installed, it works as services, sandboxed and supervised; purged, it leaves nothing behind."""
        base = self.lab.directory / "debian"
        bootstrap(base)
        before = content(base)
        package = self.build()
        shutil.copy(package, base / "package.deb")
        install(base, "/package.deb")
        self.check_listed(package.with_suffix(".cdx.json"), base)
        self.gateway = self.machine(self.lab.gateway, copy(base, self.lab.directory / "gateway"))
        self.road = self.machine(self.lab.clients[0], base)
        try:
            self.check_all(before)
        except BaseException:
            for machine in (self.gateway, self.road):
                print(f"\n{machine.name}:\n{machine.journal()[-8000:]}", file=sys.stderr, flush=True)
            raise

    def check_all(self, before: set[str]) -> None:
        """Go through the life of an installation; `before` is what was there before it."""
        self.check_server()
        self.check_client()
        self.check_left_alone()
        self.check_reload()
        self.check_killed()
        self.check_stuck()
        self.check_upgrade()
        self.check_server_away()
        self.check_wrong_configuration()
        self.check_purged(before)

    def build(self) -> Path:
        """Build the package as `make deb` does; return its path."""
        for command in ([sys.executable, "-m", "manual", "build"], [ROOT / "tools" / "deb"]):
            built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
            self.assertEqual(0, built.returncode, built.stderr)
        return ROOT / built.stdout.strip()

    def check_listed(self, sbom: Path, root: Path) -> None:
        """Check that the list of what is in the package is true of what is installed; OpenSSL is in it as well."""
        made = json.loads(sbom.read_text())
        components = [made["metadata"]["component"], *made["components"]]
        installed = distributions(path=[str(each) for each in root.glob("usr/lib/iphttps/lib/python3*/site-packages")])
        self.assertEqual(
            sorted((canonicalize_name(each.name), each.version) for each in installed),
            sorted((each["name"], each["version"]) for each in components),
        )
        inside = [each["name"] for component in components for each in component.get("components", ())]
        self.assertIn("openssl", inside)

    def machine(self, host: Namespace, root: Path) -> Machine:
        """Boot what is in a folder on a host of the laboratory, where only root can open the tun device."""
        machine = Machine(host, root)
        self.addCleanup(machine.stop)
        machine.boot(UNTOUCHED)
        return machine

    def check_server(self) -> None:
        """`systemctl start` returns when the server can be used; it is no root, and can do two things root can."""
        self.before = self.forwarding()
        identity = self.lab.server_identity
        self.gateway.write("/etc/iphttps/server/main.toml", SERVER_CONFIGURATION)
        self.gateway.write("/etc/iphttps/server/main.pem", identity.certificate.read_text())
        self.gateway.write("/etc/iphttps/server/main.key", identity.private_key.read_text())
        self.gateway.write("/etc/iphttps/server/clients-ca.pem", self.lab.authority.certificate.read_text())
        self.gateway.write(f"/etc/systemd/system/{SERVER}.d/test.conf", SOONER, mode=0o644)
        self.gateway.run("systemctl", "daemon-reload")
        self.gateway.run("systemctl", "enable", "--now", SERVER)
        status = self.gateway.run("iphttps", "status")
        self.assertIn("LISTEN", status)
        self.assertRegex(status, "offload +tcp, udp")  # so the compiled part is there
        for there in ("man/man1/iphttps.1.gz", "bash-completion/completions/iphttps"):
            self.gateway.run("test", "-f", f"/usr/share/{there}")
        wait_until(lambda: self.gateway.property(SERVER, "StatusText").startswith("listening at "), "the status")
        self.check_confined(self.gateway, SERVER, TWO)
        self.check_device(self.gateway, "660 root:iphttps")
        self.assertEqual("1", self.forwarding())

    def check_device(self, machine: Machine, wanted: str) -> None:
        """Check who can open the device: the group of the service where it was root alone, else as before."""
        self.assertEqual(wanted, machine.run("stat", "--format=%a %U:%G", "/dev/net/tun").strip())

    def check_confined(self, machine: Machine, unit: str, capabilities: str) -> None:
        """Check what the kernel says that a daemon is and may do."""
        about = machine.run("cat", f"/proc/{machine.property(unit, 'MainPID')}/status")
        said = dict(line.split(":\t", 1) for line in about.splitlines() if ":\t" in line)
        self.assertNotEqual("0", said["Uid"].split()[0])
        wanted = {"CapEff": capabilities, "CapPrm": capabilities, "CapBnd": capabilities, "CapAmb": "0" * 16}
        wanted |= {"NoNewPrivs": "1", "Seccomp": "2"}
        self.assertEqual(wanted, {name: said[name] for name in wanted})

    def check_client(self) -> None:
        """`systemctl start` returns when the link has its address; a PAC file and a script run in the sandbox, too."""
        identity = self.lab.authority.client("alice")
        self.road.write("/etc/iphttps/client/main.toml", CLIENT_CONFIGURATION)
        self.road.write("/etc/iphttps/client/main.pem", identity.certificate.read_text())
        self.road.write("/etc/iphttps/client/main.key", identity.private_key.read_text())
        self.road.write("/etc/iphttps/client/main-ca.pem", self.lab.authority.certificate.read_text())
        self.road.write("/etc/iphttps/client/proxy.pac", PAC)
        self.road.write("/etc/iphttps/client/up", UP, mode=0o755)
        self.road.run("systemctl", "start", CLIENT)
        tunnel_address(self.lab.clients[0], 0.0)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        self.check_confined(self.road, CLIENT, ONE)
        wait_until(lambda: "up: CapEff:" + "0" * 16 in self.road.journal(), "what the script says")
        status = self.road.property(CLIENT, "StatusText")
        self.assertEqual(f"link up to {CLIENT_URI}", status)

    def check_left_alone(self) -> None:
        """systemd-networkd leaves the interface to the daemon, although another file would have it manage it."""
        self.road.write("/etc/systemd/network/90-all.network", NETWORKD, mode=0o644)
        self.road.run("systemctl", "start", "systemd-networkd")
        wait_until(lambda: self.managed("lo") == "configured", "networkd at work")
        self.assertEqual("unmanaged", self.managed(INTERFACE))
        self.road.run("systemctl", "stop", "systemd-networkd.socket", "systemd-networkd")

    def managed(self, interface: str) -> str:
        """Return what networkd says of an interface; without D-Bus its own program would not."""
        index = self.lab.clients[0].run("ip", "-oneline", "link", "show", interface).stdout.split(":")[0]
        shown = self.road.run("cat", f"/run/systemd/netif/links/{index}", status=None)
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line).get("ADMIN_STATE", "")

    def check_reload(self) -> None:
        """A reload ends no session; one that is rejected fails, and the server goes on."""
        sessions = self.gateway.run("iphttps", "clients", "--json")
        self.gateway.write("/etc/iphttps/server/main.toml", SERVER_CONFIGURATION + "max-clients = 7\n")
        self.gateway.run("systemctl", "reload", SERVER)
        self.assertIn("of at most 7", self.gateway.run("iphttps", "status"))
        self.gateway.write("/etc/iphttps/server/main.toml", SERVER_CONFIGURATION + "max-client = 8\n")
        self.gateway.run("systemctl", "reload", SERVER, status=1)
        self.assertEqual("active", self.gateway.property(SERVER, "ActiveState"))
        self.gateway.write("/etc/iphttps/server/main.toml", SERVER_CONFIGURATION)
        self.assertIn('"number": 1', sessions)
        self.assertIn('"number": 1', self.gateway.run("iphttps", "clients", "--json"))

    def check_killed(self) -> None:
        """After a server that was killed everything is put back, and the next one starts by itself."""
        self.gateway.run("systemctl", "kill", "--signal=KILL", SERVER)
        wait_until(lambda: self.forwarding() == self.before, "forwarding as it was")
        self.wait_restarted(1)

    def wait_restarted(self, times: int) -> None:
        """Wait until the server is up again, after so many restarts, and has its client back."""
        up = f"NRestarts={times}\nActiveState=active\nSubState=running"
        asked = ("systemctl", "show", "--property=NRestarts,ActiveState,SubState", SERVER)
        wait_until(lambda: self.gateway.run(*asked).strip() == up, "the server's restart", 30.0)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST, 30.0)

    def check_stuck(self) -> None:
        """A server that does nothing any more is ended by the watchdog; the journal has what it was at."""
        self.gateway.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", SERVER)
        self.wait_restarted(2)
        self.assertIn(ENDED_BY_WATCHDOG, self.gateway.journal())

    def check_upgrade(self) -> None:
        """An upgrade restarts the daemons that run, and no others."""
        before = self.gateway.property(SERVER, "MainPID")
        self.gateway.run("dpkg", "--install", "/package.deb")
        after = self.gateway.property(SERVER, "MainPID")
        self.assertNotIn(after, (before, "0"))
        self.assertNotIn("iphttps-client@", self.gateway.run("systemctl", "list-units", "--all", "iphttps-*"))
        wait_reachable(self.lab.clients[0], PRIVATE_HOST, 30.0)

    def check_server_away(self) -> None:
        """If the server does not answer, the start of a client waits for its first attempt, and for no more.

        From here on everybody can open the tun device, as udev has it: the services start there as well.
        """
        self.gateway.run("systemctl", "stop", SERVER)
        self.assertEqual(self.before, self.forwarding())
        self.gateway.run("test", "-d", "/run/iphttps")
        self.assertEqual("", self.gateway.run("ls", "/run/iphttps"))
        for machine in (self.gateway, self.road):
            machine.run("chown", "root:root", "/dev/net/tun")
            machine.run("chmod", f"{BY_UDEV:o}", "/dev/net/tun")
        self.road.run("systemctl", "restart", CLIENT, deadline=15.0)
        self.assertEqual("active", self.road.property(CLIENT, "ActiveState"))
        self.assertIn("refused", self.road.property(CLIENT, "StatusText"))
        self.gateway.run("systemctl", "start", SERVER)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST, 30.0)
        for machine in (self.gateway, self.road):
            self.check_device(machine, "666 root:root")

    def check_wrong_configuration(self) -> None:
        """A wrong configuration fails at once, with the reason, and is not tried again."""
        self.gateway.write("/etc/iphttps/server/other.toml", "prefixes = 1\n")
        other = SERVER.replace("main", "other")
        self.gateway.run("systemctl", "start", other, status=1)
        self.assertEqual("failed", self.gateway.property(other, "ActiveState"))
        self.assertEqual("2", self.gateway.property(other, "ExecMainStatus"))
        self.assertIn("prefix", self.gateway.run("journalctl", "--unit", other))

    def check_purged(self, before: set[str]) -> None:
        """A purge stops the server in good order, and leaves no file, no user, and the host as it was."""
        self.assertTrue(content(self.gateway.root) - before)
        self.gateway.run("rm", "-r", f"/etc/systemd/system/{SERVER}.d")  # which is the administrator's
        self.gateway.run("systemctl", "enable", "--now", "iphttps-crl.timer")
        self.gateway.run("dpkg", "--purge", "iphttps")
        self.assertEqual(self.before, self.forwarding())
        for user in ("iphttps", "iphttps-ca"):
            self.gateway.run("getent", "passwd", user, status=2)
        self.assertNotIn("iphttps", self.gateway.run("systemctl", "list-timers", "--all"))
        self.gateway.run("test", "-e", "/run/iphttps", status=1)
        left = {name for name in content(self.gateway.root) - before if name not in PUT_THERE}
        self.assertEqual(set(), left)
        self.assertEqual(set(), before - content(self.gateway.root))

    def forwarding(self) -> str:
        """Return whether the gateway forwards."""
        return self.lab.gateway.setting("ipv6.conf.all.forwarding")
