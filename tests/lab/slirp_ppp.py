"""A stand-in for pppd under a foreign SSTP server if the kernel has no PPP: an MS-CHAPv2 login, then slirp's PPP.

    slirp_ppp.py TERMINAL file CONFIG LOCAL:REMOTE ... [plugin NAME sstp-sock SOCKET] ...

It takes the arguments of pppd. slirp knows no login; so this stands between slirp's terminal and the server's, and adds
to slirp's Configure-Request the demand for MS-CHAPv2. After the login it tells the server the keys, as the plugin for
pppd of sstp-client does, and from then on it only copies. CONFIG is JSON: `user`, `password`, and the file `log`.
Nothing of iphttps is used here but what the other peers of the tests use.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tests.lab.chap_peer import log_in
from tests.lab.ppp_peer import (
    ACK,
    ADDRESS,
    AUTHENTICATION,
    BY_MSCHAPV2,
    CHALLENGE,
    CHAP,
    FAILURE,
    IPCP,
    LCP,
    NAK,
    REJECT,
    REQUEST,
    RESPONSE,
    SUCCESS,
    framed,
    unframed,
)

SLIRP = "slirp-fullbolt"
PATIENCE = 30.0
CHUNK = 1 << 16

# What the plugin of pppd says and hears (sstp-client, libsstp-api).
_API = b"ptss"
_AUTHENTICATED = 1
_SEND_KEY, _RECEIVE_KEY = 1, 2
_AGREED = _API + struct.pack("<HH", 0, 3)

_DEMAND = bytes((AUTHENTICATION, 2 + len(BY_MSCHAPV2))) + BY_MSCHAPV2
_NOWHERE = bytes((ADDRESS, 6, 0, 0, 0, 0))
_SERVER = bytes((ADDRESS, 6, 10, 0, 2, 2))
_FLAG = b"\x7e"
_ADDRESS_AND_CONTROL = b"\xff\x03"


class Ended(Exception):
    """The link cannot come up, or has ended; the text says why."""


class Terminal:
    """One of the two terminals."""

    def __init__(self, descriptor: int) -> None:
        tty.setraw(descriptor)
        self.descriptor = descriptor
        self._rest = b""

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield what has come: protocols and packets."""
        *pieces, self._rest = (self._rest + self.read()).split(_FLAG)
        for content in filter(None, map(unframed, filter(None, pieces))):
            bare = content.removeprefix(_ADDRESS_AND_CONTROL)
            yield int.from_bytes(bare[:2]), bare[2:]

    def read(self) -> bytes:
        """Return some bytes."""
        try:
            return os.read(self.descriptor, CHUNK)
        except OSError as error:
            raise Ended(f"the terminal is closed: {error.strerror}") from error

    def send(self, protocol: int, packet: bytes) -> None:
        """Send a packet in a frame."""
        self.write(framed(_ADDRESS_AND_CONTROL + protocol.to_bytes(2) + packet))

    def write(self, data: bytes) -> None:
        """Write bytes."""
        while data:
            data = data[os.write(self.descriptor, data) :]

    def take_rest(self) -> bytes:
        """Return the bytes of a frame that is not whole yet, with the flag before them."""
        rest, self._rest = self._rest, b""
        return _FLAG + rest


