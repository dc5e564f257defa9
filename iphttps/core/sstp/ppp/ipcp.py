"""IPCP, the control protocol of IPv4 (RFC 1332), with the addresses of name servers (RFC 1877).

The client requests 0.0.0.0 or a previous address, and the server assigns one in a Configure-Nak.
Addresses are 4 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

from .commands import Reason
from .control import ControlProtocol, Verdict
from .options import Options

__all__ = ["ClientIPCP", "OptionType", "ServerIPCP", "is_host"]

_UNKNOWN = bytes(4)


class OptionType(IntEnum):
    """The IPCP options that are granted; others, such as Van Jacobson compression and NBNS, are rejected."""

    ADDRESS = 3  # RFC 1332 3.3
    PRIMARY_DNS = 129  # RFC 1877 1.1
    SECONDARY_DNS = 131  # RFC 1877 1.3


def unclaimed(address: bytes) -> bool:
    """Assign no address on request."""
    return False


def is_host(address: bytes) -> bool:
    """Tell whether a host on the other side of a link may have this address (RFC 1122 section 3.2.1.3)."""
    return address[0] not in (0, 127) and address[0] < 224


class ServerIPCP(ControlProtocol):
    """The server's side: it has the address `own`, and assigns the address `assigned` and up to two DNS servers.

    `claim` is called with another address that the client requests, and returns True if it is assigned instead.
    """

    __slots__ = ("_claim", "_dns", "_own", "assigned")

    def __init__(
        self, own: bytes, assigned: bytes, dns: Sequence[bytes] = (), claim: Callable[[bytes], bool] = unclaimed
    ) -> None:
        super().__init__()
        self.assigned = assigned
        self._claim = claim
        self._own = own
        self._dns = tuple(dns)

    def _request(self) -> Options:
        return ((OptionType.ADDRESS, self._own),) if self._own else ()

    def _judge(self, kind: int, value: bytes) -> Verdict | bytes:
        match kind:
            case OptionType.ADDRESS:
                if value not in (self.assigned, _UNKNOWN) and len(value) == 4 and self._claim(value):
                    self.assigned = value
                right = self.assigned
            case OptionType.PRIMARY_DNS if self._dns:
                right = self._dns[0]
            case OptionType.SECONDARY_DNS if len(self._dns) > 1:
                right = self._dns[1]
            case _:
                return Verdict.REJECT
        return Verdict.ACK if value == right else right

    def _wanted(self) -> Options:
        return ((OptionType.ADDRESS, self.assigned),)

    def _rejected(self, kind: int) -> None:
        self._own = b""


class ClientIPCP(ControlProtocol):
    """The client's side: it requests DNS servers and an address, `address` if it had one before."""

    __slots__ = ("_asked", "peer_address")

    def __init__(self, address: bytes = _UNKNOWN) -> None:
        super().__init__()
        self.peer_address: bytes | None = None
        """The server's address; None if it does not tell one that it may have."""
        self._asked: dict[int, bytes] = {
            OptionType.ADDRESS: address,
            OptionType.PRIMARY_DNS: _UNKNOWN,
            OptionType.SECONDARY_DNS: _UNKNOWN,
        }

    @property
    def address(self) -> bytes:
        """The address assigned; in state Opened it is one that a host may have."""
        return self._asked[OptionType.ADDRESS]

    @property
    def dns(self) -> list[bytes]:
        """The DNS servers, at most two."""
        servers = [self._asked.get(kind, _UNKNOWN) for kind in (OptionType.PRIMARY_DNS, OptionType.SECONDARY_DNS)]
        return [each for each in dict.fromkeys(servers) if is_host(each)]

    def _request(self) -> Options:
        return tuple(self._asked.items())

    def _judge(self, kind: int, value: bytes) -> Verdict | bytes:
        if kind == OptionType.ADDRESS and len(value) == 4 and value != _UNKNOWN:
            return Verdict.ACK
        return Verdict.REJECT  # including 0.0.0.0: the client has no addresses to assign

    def _accept(self, options: Options) -> None:
        address = dict(options).get(OptionType.ADDRESS)
        self.peer_address = address if address and is_host(address) else None

    def _acked(self) -> None:
        self._check(self.address)

    def _check(self, address: bytes) -> None:
        if address == _UNKNOWN:
            self._failure = Reason.NO_ADDRESS
        elif not is_host(address):
            self._failure = Reason.WRONG_ADDRESS

    def _nakked(self, kind: int, value: bytes) -> None:
        if len(value) == 4:
            self._asked[kind] = value
            if kind == OptionType.ADDRESS:
                self._check(value)
            elif value == _UNKNOWN:
                del self._asked[kind]  # there is no such DNS server

    def _rejected(self, kind: int) -> None:
        if kind == OptionType.ADDRESS:
            self._failure = Reason.NO_ADDRESS
        else:
            del self._asked[kind]
