"""A real SSTP server that is not ours: sstpd, with slirp behind it, or in a guest with pppd and the PPP of Linux.

On a host, slirp hands what comes through the tunnel to that host's own sockets: 10.0.2.2 is its 127.0.0.1. It has no
IPv6. In a guest there are both families, and the link's server end has addresses of its own.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest

from iphttps.lab.authority import Identity
from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV4
from tests.lab.slirp_ppp import SLIRP
from tests.lab.uml import PPP, Guest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "build" / "sstp-server" / "bin" / "sstpd"

LISTENING = "Listening on"
BOUND = "Crypto Binding is valid"
"""Log lines of sstpd: it is ready; the client's compound MAC is valid."""

SLIRP_SERVER = "10.0.2.2"
ADVERTISED, PPPD_SERVER_IPV6 = "2001:db8:9::/64", "2001:db8:9::1"
PPPD_SERVER, PPPD_CLIENT, PPPD_POOL = "10.0.0.1", "10.0.0.2", "10.0.0.0/24"
NAME_SERVER = "10.9.9.9"

# sstpd asks whether it may use pppd's plugin; it then tells it where its socket is.
_SLIRP_PPPD = """\
#!/bin/sh
case " $* " in *" dryrun "*) exit 0 ;; esac
PYTHONPATH={root} exec {python} -m tests.lab.slirp_ppp "$@" >>{log} 2>&1
"""

# pppd looks for its files in /etc/ppp only. sstpd has it log to its standard error, which is the guest's console.
_PREPARE = """\
mount -t tmpfs ppp /etc/ppp && mkdir /etc/ppp/peers && : >/etc/ppp/options
echo "$1" >/etc/ppp/chap-secrets && cp /etc/ppp/chap-secrets /etc/ppp/pap-secrets
chmod 600 /etc/ppp/*-secrets
cat >/etc/ppp/options.sstpd
"""

_OPTIONS = f"""\
name sstpd
auth
{{method}}
nologfd
nodefaultroute
lcp-restart 1
+ipv6
mtu 1400
mru 1400
ms-dns {NAME_SERVER}
debug
logfile /dev/console
"""

_ROUTER = f"""\
interface ppp0 {{
    AdvSendAdvert on;
    prefix {ADVERTISED} {{ }};
}};
"""


def _program() -> Path:
    if not PROGRAM.exists():
        raise SkipTest("This needs sstp-server: tools/setup installs it, where there is a Python 3.12 or later.")
    return PROGRAM


class SlirpServer:
    """sstpd on a host of the laboratory, with slirp as its PPP; it ends with the laboratory at the latest."""

    def __init__(self, lab: Laboratory, host: Namespace, user: str = "alice", password: str = "secret") -> None:
        """Start it on the gateway's IPv4 address and port 443.

        Raises:
            SkipTest: It is not installed, or slirp is not.
        """
        if shutil.which(SLIRP) is None:
            raise SkipTest(f"This needs {SLIRP}: on Debian type 'apt install slirp'.")
        directory = lab.directory / f"sstpd-{len(lab.programs)}"
        directory.mkdir()
        self._log = directory / "ppp.log"
        pppd, config = directory / "pppd", directory / "ppp.json"
        pppd.write_text(_SLIRP_PPPD.format(root=ROOT, python=sys.executable, log=self._log))
        pppd.chmod(0o755)
        config.write_text(json.dumps({"user": user, "password": password, "log": str(self._log)}))
        # trial sets PYTHONPATH for the processes that run tests side by side, and sstpd has another Python.
        self.program = lab.program(
            host,
            "sstpd",
            "env",
            "--unset=PYTHONPATH",
            *_command(lab.server_identity),
            "--pppd",
            str(pppd),
            "--pppd-config",
            str(config),
        )
        self.program.wait_for(LISTENING)

    @property
    def ppp_log(self) -> str:
        """The log of its PPP end."""
        return self._log.read_text() if self._log.exists() else ""


class PppdServer:
    """sstpd and pppd in a guest in place of a host."""

    def __init__(
        self,
        lab: Laboratory,
        host: Namespace,
        user: str = "alice",
        password: str = "secret",
        method: str = "require-mschap-v2",
    ) -> None:
        """Boot the guest and start the server in it; `method` is pppd's demand.

        Raises:
            SkipTest: A program is missing, or no guest can be booted.
        """
        if shutil.which("pppd") is None:
            raise SkipTest("This needs pppd: on Debian type 'apt install ppp sstp-client'.")
        program = _command(lab.server_identity)
        self.guest = Guest(lab, host, PPP)
        options = self.guest.control / "options.sstpd"
        options.write_text(_OPTIONS.format(method=method))
        self.guest.run("sh", "-ec", f"exec <{options}\n{_PREPARE}", "sh", f'"{user}" * "{password}" *')
        self._task = self.guest.start(
            *("sh", "-c", 'exec "$@" >/dev/console 2>&1', "sh", *program),
            *("--local", PPPD_SERVER, "--remote", PPPD_POOL),
        )
        self.guest.wait_for(LISTENING)

    @property
    def link_local(self) -> str:
        """The server's link-local address, once IPV6CP is up."""
        return self.guest.wait_for("local  LL address").split()[-1]

    def advertise(self) -> None:
        """Give the link's server end an address of a prefix, and advertise that prefix from then on."""
        config = self.guest.control / "radvd.conf"
        config.write_text(_ROUTER)
        config.chmod(0o600)
        self.guest.run("ip", "address", "add", f"{PPPD_SERVER_IPV6}/64", "dev", "ppp0", "nodad")
        self.guest.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
        line = f"exec radvd --nodaemon --config {config} --pidfile /run/radvd.pid --logmethod stderr 2>/dev/console"
        self.guest.start("sh", "-c", line)


def _command(identity: Identity) -> tuple[str, ...]:
    certificate = str(identity.certificate), "-k", str(identity.private_key)
    return str(_program()), "-l", GATEWAY_IPV4, "-p", "443", "-c", *certificate
