"""Common parts of the PPP tests: packets built by scapy, a script of events, two machines on one wire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count

from scapy.layers.ppp import PPP_LCP, PPP_LCP_Configure, PPP_LCP_Option
from scapy.packet import Packet

from iphttps.core.sstp.ppp.automaton import State
from iphttps.core.sstp.ppp.commands import Command, Finished, Layer
from iphttps.core.sstp.ppp.control import ControlProtocol
from iphttps.core.sstp.ppp.lcp import LCP, Authentication
from iphttps.core.sstp.ppp.options import Option

REQUEST, ACK, NAK, REJECT = 1, 2, 3, 4
TERMINATE_REQUEST, TERMINATE_ACK, CODE_REJECT, PROTOCOL_REJECT = 5, 6, 7, 8
ECHO_REQUEST, ECHO_REPLY, DISCARD, IDENTIFICATION, TIME_REMAINING = 9, 10, 11, 12, 13

MAGIC = 0x01020304
"""The first magic number of either side of LCP."""


def magic_numbers(first: int = MAGIC) -> Callable[[], int]:
    """Return what makes magic numbers, one after the other."""
    following = count(first)
    return lambda: next(following)


def lcp_server(*demanded: Authentication) -> LCP:
    """Return a server that demands these authentication protocols."""
    return LCP(magic_numbers(), demanded=demanded)


def lcp_client(*offered: Authentication) -> LCP:
    """Return a client that can do these."""
    return LCP(magic_numbers(), offered=offered)


def configure(code: int, identifier: int, *options: Option) -> bytes:
    """Build a Configure packet of any protocol with scapy."""
    built = [PPP_LCP_Option(type=kind, len=len(value) + 2, data=value) for kind, value in options]
    return bytes(PPP_LCP_Configure(code=code, id=identifier, options=built))


def plain(code: int, identifier: int, data: bytes = b"") -> bytes:
    """Build another packet."""
    return bytes(PPP_LCP(code=code, id=identifier, data=data))


def dissected(data: bytes | Command, layer: type[Packet] = PPP_LCP) -> Packet:
    """Have scapy read a packet of ours, and assert that it would build the same."""
    assert isinstance(data, bytes), data
    packet = layer(data)
    fresh = packet.copy()
    fresh.clear_cache()
    del fresh.len
    assert bytes(fresh) == data, (bytes(fresh), data)
    return packet


def started(protocol: ControlProtocol, now: float = 0.0) -> bytes:
    """Open a protocol on a link that is up; return its Configure-Request."""
    assert protocol.up(now) == []
    (request,) = protocol.open(now)
    assert isinstance(request, bytes)
    return request


def answer(request: Command, code: int = ACK, data: bytes | None = None) -> bytes:
    """Return what answers a packet, with the same data unless told otherwise."""
    assert isinstance(request, bytes), request
    return plain(code, request[1], request[4:] if data is None else data)


def opened(protocol: ControlProtocol, *options: Option) -> ControlProtocol:
    """Bring a protocol to Opened, with a peer that grants everything and asks for these options."""
    request = started(protocol)
    protocol.receive(answer(request), 0.0)
    commands = protocol.receive(configure(REQUEST, 1, *options), 0.0)
    assert protocol.state is State.OPENED, commands
    return protocol


class Wire:
    """Two machines and what is between them; `lost` tells which packets are, by their number and content."""

    def __init__(
        self,
        one: ControlProtocol,
        other: ControlProtocol,
        lost: Callable[[int, bytes], bool] = lambda number, packet: False,
    ) -> None:
        self.ends = (one, other)
        self.now = 0.0
        self.sent = 0
        self.heard: tuple[list[Layer | Finished], list[Layer | Finished]] = ([], [])
        self.packets: list[tuple[int, bytes]] = []
        self.lost = lost

    def take(self, end: int, commands: Iterable[Command]) -> None:
        """Put on the wire what an end sends, and note what else it says."""
        for command in commands:
            if isinstance(command, bytes):
                self.sent += 1
                if not self.lost(self.sent, command):
                    self.packets.append((1 - end, command))
            elif isinstance(command, Layer | Finished):
                self.heard[end].append(command)

    def start(self) -> None:
        """Bring the link up, and open both ends."""
        for end, protocol in enumerate(self.ends):
            self.take(end, protocol.up(self.now))
            self.take(end, protocol.open(self.now))

    def run(self, seconds: float = 120.0) -> None:
        """Deliver packets, and let timers expire when none is on the way, for as long as something happens."""
        until = self.now + seconds
        while self.now < until:
            while self.packets:
                end, packet = self.packets.pop(0)
                self.take(end, self.ends[end].receive(packet, self.now))
                assert self.sent < 1000, "they go on for ever"
            deadlines = [protocol.deadline for protocol in self.ends if protocol.deadline is not None]
            if not deadlines:
                return
            self.now = min(deadlines)
            for end, protocol in enumerate(self.ends):
                self.take(end, protocol.expired(self.now))

    @property
    def states(self) -> Sequence[State]:
        """The states of both ends."""
        return [protocol.state for protocol in self.ends]
