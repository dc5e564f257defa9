"""A real SSTP client in a guest: sstp-client with pppd and the PPP of a Linux kernel."""

from __future__ import annotations

import enum
import re
import shutil
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest

from iphttps.lab.errors import DeadlinePassed, LabError
from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_NAME
from iphttps.lab.poll import wait_until
from tests.lab.uml import PPP, Guest, Task, preloaded

DEVICE = "ppp0"

PATIENCE = 8.0
DEADLINE = 30.0
"""Seconds in which a client ends, and in which it gets as far as wanted."""

UP = "local  IP address"
UP_IPV6 = "local  LL address"
FAILED = "authentication failed"
"""The log lines of pppd: IPCP is up, IPV6CP is up, user or password rejected."""

PPP_BEGINS = "Started PPP Link Negotiation"

_REQUIRED = ("sstpc", "pppd")
_RUN = "/run/sstpc"

# pppd looks for its files in /etc/ppp only; those of Debian ask every peer for a password and run scripts.
_PREPARE = f"""\
mkdir -p {_RUN} && mount -t tmpfs ppp /etc/ppp && mkdir /etc/ppp/peers && : >/etc/ppp/options
echo "$1" >/etc/ppp/chap-secrets && cp /etc/ppp/chap-secrets /etc/ppp/pap-secrets
chmod 600 /etc/ppp/*-secrets
"""

_OPENSSL = """\
openssl_conf = main
[main]
ssl_conf = ssl
[ssl]
system_default = default
[default]
MinProtocol = {version}
MaxProtocol = {version}
"""


class TLS(enum.Enum):
    """The version that the client speaks, and no other."""

    V12 = "TLSv1.2"
    V13 = "TLSv1.3"


def openssl_config(directory: Path, tls: TLS) -> Path:
    """Write the configuration of an OpenSSL that speaks one version."""
    config = directory / f"{tls.value}.cnf"
    config.write_text(_OPENSSL.format(version=tls.value))
    return config


class Method(enum.Enum):
    """The authentication method; the value is the name in pppd's options, which reject the others."""

    MSCHAPV2 = ("refuse-pap", "refuse-chap", "refuse-mschap", "refuse-eap")
    PAP = ("refuse-chap", "refuse-mschap", "refuse-mschap-v2", "refuse-eap")
    ANY = ()


class SstpGuest:
    """A guest in place of a host, whose user connects by SSTP.

    `connect` returns when the link is up; `guest` runs any other command.
    """

    def __init__(
        self, lab: Laboratory, host: Namespace, user: str = "alice", password: str = "secret", ca: Path | None = None
    ) -> None:
        """Boot the guest; it trusts the laboratory's authority unless another is given.

        Raises:
            SkipTest: A program is missing, or no guest can be booted.
        """
        if missing := [program for program in _REQUIRED if shutil.which(program) is None]:
            raise SkipTest(f"This needs {' and '.join(missing)}: on Debian type 'apt install ppp sstp-client'.")
        self.user, self.password = user, password
        self.ca = ca or lab.authority.certificate
        self._task: Task | None = None
        self._directory = lab.directory
        self.guest = Guest(lab, host, PPP)
        self.guest.run("sh", "-ec", _PREPARE, "sh", f'"{user}" * "{password}" *')

    def start(
        self,
        name: str = GATEWAY_NAME,
        *options: str,
        tls: TLS = TLS.V12,
        method: Method = Method.MSCHAPV2,
        proxy: str | None = None,
        trusting: bool = False,
    ) -> Task:
        """Start the client once; what sstpc and pppd log goes to the guest's console.

        Args:
            name: The server's name or address, with `:port` unless that is 443.
            options: More options of pppd.
            tls: The version of TLS.
            method: How the user logs in.
            proxy: `http://user:password@host:port`.
            trusting: Whether the client goes on where the server's certificate is not in order.
        """
        config = openssl_config(self.guest.control, tls)
        sstpc = ["sstpc", "--log-level", "4", "--log-stderr", "--ca-cert", str(self.ca)]
        sstpc += ["--priv-user", "root", "--priv-dir", _RUN, "--tls-ext"]
        sstpc += ["--user", self.user, "--password", self.password]
        sstpc += ["--cert-warn"] if trusting else []
        sstpc += ["--proxy", proxy] if proxy else []
        pppd = [
            "usepeerdns",
            "lcp-restart",
            "1",
            "noauth",
            "noipdefault",
            "nodefaultroute",
            "nobsdcomp",
            "nodeflate",
            "mtu",
            "1400",
        ]
        pppd += ["+ipv6", "debug", "logfile", "/dev/console", *method.value, *options]
        slow = preloaded(self._directory, "slowread")
        line = f'echo $$ >{_RUN}/pid; exec env {slow} OPENSSL_CONF={config} "$@" >/dev/console 2>&1'
        self._task = self.guest.start("sh", "-c", line, "sh", *sstpc, name, *pppd)
        return self._task

    def connect(self, name: str = GATEWAY_NAME, *options: str, wanted: str = UP, **choices: Any) -> str:
        """Start the client as `start` does, and return the line with which pppd logs what is wanted.

        Raises:
            LabError: It has ended without that line, or not written it in time.
        """
        mark = self.guest.mark()
        task = self.start(name, *options, **choices)

        def found() -> str | None:
            ended = task.status is not None
            lines = self.guest.console.text[mark:].splitlines()
            if line := next((line for line in lines if wanted in line), None):
                return line
            if ended:
                raise LabError(f"sstpc on {self.guest.label} ended without {wanted!r}\n{self.guest.tail()}")
            return None

        try:
            return wait_until(found, f"{wanted!r} from sstpc on {self.guest.label}", DEADLINE)
        except DeadlinePassed as passed:
            raise LabError(f"{passed}\n{self.guest.tail()}") from passed

    def disconnect(self, signal: str = "TERM") -> None:
        """End sstpc, and with it pppd, by a signal, and wait for its end."""
        if (task := self._task) is None:
            return
        self._task = None
        self.guest.run("sh", "-c", f"kill -{signal} $(cat {_RUN}/pid)", check=False)
        try:
            task.wait_ended(PATIENCE)
        except DeadlinePassed:
            self.guest.run("sh", "-c", f"kill -KILL $(cat {_RUN}/pid)", check=False)
            task.wait_ended(PATIENCE)
        wait_until(lambda: not self._device_exists(), f"the end of {DEVICE} on {self.guest.label}", PATIENCE)

    @property
    def log(self) -> str:
        """The log of sstpc and pppd so far, with the rest of the guest's console."""
        return self.guest.console.text

    def name_servers(self) -> list[str]:
        """Return the name servers that the server has offered by IPCP."""
        lines = self.guest.run("cat", "/etc/ppp/resolv.conf", check=False).stdout.splitlines()
        return [line.split()[1] for line in lines if line.startswith("nameserver ")]

    def addresses(self) -> list[str]:
        """Return the addresses of the PPP device, each with its peer or prefix."""
        printed = self.guest.run("ip", "-oneline", "address", "show", "dev", DEVICE, check=False).stdout
        return re.findall(r"inet6? (\S+)", printed)

    def _device_exists(self) -> bool:
        return self.guest.run("ip", "link", "show", "dev", DEVICE, check=False).returncode == 0
