"""The client's side of a PPP link: LCP, then the login, then IPCP and IPV6CP (RFC 1661 section 3.2).

The client does not ask the server to authenticate by LCP: MS-CHAPv2 is mutual. With PAP, and with a server that demands
no login, only TLS authenticates the server, so that the configuration must allow both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ...failure import Stage
from ..crypto_binding import NO_HLAK
from . import mschapv2
from .automaton import RESTART, State
from .commands import Reason
from .frame import ProtocolNumber, parse
from .ipcp import ClientIPCP
from .ipv6cp import IPV6CP
from .lcp import LCP, MRU, Authentication
from .link import Ended, NetworkDown, Phase, PPPLink
from .login import Command as LoginCommand
from .login import Login, MSCHAPv2Login, PAPLogin, Rejected

__all__ = ["Authenticated", "Command", "IPv4Addresses", "IPv6Identifiers", "NetworkUp", "PPPClient", "answers_network"]

SETTLE = 10.0
"""Seconds after the login until the client gives up a family that is not open if the other one is."""

_FAMILIES = {ProtocolNumber.IPCP: "IPv4", ProtocolNumber.IPV6CP: "IPv6"}
_NEGOTIATES = (b"\2", b"\3", b"\4")  # Configure-Ack, Configure-Nak, Configure-Reject
_ANSWERS: dict[int, tuple[bytes, ...]] = {
    ProtocolNumber.IPCP: _NEGOTIATES,
    ProtocolNumber.IPV6CP: _NEGOTIATES,
    ProtocolNumber.LCP: (b"\x08",),  # Protocol-Reject
}
_UNIVERSAL = 0x02
"""The universal/local bit of an interface identifier; 1 means globally unique (RFC 5072 section 4.1)."""

_METHODS = {
    b"\xc2\x27": "EAP",
    b"\xc2\x23\x05": "CHAP with MD5",
    b"\xc2\x23\x80": "MS-CHAP of version 1",
}
_CODES = {
    Reason.PEER_TERMINATED: "734",  # ERROR_PPP_LCP_TERMINATED
    Reason.NO_ANSWER: "718",  # ERROR_PPP_TIMEOUT
    Reason.NOT_CONVERGING: "732",  # ERROR_PPP_NOT_CONVERGING
    Reason.LOOPBACK: "737",  # ERROR_PPP_LOOPBACK_DETECTED
    Reason.AUTHENTICATION_REFUSED: "919",  # ERROR_PEER_REFUSED_AUTH
    Reason.NO_ADDRESS: "738",  # ERROR_PPP_NO_ADDRESS_ASSIGNED
    Reason.REJECTED: "733",  # ERROR_PPP_CP_REJECTED
}
"""The error codes of Windows' client (raserror.h)."""
_NO_NETWORK = "720"  # ERROR_PPP_NO_PROTOCOLS_CONFIGURED


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The login has succeeded; `hlak` is the client's HLAK, 32 bytes, zero with PAP ([MS-SSTP] 3.2.7.1)."""

    hlak: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NetworkUp:
    """The protocol of this number, IPCP or IPV6CP, is open."""

    protocol: int


@dataclass(frozen=True, slots=True)
class IPv4Addresses:
    """The result of IPCP: this side's address, the server's if known, and up to two DNS servers; 4 bytes each."""

    address: bytes
    peer: bytes | None = None
    dns: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class IPv6Identifiers:
    """The result of IPV6CP: the interface identifiers of this side and of the server, if known; 8 bytes each."""

    identifier: bytes
    peer: bytes | None = None


Own = Authenticated | NetworkUp
Command = bytes | Own | NetworkDown | Ended
"""Bytes are a frame to send."""


def answers_network(data: bytes) -> bool:
    """Return True if a frame answers a request of IPCP or IPV6CP, or rejects the protocol (RFC 1661 section 5)."""
    parsed = parse(data)
    if parsed is None:
        return False
    number, start = parsed
    return data[start : start + 1] in _ANSWERS.get(number, ())