class Authenticator:
    """The login between a client and slirp."""

    def __init__(self, client: Terminal, slirp: Terminal, user: str, password: str, log: IO[str]) -> None:
        self._client, self._slirp = client, slirp
        self._user, self._password = user, password
        self._log = log
        self._challenge = os.urandom(16)
        self._held: list[tuple[int, bytes]] = []  # what slirp says too early

    def run(self) -> tuple[bytes, bytes]:
        """Let both negotiate LCP, log the client in, and return this end's keys: to send, and to receive.

        Raises:
            Ended: The client does not log in.
        """
        while True:
            ready = select.select((self._client.descriptor, self._slirp.descriptor), (), (), PATIENCE)[0]
            if not ready:
                raise Ended("the client says nothing")
            if self._slirp.descriptor in ready:
                for protocol, packet in self._slirp.frames():
                    self._from_slirp(protocol, packet)
            if self._client.descriptor in ready:
                for protocol, packet in self._client.frames():
                    if protocol == CHAP and packet[:1] == bytes((RESPONSE,)):
                        return self._check(packet[1], packet[4:])
                    if protocol == LCP:
                        self._from_client(packet)

    def release(self) -> None:
        """Send what was held back until the login."""
        for protocol, packet in self._held:
            self._client.send(protocol, packet)
        self._client.write(self._slirp.take_rest())
        self._slirp.write(self._client.take_rest())

    def _from_slirp(self, protocol: int, packet: bytes) -> None:
        if protocol == LCP:
            if packet[0] == REQUEST:
                packet = _with_options(packet, packet[4:] + _DEMAND)
            self._client.send(LCP, packet)
        elif protocol == IPCP and packet[0] == REQUEST and _NOWHERE in packet[4:]:
            # It would ask the client for an address, and end where it gets none. It begins when LCP is up.
            self._slirp.send(IPCP, _with_options(bytes((NAK,)) + packet[1:], _SERVER))
            value = bytes((len(self._challenge),)) + self._challenge
            self._client.send(CHAP, struct.pack(">BBH", CHALLENGE, 1, 4 + len(value) + 5) + value + b"slirp")
        else:
            self._held.append((protocol, packet))

    def _from_client(self, packet: bytes) -> None:
        code, options = packet[0], packet[4:]
        if code in (NAK, REJECT) and any(kind == AUTHENTICATION for kind, _ in _parsed(options)):
            raise Ended("the client does not want to log in by MS-CHAPv2")
        if code == ACK:
            packet = _with_options(packet, options.removesuffix(_DEMAND))
        self._slirp.send(LCP, packet)

    def _check(self, identifier: int, data: bytes) -> tuple[bytes, bytes]:
        value, name = data[1 : 1 + data[0]], data[1 + data[0] :]
        right = log_in(self._user, self._password, self._challenge, value[:16])
        if (name, value[:48]) != (self._user.encode(), right.value[:48]):
            message = b"E=691 R=0 C=%s V=3 M=Access denied" % self._challenge.hex().encode()
            print("the name or the password is wrong", file=self._log, flush=True)
            self._answer(FAILURE, identifier, message)
            raise Ended("the client is not logged in")
        print("the client is logged in", file=self._log, flush=True)
        self._answer(SUCCESS, identifier, right.success + b" M=Welcome")
        return right.receive_key, right.send_key

    def _answer(self, code: int, identifier: int, message: bytes) -> None:
        self._client.send(CHAP, struct.pack(">BBH", code, identifier, 4 + len(message)) + message)


def tell_keys(path: str, send: bytes, receive: bytes) -> None:
    """Tell the server the keys, as the plugin of pppd does.

    Raises:
        Ended: The server does not take them.
    """
    pairs = (_SEND_KEY, send), (_RECEIVE_KEY, receive)
    attributes = b"".join(struct.pack("<HH", kind, len(key)) + key for kind, key in pairs)
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(PATIENCE)
        wire.connect(path)
        wire.sendall(_API + struct.pack("<HH", len(attributes), _AUTHENTICATED) + attributes)
        if wire.recv(64) != _AGREED:
            raise Ended("the server does not take the keys")


def copy(one: Terminal, other: Terminal) -> None:
    """Copy both ways until a terminal is closed; then raise Ended."""
    while True:
        for descriptor in select.select((one.descriptor, other.descriptor), (), ())[0]:
            source, sink = (one, other) if descriptor == one.descriptor else (other, one)
            sink.write(source.read())


def serve(terminal: str, arguments: list[str], log: IO[str]) -> None:
    """Serve the client at a terminal."""
    given = dict(itertools.pairwise(arguments))
    config = json.loads(Path(given["file"]).read_text())
    client = Terminal(os.open(terminal, os.O_RDWR | os.O_NOCTTY))
    master, slave = os.openpty()
    tty.setraw(slave)
    command = (SLIRP, "-P", "mtu 1400")
    surroundings = os.environ | {"HOME": str(Path(config["log"]).parent)}  # where its own configuration would be
    slirp = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=log, env=surroundings, start_new_session=True)
    try:
        own = Terminal(master)
        login = Authenticator(client, own, config["user"], config["password"], log)
        keys = login.run()
        if "sstp-sock" in given:
            tell_keys(given["sstp-sock"], *keys)
        login.release()
        copy(client, own)
    except Ended as reason:
        print(f"ended: {reason}", file=log, flush=True)
    finally:
        slirp.terminate()
        slirp.wait()


def _with_options(packet: bytes, options: bytes) -> bytes:
    return packet[:2] + (4 + len(options)).to_bytes(2) + options


def _parsed(options: bytes) -> Iterator[tuple[int, bytes]]:
    while len(options) >= 2 and 2 <= options[1] <= len(options):
        yield options[0], options[2 : options[1]]
        options = options[options[1] :]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # by which the server ends it
    with open(json.loads(Path(sys.argv[sys.argv.index("file") + 1]).read_text())["log"], "a") as printed:
        serve(sys.argv[1], sys.argv[2:], printed)
