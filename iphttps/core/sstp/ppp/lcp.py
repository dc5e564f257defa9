"""LCP, the Link Control Protocol (RFC 1661 sections 5 and 6): packet size, authentication protocol, magic number.

The server requires the client to authenticate itself, with a protocol that the client supports. Otherwise both sides
behave the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, IntEnum

from .automaton import Event, State
from .commands import Command, ProtocolRejected, Reason
from .control import MAX_FAILURE, MINIMUM_MRU, Code, ControlProtocol, Verdict, packet
from .frame import ProtocolNumber
from .options import Options

__all__ = ["DEFAULT_MRU", "LCP", "MRU", "Authentication", "OptionType"]

MRU = 1400
"""The MRU announced by default: with TCP, TLS and SSTP headers such a packet fits into 1500 bytes."""
LONGEST = 4087
"""Maximum length of an Information field in an SSTP packet, after the longest frame header ([MS-SSTP] 2.2.1)."""

DEFAULT_MRU = 1500
"""The peer's MRU if it announces none (RFC 1661 6.1)."""


class OptionType(IntEnum):
    """The LCP options that are negotiated; all others, such as callback and multilink, are rejected."""

    MRU = 1
    ACCM = 2  # RFC 1662 7.1; no effect without HDLC framing
    AUTHENTICATION = 3
    MAGIC_NUMBER = 5
    PFC = 7
    ACFC = 8


class Authentication(Enum):
    """The authentication protocols; the value is the data of the option (RFC 1661 6.2)."""

    MSCHAPV2 = b"\xc2\x23\x81"  # RFC 2759 2
    PAP = b"\xc0\x23"  # RFC 1334


_EMPTY_ACCM = bytes(4)


