"""The server's side of a PPP link: LCP, then authentication, then IPCP and IPV6CP (RFC 1661 section 3.2).

The phases are those of RFC 1661. A packet of a later phase is silently discarded (3.5); a frame of an unknown protocol
gets a Protocol-Reject once LCP is open (5.7). Data frames are not this module's business.

The owner checks logins: it receives the credentials as a command, and calls `accept` with an Offer, or `reject`, at
once or later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from . import chap, lcp, mschapv2_authenticator, pap
from .automaton import State
from .commands import Command as ControlCommand
from .commands import Finished, Layer, ProtocolRejected, Reason
from .control import ControlProtocol
from .frame import ProtocolNumber, build, parse
from .ipcp import ServerIPCP
from .ipv6cp import IPV6CP, nobodys
from .lcp import LCP, Authentication
from .mschapv2_authenticator import Authenticator, Outcome, Send, Verify

__all__ = ["Command", "Credentials", "Ended", "IPv4Up", "IPv6Up", "NetworkDown", "Offer", "PPPServer", "Phase"]

IDENTIFIER = bytes(7) + b"\x01"
"""The server's interface identifier, so that its link-local address is fe80::1 (RFC 5072 section 5)."""

Credentials = Verify | pap.AuthenticateRequest
"""A client's credentials: an MS-CHAPv2 Response with its challenge, or a PAP request."""


class Phase(Enum):
    """The phases of RFC 1661 section 3.2; the value is the text in status."""

    DEAD = "not started"
    ESTABLISH = "negotiating LCP"
    AUTHENTICATE = "authenticating"
    NETWORK = "up"
    TERMINATE = "terminating"


@dataclass(frozen=True, slots=True)
class Offer:
    """The addresses offered to an authenticated client: IPv4 addresses of 4 bytes, an interface identifier of 8.

    Without `ipv4` IPCP is rejected, without `identifier` IPV6CP. `own` is the server's IPv4 address. `identifier` is
    suggested to a client that has none, or one that `taken` reports as another client's.
    """

    own: bytes = b""
    ipv4: bytes = b""
    dns: Sequence[bytes] = ()
    identifier: bytes = b""
    taken: Callable[[bytes], bool] = nobodys


@dataclass(frozen=True, slots=True)
class IPv4Up:
    """IPCP is in state Opened: the client has this address, 4 bytes."""

    address: bytes


@dataclass(frozen=True, slots=True)
class IPv6Up:
    """IPV6CP is in state Opened: the client has this interface identifier, 8 bytes, by default the one offered."""

    identifier: bytes


