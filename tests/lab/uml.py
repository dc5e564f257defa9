"""A Linux kernel of its own for a host of the laboratory: a User-Mode Linux guest with PPP and netem.

The kernel of the machine that runs the tests may have neither; the guest's has both, whatever that machine is. The
guest sees the machine's files, read-only, and has no disk.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest

from iphttps.lab.errors import LabError
from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.poll import wait_until
from iphttps.lab.privilege import INSIDE
from iphttps.lab.programs import Program
from tests.lab import exchange_end

KERNEL = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
BOOT_DEADLINE = 30.0
LOOPBACK = "lo"

_IPV6 = ("lib/crc-ccitt", "net/ipv6/ipv6")
PPP = ("drivers/net/slip/slhc", "drivers/net/ppp/ppp_generic", "drivers/net/ppp/ppp_async")
NETEM = ("net/sched/sch_netem",)
"""Kernel modules, in the order in which they are loaded."""

_READY = "guest: ready"
_REQUIRED = (KERNEL, "gcc", "insmod", "ip", "mount", "poweroff")

# Process 1. The laboratory's directory stays writable and keeps its path, although /tmp is the guest's own.
_INIT = """\
#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run/home LC_ALL=C.UTF-8
stty -echo
mount -t proc proc /proc && mount -t tmpfs run /run && mount -t tmpfs tmp /tmp
mkdir -p /dev/pts /run/home /run/lock {shared}
mount -t devpts pts /dev/pts && mount -t hostfs -o {shared} shared {shared}
{network}
echo {ready}
while read -r turn; do
    {{ (. {control}/$turn) </dev/null >{control}/$turn.out 2>&1; echo $? >{control}/$turn.status; }} &
done
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The report of both ends of an exchange: bytes and SHA-256, sent and received."""

    ours: dict[str, Any]
    theirs: dict[str, Any]

    @property
    def intact(self) -> bool:
        """True if each end has received what the other has sent."""
        return all(
            (sender["sent"], sender["sent_sha256"]) == (receiver["received"], receiver["received_sha256"])
            for sender, receiver in ((self.ours, self.theirs), (self.theirs, self.ours))
        )


@dataclass(frozen=True, slots=True)
class Task:
    """A command that runs in a guest."""

    guest: Guest
    turn: int
    command: str

    @property
    def status(self) -> int | None:
        """Its exit status, or None while it runs."""
        written = self.guest.control / f"{self.turn}.status"
        line = written.read_text() if written.exists() else ""
        return int(line) if line.endswith("\n") else None

    def wait_ended(self, deadline: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Wait for its end and return its result, with everything it printed as the output."""

        def ended() -> bool:
            done = self.status is not None
            if not done and not self.guest.running:
                raise LabError(f"{self.guest.label} ended during {self.command}\n{self.guest.tail()}")
            return done

        wait_until(ended, f"{self.guest.label}: the end of {self.command}", deadline)
        printed = (self.guest.control / f"{self.turn}.out").read_bytes().decode(errors="replace")
        assert self.status is not None
        return subprocess.CompletedProcess(self.command, self.status, printed, "")