class LCP(ControlProtocol):
    """One side of LCP.

    `magic` returns a random 32-bit number. `mru` is the maximum length of a packet to receive. `demanded` are the
    authentication protocols accepted from the peer, best first: the first one is requested, and the peer may choose
    another in a Nak. `offered` are the protocols with which this side can authenticate itself, best first.
    """

    __slots__ = (
        "_collisions",
        "_demanded",
        "_magic",
        "_mru",
        "_offered",
        "_random",
        "_refused",
        "acfc",
        "authentication",
        "peer_mru",
        "pfc",
        "unwanted",
    )

    def __init__(
        self,
        magic: Callable[[], int],
        mru: int = MRU,
        *,
        demanded: Sequence[Authentication] = (),
        offered: Sequence[Authentication] = (),
    ) -> None:
        super().__init__()
        self.authentication: Authentication | None = None
        """The negotiated authentication protocol: of the peer, or of this side if it offers any."""
        self.peer_mru = DEFAULT_MRU
        """The peer's MRU, in bytes of the Information field."""
        self.acfc = False
        """True if the peer has negotiated Address-and-Control-Field-Compression."""
        self.pfc = False
        """True if the peer has asked for Protocol-Field-Compression."""
        self.unwanted = b""
        """The authentication protocol that the peer last asked for and did not get, as the data of the option."""
        self._random = magic
        self._magic = magic() or 1  # 6.4: zero is illegal
        self._mru = mru
        self._demanded = tuple(demanded)
        self._offered = tuple(offered)
        self._collisions = 0
        self._refused = 0

    def protocol_reject(self, protocol: int, information: bytes) -> bytes | None:
        """Return the Protocol-Reject for a frame of an unsupported protocol.

        It is truncated to the peer's MRU. None if LCP is not in state Opened (RFC 1661 5.7).
        """
        if self.state is not State.OPENED:
            return None
        rejected = protocol.to_bytes(2, "big") + information
        return packet(Code.PROTOCOL_REJECT, self._next(), rejected[: self.peer_mru - 4])

    def _request(self) -> Options:
        request = []
        if self._mru:
            request.append((OptionType.MRU, self._mru.to_bytes(2, "big")))
        if self._demanded:
            request.append((OptionType.AUTHENTICATION, self._demanded[0].value))
        if self._magic:
            request.append((OptionType.MAGIC_NUMBER, self._magic.to_bytes(4, "big")))
        return tuple(request)

    def _judge(self, kind: int, value: bytes) -> Verdict | bytes:
        match kind:
            case OptionType.MRU:
                if len(value) != 2:
                    return DEFAULT_MRU.to_bytes(2, "big")
                return Verdict.ACK if int.from_bytes(value, "big") >= MINIMUM_MRU else MINIMUM_MRU.to_bytes(2, "big")
            case OptionType.ACCM:
                return Verdict.ACK if len(value) == 4 else _EMPTY_ACCM
            case OptionType.AUTHENTICATION if self._offered:
                known = value in [each.value for each in self._offered]
                self.unwanted = b"" if known else value
                return Verdict.ACK if known else self._offered[0].value
            case OptionType.MAGIC_NUMBER:
                return self._judge_magic(value)
            case OptionType.PFC | OptionType.ACFC:
                return b"" if value else Verdict.ACK
        return Verdict.REJECT  # including AUTHENTICATION: the server does not authenticate itself

    def _judge_magic(self, value: bytes) -> Verdict | bytes:
        number = int.from_bytes(value, "big")
        if len(value) == 4 and number not in (0, self._magic):
            return Verdict.ACK
        if number == self._magic:  # 6.4: the link may be looped back
            self._collisions += 1
            if self._collisions >= MAX_FAILURE:
                self._failure = Reason.LOOPBACK
        return (self._random() or 1).to_bytes(4, "big")

    def _accept(self, options: Options) -> None:
        granted = dict(options)
        mru = granted.get(OptionType.MRU)
        self.peer_mru = min(int.from_bytes(mru, "big"), LONGEST) if mru else DEFAULT_MRU
        self.pfc = OptionType.PFC in granted
        self.acfc = OptionType.ACFC in granted
        if self._offered:
            wanted = granted.get(OptionType.AUTHENTICATION)
            self.authentication = Authentication(wanted) if wanted else None

    def _acked(self) -> None:
        if self._demanded:
            self.authentication = self._demanded[0]

    def _nakked(self, kind: int, value: bytes) -> None:
        match kind:
            case OptionType.MRU:
                number = int.from_bytes(value, "big")
                # Accept a lower MRU; if a higher one is suggested, request none.
                self._mru = number if len(value) == 2 and MINIMUM_MRU <= number <= self._mru else 0
            case OptionType.MAGIC_NUMBER:
                self._magic = self._random() or 1
            case _:
                self._fall_back(value)

    def _fall_back(self, value: bytes) -> None:
        """Request the protocol that the peer prefers.

        If it is not one of ours, the peer may only prefer another to our first: repeat it once before the next.
        """
        first, *others = self._demanded
        for each in others:
            if each.value == value:
                others.remove(each)
                self._demanded = (each, first, *others)
                return
        self._refused += 1
        if self._refused % 2 == 0:
            self._demanded = (*others, first)
        if self._refused >= MAX_FAILURE:
            self._failure = Reason.AUTHENTICATION_REFUSED

    def _rejected(self, kind: int) -> None:
        match kind:
            case OptionType.MRU:
                self._mru = 0
            case OptionType.MAGIC_NUMBER:
                self._magic = 0  # 5.8: echoes carry zero from now on
            case _:
                self._failure = Reason.AUTHENTICATION_REFUSED

    def _extended(self, code: int, identifier: int, data: bytes, now: float) -> list[Command] | None:
        match code:
            case Code.PROTOCOL_REJECT:
                if self.state is not State.OPENED or len(data) < 2:
                    return []  # 5.7
                protocol = int.from_bytes(data[:2], "big")
                if protocol == ProtocolNumber.LCP:
                    return self.rejected(now)
                return [*self._run(Event.PERMITTED_REJECT, now), ProtocolRejected(protocol)]
            case Code.ECHO_REQUEST:
                if len(data) < 4:
                    return []
                answer = packet(
                    Code.ECHO_REPLY, identifier, (self._magic.to_bytes(4, "big") + data[4:])[: self.peer_mru - 4]
                )
                return self._run(Event.ECHO_OR_DISCARD, now, answer=answer)  # 5.8: answered in state Opened only
            case Code.ECHO_REPLY | Code.DISCARD_REQUEST | Code.IDENTIFICATION | Code.TIME_REMAINING:
                return []
        return None
