"""The server's side of a PPP link: LCP, then authentication, then IPCP and IPV6CP (RFC 1661 section 3.2).

The owner knows the users: it gets the credentials as a command, and answers with `accept` or `reject`, at once or
later. With `accept` it says what the client is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from . import chap, mschapv2_authenticator, pap
from .frame import ProtocolNumber
from .ipcp import ServerIPCP, unclaimed
from .ipv6cp import IPV6CP, nobodys
from .lcp import LCP, Authentication
from .link import Ended, NetworkDown, Phase, PPPLink
from .mschapv2_authenticator import Authenticator, Outcome, Send, Verify

__all__ = ["Command", "Credentials", "Ended", "IPv4Up", "IPv6Up", "NetworkDown", "Offer", "PPPServer", "Phase"]

IDENTIFIER = bytes(7) + b"\x01"
"""The server's interface identifier, so that its link-local address is fe80::1 (RFC 5072 section 5)."""

Credentials = Verify | pap.AuthenticateRequest
"""A client's credentials: an MS-CHAPv2 Response with its challenge, or a PAP request."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The addresses offered to an authenticated client: IPv4 addresses of 4 bytes, an interface identifier of 8.

    Without `ipv4` IPCP is rejected, without `identifier` IPV6CP. `own` is the server's IPv4 address. `identifier` is
    suggested to a client that has none, or one that `taken` reports as another client's. `claim` is called with another
    IPv4 address that the client requests, and returns True if the client gets it instead.
    """

    own: bytes = b""
    ipv4: bytes = b""
    dns: Sequence[bytes] = ()
    identifier: bytes = b""
    taken: Callable[[bytes], bool] = nobodys
    claim: Callable[[bytes], bool] = unclaimed


@dataclass(frozen=True, slots=True)
class IPv4Up:
    """IPCP is in state Opened: the client has this address, 4 bytes."""

    address: bytes


@dataclass(frozen=True, slots=True)
class IPv6Up:
    """IPV6CP is in state Opened: the client has this interface identifier, 8 bytes, by default the one offered."""

    identifier: bytes


Own = Credentials | IPv4Up | IPv6Up
Command = bytes | Own | NetworkDown | Ended
"""Bytes are a frame to send."""


class PPPServer(PPPLink[ServerIPCP | IPV6CP, Own]):
    """The server's side of one link.

    `random` returns so many random bytes. `name` is the server's name in its challenges. `demanded` are the
    authentication protocols that a client may use, best first.
    """

    PEER = "client"

    __slots__ = (
        "_authenticator",
        "_challenges",
        "_identifier",
        "_name",
        "_random",
        "_request",
        "user",
    )

    def __init__(
        self,
        random: Callable[[int], bytes],
        name: bytes,
        demanded: Sequence[Authentication] = (Authentication.MSCHAPV2,),
    ) -> None:
        super().__init__(LCP(lambda: int.from_bytes(random(4), "big"), demanded=demanded))
        self.user = b""
        """The name that the client has given, as sent."""
        self._random = random
        self._name = name
        self._authenticator: Authenticator | None = None
        self._challenges = 0
        self._identifier = b""
        self._request: pap.AuthenticateRequest | None = None

    def _deadlines(self) -> Iterable[float | None]:
        return (*super()._deadlines(), self._authenticator.deadline if self._authenticator else None)

    # Authentication.

    def _authenticate(self, now: float) -> list[Command]:
        self.phase = Phase.AUTHENTICATE
        if self.lcp.authentication is Authentication.PAP:
            return []
        self._challenges += 1  # RFC 1994 4.1: each Challenge has a new Identifier
        self._authenticator = Authenticator(self._random(chap.CHALLENGE_LENGTH), self._name, self._challenges)
        return self._chap(self._authenticator.start(now))

    def _authenticates_by(self, number: int) -> bool:
        if number == ProtocolNumber.CHAP:
            return self._authenticator is not None
        return number == ProtocolNumber.PAP and self.lcp.authentication is Authentication.PAP

    def _authentication(self, number: int, data: bytes, now: float) -> list[Command]:
        return self._chap(self._authenticator.receive(data, now)) if self._authenticator else self._pap(data)

    def _authentication_expired(self, now: float) -> list[Command]:
        return self._chap(self._authenticator.expired(now)) if self._authenticator else []

    @property
    def _negotiable(self) -> bool:
        return not self.awaits_verdict

    def _forget(self) -> None:
        self._authenticator = self._request = None

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
            self._networks[ProtocolNumber.IPCP] = ServerIPCP(offer.own, offer.ipv4, offer.dns, offer.claim)
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

    def _network_up(self, number: int) -> IPv4Up | IPv6Up:
        protocol = self._networks[number]
        if isinstance(protocol, ServerIPCP):
            return IPv4Up(protocol.assigned)
        return IPv6Up(protocol.peer_identifier or self._identifier)  # after Max-Failure Naks it may do without