class Guest:
    """A running guest in place of a host: it takes over the host's devices, addresses, routes and names.

    What is started in the host's namespace from then on has no network; `run` and `start` run commands in the guest.
    The guest ends with the laboratory at the latest. All programs print to its console, whose text `wait_for` searches.
    """

    def __init__(self, lab: Laboratory, host: Namespace, modules: tuple[str, ...] = (), memory: str = "128M") -> None:
        """Boot a guest, wait until its network is configured and load modules of its kernel.

        Raises:
            LabError: It does not boot.
            SkipTest: There is no such kernel here, or it cannot be booted with the privileges of a user namespace.
        """
        if missing := [program for program in _REQUIRED if shutil.which(program) is None]:
            raise SkipTest(f"A guest needs {', '.join(missing)}: on Debian type 'apt install user-mode-linux kmod'.")
        self.host = host
        self.label = host.label
        self.control = lab.directory / f"{host.label}-guest"
        self.control.mkdir()
        self._turns = itertools.count(1)
        self._lines = self.control / "lines"
        os.mkfifo(self._lines)
        devices = _take_over(host)
        init = self.control / "init"
        init.write_text(
            _INIT.format(
                shared=shlex.quote(str(lab.directory)),
                control=shlex.quote(str(self.control)),
                network=_configuration(devices, host.etc),
                ready=_READY,
            )
        )
        init.chmod(0o755)
        # Without `gro` a guest drops the large segments that the other end of the veth pair leaves whole.
        vectors = (
            f"vec{number}:transport=raw,ifname={device.name},mac={device.mac},depth=64,gro=1"
            for number, device in enumerate(_wired(devices))
        )
        self._console = lab.program(
            host,
            "guest",
            *("sh", "-c", 'exec "$@" <>"$0"', str(self._lines)),  # open both ways, the FIFO has no end
            *("env", preloaded(lab.directory, "umlfp")),
            *(KERNEL, f"mem={memory}", f"uml_dir={self.control}", f"umid={host.label}"),
            *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}"),
            *("con=null", "con0=fd:0,fd:1", "quiet", *vectors),
        )
        try:
            self._console.wait_for(_READY, BOOT_DEADLINE)
        except LabError as failed:
            if INSIDE in os.environ:
                raise SkipTest(
                    f"A guest does not boot in a user namespace here: as root it does.\n{failed}"
                ) from failed
            raise
        if modules:
            self.run("sh", "-ec", 'for module in "$@"; do insmod "$module"; done', "sh", *map(_module, modules))

    @property
    def running(self) -> bool:
        """True if the guest runs."""
        return self._console.running

    @property
    def console(self) -> Program:
        """The program that is the guest, whose output is the guest's console."""
        return self._console

    def start(self, *command: str) -> Task:
        """Start a command and return it; what a shell sends to /dev/console can be waited for."""
        turn = next(self._turns)
        words = shlex.join(command)
        (self.control / str(turn)).write_text(f"exec {words}\n")
        lines = os.open(self._lines, os.O_RDWR)  # for writing alone it would wait for a guest that has ended
        try:
            os.write(lines, b"%d\n" % turn)
        finally:
            os.close(lines)
        return Task(self, turn, words)

    def run(self, *command: str, check: bool = True, deadline: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and return its result; unless `check` is false it must succeed."""
        done = self.start(*command).wait_ended(deadline)
        if check and done.returncode != 0:
            raise LabError(f"{self.label}: {done.args}: {done.stdout.strip()}")
        return done

    def ping(self, address: str, count: int = 3, size: int = 56, patience: float = 1.0) -> int:
        """Ping an address and return how many answers came."""
        options = ("-n", "-q", "-c", str(count), "-i", "0.1", "-s", str(size), "-W", str(patience))
        printed = self.run("ping", *options, address, check=False).stdout
        found = re.search(r"(\d+) received", printed)
        return int(found[1]) if found else 0

    def wait_reachable(self, address: str, deadline: float = 20.0) -> None:
        """Wait until a ping to an address is answered."""
        wait_until(lambda: self.ping(address, 1), f"an answer from {address} to {self.label}", deadline)

    def exchange(
        self, listener: Namespace, address: str, upload: int, download: int, deadline: float = 60.0
    ) -> Exchange:
        """Connect by TCP to an address of another host, send and receive so many bytes at once, and compare."""
        script = str(exchange_end.__file__)
        output = self.control / f"exchange-{next(self._turns)}"
        listening = sys.executable, script, "listen", address, str(download)
        other = Program(listener, f"the other end on {listener.label}", *listening, output=output)
        port = other.wait_for("port ").split()[1]
        done = self.run(sys.executable, script, "connect", address, port, str(upload), deadline=deadline)
        if other.wait_ended(deadline) != 0:
            raise LabError(f"{other.name} failed\n{other.tail()}")
        return Exchange(json.loads(done.stdout), json.loads(other.text.splitlines()[-1]))

    def wait_for(self, wanted: str, deadline: float = 30.0, since: int = 0) -> str:
        """Return the first line on the console that contains the text, as Program.wait_for does."""
        return self._console.wait_for(wanted, deadline, since)

    def mark(self) -> int:
        """Return the current length of the console, for `wait_for` to search from there."""
        return self._console.mark()

    def tail(self) -> str:
        """Return the last lines of the console."""
        return self._console.tail()

    def stop(self, deadline: float = 10.0) -> int:
        """Power the guest off and return the exit status of its kernel."""
        if self.running:
            self.start("poweroff", "-f")
        return self._console.wait_ended(deadline)


@dataclass(frozen=True, slots=True)
class _Device:
    name: str
    mac: str
    addresses: list[str]
    routes: list[str]


def _take_over(host: Namespace) -> list[_Device]:
    """Return what the host's devices have, and take it away from them: the guest answers in its place."""
    devices = []
    for entry in json.loads(host.run("ip", "-json", "address").stdout):
        name = entry["ifname"]
        addresses = [f"{each['local']}/{each['prefixlen']}" for each in entry["addr_info"] if each["scope"] == "global"]
        routes = [
            line
            for family in ("-4", "-6")
            for line in host.run("ip", family, "route", "show", "dev", name).stdout.splitlines()
            if "proto kernel" not in line and not line.startswith("fe80:")
        ]
        devices.append(_Device(name, entry["address"], addresses, routes))
    for device in devices:
        host.ip(*(f"address delete {address} dev {device.name}" for address in device.addresses))
        if device.name != LOOPBACK:
            host.setting(f"ipv6.conf.{device.name}.disable_ipv6", "1")  # its link-local address is the guest's
    return devices


def _wired(devices: list[_Device]) -> list[_Device]:
    return [device for device in devices if device.name != LOOPBACK]


def _configuration(devices: list[_Device], etc: Path | None) -> str:
    lines = [f"insmod {_module(name)}" for name in _IPV6]
    # Without duplicate address detection the addresses are usable at once.
    numbers = range(len(_wired(devices)))
    lines += [f"echo 0 >/proc/sys/net/ipv6/conf/vec{number}/accept_dad" for number in numbers]
    lines += ["ip -batch - <<END"]
    lines += [f"link set vec{number} name {device.name}" for number, device in enumerate(_wired(devices))]
    for device in devices:
        lines += [f"link set {device.name} up"]
        lines += [f"address add {address} dev {device.name}" for address in device.addresses]
        lines += [f"route add {route} dev {device.name}" for route in device.routes]
    lines += ["END"]
    if etc is not None:
        lines += [f"for file in {shlex.quote(str(etc))}/*; do mount --bind $file /etc/${{file##*/}}; done"]
    return "\n".join(lines)


def _module(name: str) -> str:
    found = list(MODULES.glob(f"*/kernel/{name}.ko"))
    if not found:
        raise LabError(f"{KERNEL} has no module {name} below {MODULES}")
    return str(found[0])


def preloaded(directory: Path, name: str) -> str:
    """Compile a library of this folder, unless it has been already, and return how `env` loads it into a program."""
    library = directory / f"{name}.so"
    if not library.exists():
        source = str(Path(__file__).with_name(f"{name}.c"))
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(library), source], check=True)
    return f"LD_PRELOAD={library}"
