"""sstp-client on a host, without the PPP of a kernel: a program of tests speaks PPP at its terminal.

PppPeer takes the place of pppd. When the server has accepted the user, sstpc is told the keys, as by pppd's plugin.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import time
import tty
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptPrefixInfo, IPv6
from twisted.trial.unittest import SkipTest

from iphttps.lab.errors import DeadlinePassed, LabError
from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_NAME
from iphttps.lab.poll import DEADLINE, wait_until
from iphttps.lab.privilege import SYSTEM_PATH
from iphttps.lab.programs import Program
from tests.lab.chap_peer import Login
from tests.lab.ppp_peer import IPV4, IPV6, PppPeer
from tests.lab.sstp_guest import PPP_BEGINS, TLS, openssl_config
from tests.lab.uml import preloaded

AGAIN = 1.0

# The terminal is its input and output, its log the program's output; only it sees this /run, where its socket is.
_START = 'mount --bind "$1" /run && tty=$2 && shift 2 && exec "$@" <>"$tty" >&0'

# What the plugin of pppd and sstpc say to each other (sstp-client, libsstp-api).
_API = b"ptss"
_AUTHENTICATED = 1
_SEND_KEY, _RECEIVE_KEY = 1, 2
_AGREED = _API + struct.pack("<HH", 0, 3)


class Sstpc:
    """sstpc on a host of the laboratory, with a PPP peer at its terminal.

    `connect` brings the link up; `ppp` is the peer, for whatever else a test says or expects. It ends with the
    laboratory at the latest; `close` ends it before.
    """

    def __init__(
        self, lab: Laboratory, host: Namespace, user: str = "alice", password: str = "secret", **peer: Any
    ) -> None:
        """Prepare a client; more arguments are those of PppPeer.

        Raises:
            SkipTest: sstpc is not installed.
        """
        program = shutil.which("sstpc") or shutil.which("sstpc", path=SYSTEM_PATH)
        if program is None:
            raise SkipTest("This needs sstpc: on Debian type 'apt install sstp-client'.")
        self._sstpc = program
        self._lab, self._host = lab, host
        self._peer = {"user": user, "password": password, **peer}
        self._program: Program | None = None
        self._terminal: tuple[int, ...] = ()
        self.change_keys: Callable[[bytes, bytes], tuple[bytes, bytes] | None] = lambda send, receive: (send, receive)
        """The keys given to sstpc instead of the real ones; without any it sends no CALL_CONNECTED."""

    def connect(
        self,
        name: str = GATEWAY_NAME,
        *protocols: int,
        tls: TLS = TLS.V12,
        proxy: str | None = None,
        ca: Path | None = None,
        trusting: bool = False,
        deadline: float = 20.0,
    ) -> PppPeer:
        """Start sstpc, log in, and negotiate both network protocols or only these.

        Where the server rejects the user, it returns as well, with the reason in `ppp.refused`.

        Raises:
            LabError: SSTP does not begin, or PPP does not get through.
        """
        self.start(name, tls=tls, proxy=proxy, ca=ca, trusting=trusting)
        self.ppp.open(*protocols, deadline=deadline)
        return self.ppp

    def start(
        self,
        name: str = GATEWAY_NAME,
        *,
        tls: TLS = TLS.V12,
        proxy: str | None = None,
        ca: Path | None = None,
        trusting: bool = False,
    ) -> None:
        """Start sstpc and wait until the server has acknowledged its call.

        Raises:
            LabError: sstpc has ended, or not come so far in time.
        """
        self._start(name, tls, proxy, ca or self._lab.authority.certificate, trusting)
        self.program.wait_for(PPP_BEGINS)

    @property
    def program(self) -> Program:
        """The running sstpc, with its log."""
        if self._program is None:
            raise LabError(f"sstpc on {self._host.label} has not been started")
        return self._program

    def tell_keys(self, send: bytes, receive: bytes) -> None:
        """Tell sstpc that the user is logged in, as pppd's plugin does; then it sends CALL_CONNECTED."""
        pairs = (_SEND_KEY, send), (_RECEIVE_KEY, receive)
        attributes = b"".join(struct.pack("<HH", kind, len(key)) + key for kind, key in pairs)
        with socket.socket(socket.AF_UNIX) as plugin:
            plugin.settimeout(DEADLINE)
            path = self._run / "sstpc" / "sstpc-lab"
            wait_until(path.exists, "the socket of sstpc for pppd's plugin")
            plugin.connect(str(path))
            plugin.sendall(_API + struct.pack("<HH", len(attributes), _AUTHENTICATED) + attributes)
            answer = plugin.recv(64)
        if answer != _AGREED:
            raise LabError(f"sstpc does not take the keys: {answer!r}\n{self.program.tail()}")

    def ping(self, address: str, size: int = 56, source: str | None = None, deadline: float = 5.0) -> None:
        """Ping an address by IPv4 or IPv6 and wait for the answer, by default from the link's own address.

        Raises:
            DeadlinePassed: There is no answer.
            LabError: The server has given no IPv4 address, or sstpc has ended.
        """
        if source is None and ":" not in address and self.ppp.address is None:
            raise LabError(f"sstpc on {self._host.label} has no IPv4 address to ping from")
        data = os.urandom(size)
        kind: Any
        layer: Any
        packet: Any
        if ":" in address:
            protocol, kind, layer, reply = IPV6, IPv6, ICMPv6EchoReply, 129
            packet = IPv6(src=source or str(self.ppp.link_local), dst=address) / ICMPv6EchoRequest(seq=1, data=data)
        else:
            protocol, kind, layer, reply = IPV4, IP, ICMP, 0
            packet = IP(src=source or str(self.ppp.address), dst=address) / ICMP(seq=1) / data

        def answers(got: bytes) -> bool:
            answer = kind(got)
            if layer not in answer or answer.src != address or not bytes(answer).endswith(data):
                return False
            return bool(answer[layer].type == reply)

        self._ask_until_answered(protocol, bytes(packet), answers, deadline)

    def global_address(self, deadline: float = 10.0) -> IPv6Address:
        """Solicit a router and return the address that its prefix and our interface identifier make.

        Raises:
            DeadlinePassed: No router advertises a prefix.
        """
        source = str(self.ppp.link_local)
        solicitation = bytes(IPv6(src=source, dst="ff02::2", hlim=255) / ICMPv6ND_RS())

        def advertised(got: bytes) -> bool:
            packet = IPv6(got)
            return ICMPv6ND_RA in packet and ICMPv6NDOptPrefixInfo in packet

        answer = self._ask_until_answered(IPV6, solicitation, advertised, deadline)
        option = IPv6(answer)[ICMPv6NDOptPrefixInfo]
        network = IPv6Network((option.prefix, option.prefixlen), strict=False)
        return IPv6Address(int(network.network_address) | int.from_bytes(self.ppp.interface_id))

    def close(self) -> None:
        """End sstpc without a word to the server but what sstpc itself says, and close its terminal."""
        if self._program is not None and self._program.running:
            self._program.kill()
        for end in self._terminal:
            os.close(end)
        self._program, self._terminal = None, ()

    def _ask_until_answered(
        self, protocol: int, packet: bytes, answers: Callable[[bytes], bool], deadline: float
    ) -> bytes:
        """Send a packet, again each second as programs do, and return the answer."""
        end = time.monotonic() + deadline
        while True:
            self.ppp.send(protocol, packet)
            try:
                return self.ppp.receive(protocol, AGAIN, answers)
            except DeadlinePassed:
                if time.monotonic() > end:
                    raise

    def _start(self, name: str, tls: TLS, proxy: str | None, ca: Path, trusting: bool) -> None:
        self.close()
        self._run = self._lab.directory / f"run-{len(self._lab.programs)}"
        (self._run / "sstpc").mkdir(parents=True)
        command = ["env", preloaded(self._lab.directory, "slowread"), f"OPENSSL_CONF={openssl_config(self._run, tls)}"]
        command += [self._sstpc, "--nolaunchpppd", "--ipparam", "lab"]
        command += ["--log-level", "4", "--log-stderr", "--ca-cert", str(ca), "--tls-ext"]
        command += ["--priv-user", "root", "--priv-dir", "/run/sstpc"]
        command += ["--cert-warn"] if trusting else []
        command += ["--proxy", proxy] if proxy else []
        # Ours stays open as well: the terminal does not hang up before sstpc has opened it.
        self._terminal = master, slave = os.openpty()
        tty.setraw(slave)
        self._program = self._lab.program(
            self._host, "sstpc", "sh", "-ec", _START, "sh", str(self._run), os.ttyname(slave), *command, name
        )
        self.ppp = PppPeer(master, logged_in=self._logged_in, check=self._check, **self._peer)

    def _check(self) -> None:
        if not self.program.running:
            raise LabError(f"{self.program.name} has ended\n{self.program.tail()}")

    def _logged_in(self, login: Login | None) -> None:
        keys = (login.send_key, login.receive_key) if login else (bytes(16), bytes(16))
        if (changed := self.change_keys(*keys)) is not None:
            self.tell_keys(*changed)
