"""The common part of both ends of a PPP link: LCP, the phases, the control protocols above it (RFC 1661 section 3.2).

A packet of a later phase is silently discarded (3.5); a frame of an unknown protocol gets a Protocol-Reject once LCP is
open (5.7). This module does not process data frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Generic, TypeAlias, TypeVar

from . import lcp
from .automaton import State
from .commands import Command as ControlCommand
from .commands import Finished, Layer, ProtocolRejected, Reason
from .control import ControlProtocol
from .frame import ProtocolNumber, build, parse
from .lcp import LCP

__all__ = ["Command", "Ended", "NetworkDown", "PPPLink", "Phase"]


class Phase(Enum):
    """The phases of RFC 1661 section 3.2; the value is the phrase in status."""

    DEAD = "not started"
    ESTABLISH = "negotiating LCP"
    AUTHENTICATE = "authenticating"
    NETWORK = "up"
    TERMINATE = "terminating"


@dataclass(frozen=True, slots=True)
class NetworkDown:
    """The protocol of this number, IPCP or IPV6CP, is no longer open."""

    protocol: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The link has ended or must end; `sentence` is the reason, and `peer` is True if the peer has terminated it.

    `code` is the error code of Windows' client for it, or None.
    """

    sentence: str
    peer: bool = False
    code: str | None = None


P = TypeVar("P", bound=ControlProtocol)
C = TypeVar("C")

Command: TypeAlias = bytes | NetworkDown | Ended | C
"""The commands of both sides; C is the commands of one side only. Bytes are a frame to send."""


