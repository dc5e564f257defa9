"""A small SSTP client with a TUN device, for the demo and for measurements: it connects once, and has no options.

    python -m iphttps.app.sstp_client HOST CA USER INTERFACE

The password is the first line of standard input. When the link is up it prints a line, and forwards packets until the
server ends the call, or a signal. It is a blocking program on core's codec, its control protocols and its binding; for
daily use there are pppd and sstpc.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import sys
import time
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from ..core.errors import ConfigError
from ..core.http.head import CONTENT_LENGTH
from ..core.ip import icmpv6, ipv6
from ..core.ip.batch import Batch
from ..core.sstp import attributes, request
from ..core.sstp.codec import ControlPacket, SSTPCodec
from ..core.sstp.crypto_binding import call_connected, certificate_hash, choose_protocol, client_hlak
from ..core.sstp.packet import MessageType, data_packet, message
from ..core.sstp.ppp import chap, frame, mschapv2
from ..core.sstp.ppp.automaton import State
from ..core.sstp.ppp.commands import Command, Finished, Layer, ProtocolRejected
from ..core.sstp.ppp.control import ControlProtocol
from ..core.sstp.ppp.frame import ProtocolNumber
from ..core.sstp.ppp.ipcp import ClientIPCP
from ..core.sstp.ppp.ipv6cp import IPV6CP
from ..core.sstp.ppp.lcp import LCP, MRU, Authentication
from ..core.text import ascii_only, shortened
from ..host.device.offload import open_tun
from ..host.device.tun import KernelDevice
from ..host.kernel.ipv4 import IPv4Config
from ..host.kernel.network import LinuxNetwork, NetworkConfig
from ..net.interfaces import PacketDevice
from .config.interface_settings import CLIENT

PATIENCE = 15.0
"""Seconds that the negotiation may take."""

GRACE = 3.0
"""Seconds that one family is waited for once the other is up: some servers do not answer IPV6CP at all."""

EXPIRY = 0.5
"""Seconds between looks at the timers."""

LONGEST_HEAD = 1 << 14
CHUNK = 1 << 18
MOST_READS = 8
MOST_RECORDS = 16


def des(key: bytes, block: bytes) -> bytes:
    """Encrypt a block: DES is Triple DES with three equal keys."""
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


class Client:
    """A call, from the TLS connection on."""

    def __init__(self, host: str, ca: str, user: str, password: str) -> None:
        """Connect to a host, or to one with `:port`; raises OSError."""
        name, _, port = host.partition(":")
        context = ssl.create_default_context(cafile=ca)
        connection = socket.create_connection((name, int(port or 443)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = context.wrap_socket(connection, server_hostname=name)
        self.codec = SSTPCodec()
        self.lcp = LCP(lambda: int.from_bytes(os.urandom(4)), offered=(Authentication.MSCHAPV2,))
        self.ipcp = ClientIPCP()
        self.ipv6cp = IPV6CP(b"\2" + os.urandom(7), b"\2" + os.urandom(7), yielding=True)
        self._protocols: dict[int, ControlProtocol] = {
            ProtocolNumber.LCP: self.lcp,
            ProtocolNumber.IPCP: self.ipcp,
            ProtocolNumber.IPV6CP: self.ipv6cp,
        }
        self._host = name
        self._user, self._nt_hash = user.encode(), mschapv2.nt_password_hash(password)
        self._binding = attributes.CryptoBindingRequest(0, b"")
        self._challenge = b""
        self._response: chap.Response | None = None
        self._since: float | None = None  # when the first family was up

    def connect(self) -> None:
        """Do everything until packets pass; raises ConfigError where the server does not want it."""
        end = time.monotonic() + PATIENCE
        self.stream.settimeout(PATIENCE)
        head = f"{request.METHODS[0]} {request.PATH} HTTP/1.1\r\nHost: {self._host}\r\n"
        self.stream.sendall(f"{head}Content-Length: {CONTENT_LENGTH}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._received()
            if len(answer) > LONGEST_HEAD:
                raise ConfigError("the head of the server's answer does not end")
        if b" 200 " not in answer.splitlines()[0]:
            raise ConfigError(f"the server answered {shortened(ascii_only(answer.splitlines()[0]))}")
        self.stream.sendall(message(MessageType.CALL_CONNECT_REQUEST, attributes.encapsulated_protocol()))
        self._take(answer.partition(b"\r\n\r\n")[2])
        while not self._up:
            if (now := time.monotonic()) > end:
                raise ConfigError("the negotiation takes too long")
            for number, protocol in self._protocols.items():
                self._perform(number, protocol.expired(now))
            if self.stream.pending() or select.select([self.stream], [], [], EXPIRY)[0]:
                self._take(self._received())
        if self.ipcp.state is State.OPENED:
            own = IPv4Address(self.ipcp.address)
            if own.is_loopback or own.is_multicast or own.is_reserved:
                raise ConfigError(f"the server assigns {own}, which no host can have")
        self.codec.data_passes = True
        self.codec.compress(address_and_control=self.lcp.acfc, protocol=self.lcp.pfc)

    @property
    def _up(self) -> bool:
        states = {self.ipcp.state, self.ipv6cp.state}
        if State.OPENED not in states:
            return False
        self._since = self._since or time.monotonic()
        # A family that the server does not offer has ended by a Protocol-Reject.
        return states <= {State.OPENED, State.STOPPED} or time.monotonic() > self._since + GRACE

    def _received(self) -> bytes:
        data = self.stream.recv(CHUNK)
        if not data:
            raise ConfigError("the server has closed the connection")
        return data

    def _waiting(self) -> bytes:
        """Return what has come, several TLS records at once: the kernel takes the packets of a flow as one."""
        pieces = [self._received()]
        for _ in range(MOST_RECORDS):
            if not self.stream.pending() and not select.select([self.stream], [], [], 0)[0]:
                break
            pieces.append(self._received())
        return b"".join(pieces)

    def _take(self, data: bytes) -> None:
        """Process what is no IP packet."""
        self.codec.feed(data)
        self.control()

    def control(self) -> None:
        """Process the control packets that the codec has found; raises ConfigError if the call ends by them."""
        if self.codec.end:
            raise ConfigError(self.codec.end)
        items, self.codec.control = self.codec.control, []
        for item in items:
            if isinstance(item, ControlPacket):
                self._message(attributes.read(item.data))
            else:
                self._frame(item.data)

    def _message(self, found: attributes.Message) -> None:
        match found.kind:
            case MessageType.CALL_CONNECT_ACK:
                wanted = attributes.AttributeID.CRYPTO_BINDING_REQ
                values = [each.value for each in found.attributes if each.number == wanted]
                binding = attributes.CryptoBindingRequest.parse(values[0]) if values and not found.fault else None
                if binding is None or choose_protocol(binding.hashes) is None:
                    raise ConfigError("the server's CALL_CONNECT_ACK is wrong")
                self._binding = binding
                self._open(ProtocolNumber.LCP)
            case MessageType.ECHO_REQUEST:
                self.stream.sendall(message(MessageType.ECHO_RESPONSE))
            case MessageType.ECHO_RESPONSE:
                pass
            case kind:
                raise ConfigError(f"the server has sent {kind.name if kind else 'an unknown message'}")

    def _frame(self, data: bytes) -> None:
        if (parsed := frame.parse(data)) is None:
            return
        number, start = parsed
        if number == ProtocolNumber.CHAP:
            self._chap(chap.parse(data[start:]))
        elif protocol := self._protocols.get(number):
            self._perform(number, protocol.receive(data[start:], time.monotonic()))
        elif reject := self.lcp.protocol_reject(number, data[start:]):
            self._send(ProtocolNumber.LCP, reject)

    def _chap(self, packet: chap.Challenge | chap.Response | chap.Result | None) -> None:
        match packet:
            case chap.Challenge():
                mine = os.urandom(chap.CHALLENGE_LENGTH)
                self._challenge = packet.value
                self._response = mschapv2.respond(self._nt_hash, packet.identifier, packet.value, mine, self._user, des)
                self._send(ProtocolNumber.CHAP, self._response.encode())
            case chap.Result() if self._response:
                proven = mschapv2.check_success(packet.message, self._nt_hash, self._challenge, self._response)
                if not packet.succeeded or not proven:
                    raise ConfigError(f"the login has failed: {shortened(ascii_only(packet.message))}")
                self._bind(mschapv2.client_keys(self._nt_hash, self._response.nt_response))
                self._open(ProtocolNumber.IPCP)
                self._open(ProtocolNumber.IPV6CP)

    def _bind(self, keys: mschapv2.MasterKeys) -> None:
        """Prove that TLS and the login have the same two ends ([MS-SSTP] 3.2.5.2)."""
        protocol = choose_protocol(self._binding.hashes)
        certificate = self.stream.getpeercert(binary_form=True)
        if protocol is None or certificate is None:
            raise ConfigError("the server supports no hash protocol of ours")
        shown = certificate_hash(certificate, protocol)
        self.stream.sendall(call_connected(client_hlak(keys.send, keys.receive), self._binding.nonce, shown, protocol))

    def _open(self, number: int) -> None:
        protocol, now = self._protocols[number], time.monotonic()
        self._perform(number, [*protocol.open(now), *protocol.up(now)])

    def _perform(self, number: int, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case bytes():
                    self._send(number, command)
                case Finished(reason) if number == ProtocolNumber.LCP:
                    raise ConfigError(f"PPP: {reason.value}")
                case Layer.DOWN if number == ProtocolNumber.LCP and self.lcp.reason:
                    raise ConfigError(f"PPP: {self.lcp.reason.value}")
                case ProtocolRejected(rejected) if protocol := self._protocols.get(rejected):
                    self._perform(rejected, protocol.rejected(time.monotonic()))

    def _send(self, number: int, packet: bytes) -> None:
        self.stream.sendall(data_packet(frame.build(number, packet)))

    def configure(self, interface: str) -> KernelDevice:
        """Return a device with the addresses that were negotiated; raises ConfigError."""
        device = open_tun(interface, ipv4=True, mtu=MRU)
        ipv4 = None
        if self.ipcp.state is State.OPENED:
            peer = IPv4Address(self.ipcp.peer_address) if self.ipcp.peer_address else None
            ipv4 = IPv4Config(IPv4Interface(self.ipcp.address), peer)
        own = IPv6Address(b"\xfe\x80" + bytes(6) + self.ipv6cp.identifier)
        # The link-local address is the one of IPV6CP, and the kernel makes the others from it.
        settings = {**CLIENT, "addr_gen_mode": 1, "accept_ra_defrtr": 0}
        addresses = (IPv6Interface(f"{own}/64"),)
        LinuxNetwork().apply(NetworkConfig(interface, True, MRU, addresses, settings, ipv4=ipv4))
        if self.ipv6cp.state is State.OPENED:
            solicitation = icmpv6.message(133, 0, bytes(4), own.packed, ipv6.ALL_ROUTERS)  # RFC 4861 section 4.1
            self.stream.sendall(self.codec.encode(Batch.of([solicitation])))
        return device

    def forward(self, device: PacketDevice) -> None:
        """Forward packets until the server ends the call; raises ConfigError then."""
        stream, codec = self.stream, self.codec
        while True:
            ends = (stream.fileno(), device.fileno())
            ready = [stream.fileno()] if stream.pending() else select.select(ends, [], [])[0]
            if device.fileno() in ready:
                pieces: list[bytes] = []
                while len(pieces) < MOST_READS and (batch := device.read()):
                    pieces.append(codec.encode(batch))
                if pieces:
                    stream.sendall(b"".join(pieces))
            if stream.fileno() in ready:
                batch = codec.feed(self._waiting())
                while True:
                    if batch:
                        device.write(batch)
                    self.control()
                    if not codec.pending:
                        break
                    batch = codec.feed(b"")


def main(host: str, ca: str, user: str, interface: str) -> int:
    """Connect and forward; return the exit status."""
    client = Client(host, ca, user, sys.stdin.readline().rstrip("\n"))
    try:
        client.connect()
        device = client.configure(interface)
        print(f"connected: {IPv4Address(client.ipcp.address)}", flush=True)
        client.forward(device)
    except (ConfigError, OSError) as error:
        print(f"ended: {error}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