def interface_identifier(random: bytes) -> bytes:
    """Return 8 random bytes as an interface identifier: not zero, without the universal bit (RFC 5072 section 4.1)."""
    first, *others = random
    return bytes((first & ~_UNIVERSAL | 0x01, *others))


class PPPClient(PPPLink[ClientIPCP | IPV6CP, Own]):
    """The client's side of one link.

    `random` returns a number of random bytes, `des` encrypts a block. The client accepts PAP, which sends the password
    to the server, and no login at all only with `allow_pap`. `identifier` is the interface identifier to propose, 8
    bytes; without one it is random. `address` is the IPv4 address to request, 4 bytes, b"" for any.
    """

    PEER = "server"

    __slots__ = (
        "_address",
        "_allow_pap",
        "_des",
        "_login",
        "_method",
        "_own",
        "_random",
        "_settling",
        "missing",
        "stage",
    )

    def __init__(
        self,
        random: Callable[[int], bytes],
        login: Login,
        des: mschapv2.DES,
        *,
        allow_pap: bool = False,
        identifier: bytes = b"",
        address: bytes = b"",
    ) -> None:
        offered = (Authentication.MSCHAPV2, Authentication.PAP)[: 1 + allow_pap]
        super().__init__(LCP(lambda: int.from_bytes(random(4), "big"), offered=offered))
        self.stage = Stage.PPP
        """The stage of the link: PPP, LOGIN or ADDRESSES."""
        self.missing: dict[str, Reason] = {}
        """The reason why a family, IPv4 or IPv6, is not open."""
        self._allow_pap = allow_pap
        self._random = random
        self._own = identifier
        self._address = address or bytes(4)
        self._login = login
        self._des = des
        self._method: MSCHAPv2Login | PAPLogin | None = None
        self._settling: float | None = None

    @property
    def mtu(self) -> int:
        """The MTU in bytes: the MRU of the server, and at most the one of this client."""
        return min(MRU, self.lcp.peer_mru)

    @property
    def settled(self) -> bool:
        """True if at least one family is open, and none is being negotiated."""
        return bool(self._networks) and all(each.state is State.OPENED for each in self._networks.values())

    @property
    def ipv4(self) -> IPv4Addresses | None:
        """The result of IPCP; None if it is not open."""
        protocol = self._networks.get(ProtocolNumber.IPCP)
        if not isinstance(protocol, ClientIPCP) or protocol.state is not State.OPENED:
            return None
        return IPv4Addresses(protocol.address, protocol.peer_address, tuple(protocol.dns))

    @property
    def ipv6(self) -> IPv6Identifiers | None:
        """The result of IPV6CP; None if it is not open."""
        protocol = self._networks.get(ProtocolNumber.IPV6CP)
        if not isinstance(protocol, IPV6CP) or protocol.state is not State.OPENED:
            return None
        return IPv6Identifiers(protocol.identifier, protocol.peer_identifier)

    @property
    def unwanted(self) -> Ended | None:
        """The reason to end LCP if the server demands a protocol that the client lacks or must not use."""
        if not self.lcp.unwanted or self.stage is not Stage.PPP:
            return None
        return Ended(self._unwanted(), code=_CODES[Reason.AUTHENTICATION_REFUSED])

    @property
    def awaits(self) -> str:
        """The message that the link waits for, as a phrase."""
        if self.phase is Phase.AUTHENTICATE and self._method:
            return self._method.awaits
        return f"the server; PPP: {self.phase.value}"

    def expired(self, now: float) -> list[Command]:
        """Handle the timers that have expired."""
        commands = super().expired(now)
        if self._settling is not None and now >= self._settling:
            waiting = [number for number, each in self._networks.items() if each.state is not State.OPENED]
            self._settling = now + RESTART if len(waiting) == len(self._networks) else None
            for number in waiting if self._settling is None else ():
                commands += self._without(number, Reason.NO_ANSWER)
        return commands

    def _deadlines(self) -> Iterable[float | None]:
        return (*super()._deadlines(), self._method.deadline if self._method else None, self._settling)

    # LCP.

    def _finished(self, reason: Reason) -> Ended:
        if unwanted := self.unwanted:
            return self._end(unwanted.sentence, code=unwanted.code)
        ended = super()._finished(reason)
        return Ended(ended.sentence, ended.peer, _CODES.get(reason))

    def _unwanted(self) -> str:
        if self.lcp.unwanted == Authentication.PAP.value:
            return "the server demands PAP, which sends it the password: allow-pap permits that"
        method = _METHODS.get(self.lcp.unwanted, "an unknown method")
        return f"the server demands {method} to log in: MS-CHAPv2 must be allowed there"

    # Authentication.

    def _authenticate(self, now: float) -> list[Command]:
        self.stage = Stage.LOGIN
        self.phase = Phase.AUTHENTICATE
        if self.lcp.authentication is None:
            if self._allow_pap:  # [MS-SSTP] 3.2.5.2.2: the HLAK is zero, as with PAP
                return [Authenticated(NO_HLAK), *self._start_networks(now)]
            words = "the server demands no login, so that only TLS authenticates it: allow-pap permits that"
            return [self._end(words, code=_CODES[Reason.AUTHENTICATION_REFUSED])]
        if self.lcp.authentication is Authentication.PAP:
            self._method = PAPLogin(self._login)
        else:
            self._method = MSCHAPv2Login(self._login, self._random, self._des)
        return self._took(self._method, self._method.start(now), now)

    def _authenticates_by(self, number: int) -> bool:
        return self._method is not None and number == self._method.NUMBER

    def _authentication(self, number: int, data: bytes, now: float) -> list[Command]:
        assert self._method  # _authenticates_by says so
        return self._took(self._method, self._method.receive(data, now), now)

    def _authentication_expired(self, now: float) -> list[Command]:
        return self._took(self._method, self._method.expired(now), now) if self._method else []

    def _forget(self) -> None:
        self._method = self._settling = None
        if self.phase is Phase.ESTABLISH:
            self.stage = Stage.PPP

    def _took(self, method: MSCHAPv2Login | PAPLogin, commands: Iterable[LoginCommand], now: float) -> list[Command]:
        found: list[Command] = []
        for command in commands:
            if isinstance(command, bytes):
                found.append(self._frame(method.NUMBER, command))
            elif isinstance(command, Rejected):
                found.append(self._end(command.sentence, code=command.code))
            elif self.phase is Phase.AUTHENTICATE:  # later ones change nothing
                found += [Authenticated(command.hlak), *self._start_networks(now)]
        return found

    # The network layer.

    def _start_networks(self, now: float) -> list[Command]:
        self.phase = Phase.NETWORK
        self.stage = Stage.ADDRESSES
        self._settling = now + SETTLE
        self._networks[ProtocolNumber.IPCP] = ClientIPCP(self._address)
        own = self._own or self._identifier()
        self._networks[ProtocolNumber.IPV6CP] = IPV6CP(own, self._identifier(), yielding=True)
        found: list[Command] = []
        for number, protocol in tuple(self._networks.items()):
            found += self._network(number, [*protocol.open(now), *protocol.up(now)])
        return found

    def _identifier(self) -> bytes:
        return interface_identifier(self._random(8))

    def _network_up(self, number: int) -> Own:
        self._settle()
        return NetworkUp(number)

    def _settle(self) -> None:
        """Stop the timer of `SETTLE` once no family is being negotiated."""
        if self.settled:
            self._settling = None

    def _without(self, number: int, reason: Reason) -> list[Command]:
        self._networks.pop(number, None)
        self.missing[_FAMILIES[ProtocolNumber(number)]] = reason
        self._settle()
        if self._networks:
            return []
        addressless = {Reason.NO_ADDRESS, Reason.WRONG_ADDRESS} & {*self.missing.values()}
        code = _CODES[Reason.NO_ADDRESS] if addressless else _NO_NETWORK
        words = "; ".join(f"{family}: {each.value}" for family, each in self.missing.items())
        return [self._end(f"the server gives neither an IPv4 nor an IPv6 address ({words})", code=code)]