class PPPLink(ABC, Generic[P, C]):
    """One side of a link: P are its control protocols of the network layer, C its own commands.

    Each method takes the time `now`, in seconds, and returns the commands to perform, in order; at `deadline` the owner
    calls `expired`.
    """

    PEER: ClassVar[str]
    """The role of the peer in sentences: client or server."""

    __slots__ = ("_networks", "lcp", "phase")

    def __init__(self, lcp: LCP) -> None:
        self.phase = Phase.DEAD
        self.lcp = lcp
        self._networks: dict[int, P] = {}

    @property
    def deadline(self) -> float | None:
        """The time to call `expired`, in seconds; None if no timer runs."""
        return min((timer for timer in self._deadlines() if timer is not None), default=None)

    def _deadlines(self) -> Iterable[float | None]:
        return (self.lcp.deadline, *(each.deadline for each in self._networks.values()))

    def start(self, now: float) -> list[Command[C]]:
        """Start LCP: the lower layer is up."""
        self.phase = Phase.ESTABLISH
        return self._lcp([*self.lcp.open(now), *self.lcp.up(now)], now)

    def close(self, now: float, reason: Reason = Reason.CLOSED) -> list[Command[C]]:
        """Terminate the link; Ended follows."""
        self.phase = Phase.TERMINATE
        return self._lcp(self.lcp.close(now, reason), now)

    def expired(self, now: float) -> list[Command[C]]:
        """Handle the timers that have expired."""
        commands = self._lcp(self.lcp.expired(now), now)
        if self.phase is Phase.AUTHENTICATE:
            commands += self._authentication_expired(now)
        for number, protocol in tuple(self._networks.items()):
            commands += self._network(number, protocol.expired(now))
        return commands

    def receive(self, frame: bytes, now: float) -> list[Command[C]]:
        """Process a frame that contains no IP packet."""
        parsed = parse(frame)
        if parsed is None:
            return []
        number, start = parsed
        # No control packet may be longer than the MRU, which is at most this one (RFC 1661 6.1), or its answer might
        # not fit into a frame. What a Protocol-Reject sends back may be cut (5.7).
        data = frame[start : start + lcp.DEFAULT_MRU]
        if number == ProtocolNumber.LCP:
            return self._lcp(self.lcp.receive(data, now), now)
        if self._authenticates_by(number):
            authenticating = self.phase in (Phase.AUTHENTICATE, Phase.NETWORK)
            return self._authentication(number, data, now) if authenticating else []
        if number in (ProtocolNumber.IPCP, ProtocolNumber.IPV6CP) and self.phase is not Phase.NETWORK:
            return []  # RFC 1661 3.5: they may come as soon as the peer believes that authentication is complete
        if protocol := self._networks.get(number):
            return self._network(number, protocol.receive(data, now))
        rejected = self.lcp.protocol_reject(number, data)
        return [self._frame(ProtocolNumber.LCP, rejected)] if rejected else []

    # LCP.

    def _lcp(self, commands: list[ControlCommand], now: float) -> list[Command[C]]:
        found: list[Command[C]] = []
        for command in commands:
            match command:
                case bytes():
                    found.append(self._frame(ProtocolNumber.LCP, command))
                case Layer.UP if self.phase is Phase.ESTABLISH:  # otherwise the link must end
                    found += self._authenticate(now)
                case Layer.DOWN:
                    found += self._down()
                case ProtocolRejected(number):
                    found += self._rejected(number, now)
                case Finished(reason):
                    found.append(self._finished(reason))
        return found

    def _finished(self, reason: Reason) -> Ended:
        """Return the end of the link after LCP has finished."""
        if reason is Reason.PEER_TERMINATED:
            return self._end(f"the {self.PEER} terminated the PPP link", peer=True)
        return self._end(f"PPP: {reason.value}")

    def _end(self, sentence: str, *, peer: bool = False, code: str | None = None) -> Ended:
        self.phase = Phase.TERMINATE
        return Ended(sentence, peer, code)

    def _down(self) -> list[Command[C]]:
        """Leave the phases above LCP.

        The link may be negotiated again before the credentials are used. After that, the result of the authentication,
        the keys and the addresses belong to the old link, and it ends.
        """
        again = self.lcp.reason is None
        afresh = again and self.phase is Phase.AUTHENTICATE and self._negotiable
        self.phase = Phase.ESTABLISH if afresh else Phase.TERMINATE
        opened = [NetworkDown(number) for number, each in self._networks.items() if each.state is State.OPENED]
        self._networks.clear()
        self._forget()
        if again and not afresh:
            return [*opened, self._end(f"the {self.PEER} negotiates the PPP link again")]
        return [*opened]

    def _rejected(self, number: int, now: float) -> list[Command[C]]:
        """Stop a protocol that the peer has rejected, by its control protocol or by its data (RFC 1661 5.7)."""
        if number in (ProtocolNumber.CHAP, ProtocolNumber.PAP):
            return self.close(now, Reason.AUTHENTICATION_REFUSED)
        protocol = self._networks.get(number | 0x8000)
        if not protocol:
            return []
        down = [NetworkDown(number | 0x8000)] if protocol.state is State.OPENED else []
        return [*down, *self._without(number | 0x8000, Reason.REJECTED)]

    # Authentication, which each side implements.

    @property
    def _negotiable(self) -> bool:
        """True if the link may be negotiated again during the authentication."""
        return True

    @abstractmethod
    def _authenticate(self, now: float) -> list[Command[C]]:
        """Start the authentication: LCP is open."""

    @abstractmethod
    def _authenticates_by(self, number: int) -> bool:
        """Return True if packets of this protocol belong to the authentication."""

    @abstractmethod
    def _authentication(self, number: int, data: bytes, now: float) -> list[Command[C]]:
        """Process a packet of the authentication."""

    @abstractmethod
    def _authentication_expired(self, now: float) -> list[Command[C]]:
        """Handle the timer of the authentication."""

    @abstractmethod
    def _forget(self) -> None:
        """Forget the authentication."""

    # The network layer.

    def _network(self, number: int, commands: list[ControlCommand]) -> list[Command[C]]:
        found: list[Command[C]] = []
        for command in commands:
            match command:
                case bytes():
                    found.append(self._frame(number, command))
                case Layer.UP:
                    found.append(self._network_up(number))
                case Layer.DOWN:
                    found.append(NetworkDown(number))
                case Finished(reason):
                    found += self._without(number, reason)
        return found

    @abstractmethod
    def _network_up(self, number: int) -> C:
        """Return the command that reports an open protocol."""

    def _without(self, number: int, reason: Reason) -> list[Command[C]]:
        """Give up a protocol for this reason."""
        self._networks.pop(number, None)
        return [] if self._networks else [self._end(f"PPP: neither IPv4 nor IPv6 is left: {reason.value}")]

    def _frame(self, number: int, packet: bytes) -> bytes:
        return build(number, packet, acfc=self.lcp.acfc, pfc=self.lcp.pfc)