@dataclass(frozen=True, slots=True)
class NetworkDown:
    """The protocol of this number, IPCP or IPV6CP, has left state Opened."""

    protocol: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The link has ended or must end; `sentence` is the reason, `peer` is true if the peer ended it."""

    sentence: str
    peer: bool = False


Command = bytes | Credentials | IPv4Up | IPv6Up | NetworkDown | Ended
"""Bytes are a frame to send."""


class PPPServer:
    """The server's side of one link.

    `random(n)` returns n random bytes. `name` is the server's name in its challenges. `demanded` are the
    authentication protocols that a client may use, best first. Each method takes the time `now`, in seconds, and
    returns the commands to perform, in order; at `deadline` the owner calls `expired`.
    """

    __slots__ = (
        "_authenticator",
        "_challenges",
        "_identifier",
        "_name",
        "_networks",
        "_random",
        "_request",
        "lcp",
        "phase",
        "user",
    )

    def __init__(
        self,
        random: Callable[[int], bytes],
        name: bytes,
        demanded: Sequence[Authentication] = (Authentication.MSCHAPV2,),
    ) -> None:
        self.phase = Phase.DEAD
        self.user = b""
        """The name in the client's credentials, as sent."""
        self.lcp = LCP(lambda: int.from_bytes(random(4), "big"), demanded=demanded)
        self._random = random
        self._name = name
        self._authenticator: Authenticator | None = None
        self._challenges = 0
        self._identifier = b""
        self._request: pap.AuthenticateRequest | None = None
        self._networks: dict[int, ServerIPCP | IPV6CP] = {}

    @property
    def deadline(self) -> float | None:
        """The time to call `expired`, in seconds; None if no timer runs."""
        return min((timer for each in self._timed() if (timer := each.deadline) is not None), default=None)

    def _timed(self) -> Iterable[ControlProtocol | Authenticator]:
        return (self.lcp, *([self._authenticator] if self._authenticator else ()), *self._networks.values())

    def start(self, now: float) -> list[Command]:
        """Start the link: the lower layer is up."""
        self.phase = Phase.ESTABLISH
        return self._lcp([*self.lcp.open(now), *self.lcp.up(now)], now)

    def close(self, now: float, reason: Reason = Reason.CLOSED) -> list[Command]:
        """Terminate the link; Ended follows."""
        self.phase = Phase.TERMINATE
        return self._lcp(self.lcp.close(now, reason), now)

    def expired(self, now: float) -> list[Command]:
        """Handle the timers that have expired."""
        commands = self._lcp(self.lcp.expired(now), now)
        if self._authenticator and self.phase is Phase.AUTHENTICATE:
            commands += self._chap(self._authenticator.expired(now))
        for number, protocol in tuple(self._networks.items()):
            commands += self._network(number, protocol.expired(now))
        return commands

    def receive(self, frame: bytes, now: float) -> list[Command]:
        """Process a frame that holds no IP packet."""
        parsed = parse(frame)
        if parsed is None:
            return []
        number, start = parsed
        # Truncate to the maximum MRU announced (RFC 1661 6.1), so that the answer to a control packet fits into a
        # frame. A Protocol-Reject may be truncated (5.7).
        data = frame[start : start + lcp.DEFAULT_MRU]
        if number == ProtocolNumber.LCP:
            return self._lcp(self.lcp.receive(data, now), now)
        authenticating = self.phase in (Phase.AUTHENTICATE, Phase.NETWORK)
        match number:
            case ProtocolNumber.CHAP if self._authenticator:
                return self._chap(self._authenticator.receive(data, now)) if authenticating else []
            case ProtocolNumber.PAP if self.lcp.authentication is Authentication.PAP:
                return self._pap(data) if authenticating else []
            case ProtocolNumber.IPCP | ProtocolNumber.IPV6CP if self.phase is not Phase.NETWORK:
                return []  # RFC 1661 3.5: a client may send them before the server has accepted its credentials
        if protocol := self._networks.get(number):
            return self._network(number, protocol.receive(data, now))
        rejected = self.lcp.protocol_reject(number, data)
        return [self._frame(ProtocolNumber.LCP, rejected)] if rejected else []

    # LCP.

    def _lcp(self, commands: list[ControlCommand], now: float) -> list[Command]:
        found: list[Command] = []
        for command in commands:
            match command:
                case bytes():
                    found.append(self._frame(ProtocolNumber.LCP, command))
                case Layer.UP if self.phase is Phase.ESTABLISH:  # in other phases the link is ending
                    found += self._authenticate(now)
                case Layer.DOWN:
                    found += self._down()
                case ProtocolRejected(number):
                    found += self._rejected(number, now)
                case Finished(Reason.PEER_TERMINATED):
                    found.append(self._end("the client terminated the PPP link", peer=True))
                case Finished(reason):
                    found.append(self._end(f"PPP: {reason.value}"))
        return found

    def _end(self, sentence: str, *, peer: bool = False) -> Ended:
        self.phase = Phase.TERMINATE
        return Ended(sentence, peer)

    def _authenticate(self, now: float) -> list[Command]:
        self.phase = Phase.AUTHENTICATE
        if self.lcp.authentication is Authentication.PAP:
            return []
        self._challenges += 1  # RFC 1994 4.1: each Challenge has a new Identifier
        self._authenticator = Authenticator(self._random(chap.CHALLENGE_LENGTH), self._name, self._challenges)
        return self._chap(self._authenticator.start(now))

    def _down(self) -> list[Command]:
        """Leave the phases after Establish.

        A peer may renegotiate LCP before it sends its credentials. Afterwards the verdict, the keys and the addresses
        belong to this link, so a renegotiation ends it.
        """
        again = self.lcp.reason is None
        afresh = again and self.phase is Phase.AUTHENTICATE and not self.awaits_verdict
        self.phase = Phase.ESTABLISH if afresh else Phase.TERMINATE
        opened = [NetworkDown(number) for number, each in self._networks.items() if each.state is State.OPENED]
        self._networks.clear()
        self._authenticator = self._request = None
        return [*opened, *([self._end("the client negotiates the PPP link again")] if again and not afresh else [])]

    def _rejected(self, number: int, now: float) -> list[Command]:
        """Stop a protocol that the peer has rejected, both its control protocol and its data (RFC 1661 5.7)."""
        if number in (ProtocolNumber.CHAP, ProtocolNumber.PAP):
            return self.close(now, Reason.AUTHENTICATION_REFUSED)
        protocol = self._networks.get(number | 0x8000)
        if not protocol:
            return []
        down = [NetworkDown(number | 0x8000)] if protocol.state is State.OPENED else []
        return [*down, *self._without(number | 0x8000, Reason.REJECTED)]

    # Authentication.

    def _chap(self, commands: Iterable[Send | Verify | Outcome]) -> list[Command]:
        found: list[Command] = []
        for command in commands:
            match command:
                case Send(packet):
                    found.append(self._frame(ProtocolNumber.CHAP, packet))
                case Verify():
                    self.user = command.response.name
                    found.append(command)
                case Outcome.NO_RESPONSE:
                    found.append(self._end("PPP: the peer does not answer the challenge"))
        return found

    def _pap(self, data: bytes) -> list[Command]:
        request = pap.AuthenticateRequest.parse(data)
        if request is None:
            return []
        if first := self._request:
            # RFC 1334 2.2.1: a retransmission has a new Identifier, which the answer must carry.
            if (request.name, request.password) != (first.name, first.password):
                return []
            self._request = request
            return [self._pap_answer(request.identifier, accepted=True)] if self.phase is Phase.NETWORK else []
        self._request = request
        self.user = request.name
        return [request]

    def _pap_answer(self, identifier: int, *, accepted: bool) -> bytes:
        return self._frame(ProtocolNumber.PAP, pap.Answer(identifier, accepted).encode())

    @property
    def awaits_verdict(self) -> bool:
        """True if the owner still has to accept or reject the credentials."""
        if self.phase is not Phase.AUTHENTICATE:
            return False
        verifying = self._authenticator and self._authenticator.state is mschapv2_authenticator.State.VERIFYING
        return bool(self._request or verifying)

    def accept(self, offer: Offer, now: float, success: bytes = b"") -> list[Command]:
        """Accept the client; `success` is the authenticator response of MS-CHAPv2, 42 bytes.

        It has no effect if the link does not wait for a verdict, because it has ended or renegotiates.
        """
        if not self.awaits_verdict:
            return []
        commands: list[Command] = []
        if self._request:
            commands.append(self._pap_answer(self._request.identifier, accepted=True))
        else:
            assert self._authenticator  # awaits_verdict says so
            commands += self._chap(self._authenticator.accept(success, now))
        self.phase = Phase.NETWORK
        if offer.ipv4:
            self._networks[ProtocolNumber.IPCP] = ServerIPCP(offer.own, offer.ipv4, offer.dns)
        self._identifier = offer.identifier
        if offer.identifier:
            self._networks[ProtocolNumber.IPV6CP] = IPV6CP(IDENTIFIER, offer.identifier, taken=offer.taken)
        for number, protocol in self._networks.items():
            commands += self._network(number, [*protocol.open(now), *protocol.up(now)])
        return commands

    def reject(self, now: float, code: int, sentence: str) -> list[Command]:
        """Reject the client with this code of RFC 2759 section 6; `sentence` is the reason for the log.

        It has no effect if the link does not wait for a verdict.
        """
        if not self.awaits_verdict:
            return []
        commands: list[Command] = []
        if self._request:
            commands.append(self._pap_answer(self._request.identifier, accepted=False))
        else:
            assert self._authenticator  # awaits_verdict says so
            commands += self._chap(self._authenticator.reject(now, code))
        return [*commands, self._end(sentence)]

    # The network layer.

    def _network(self, number: int, commands: list[ControlCommand]) -> list[Command]:
        found: list[Command] = []
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

    def _without(self, number: int, reason: Reason) -> list[Command]:
        self._networks.pop(number, None)
        return [] if self._networks else [self._end(f"PPP: neither IPv4 nor IPv6 is left: {reason.value}")]

    def _network_up(self, number: int) -> IPv4Up | IPv6Up:
        protocol = self._networks[number]
        if isinstance(protocol, ServerIPCP):
            return IPv4Up(protocol.assigned)
        return IPv6Up(protocol.peer_identifier or self._identifier)  # a client may omit it after Max-Failure Naks

    def _frame(self, number: int, packet: bytes) -> bytes:
        return build(number, packet, acfc=self.lcp.acfc, pfc=self.lcp.pfc)
