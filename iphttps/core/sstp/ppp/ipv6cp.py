"""IPV6CP, the control protocol of IPv6 (RFC 5072): the interface identifiers of both ends, 8 bytes each.

An identifier only gives a link-local address. Prefixes are announced in Router Advertisements.
"""

from __future__ import annotations

from collections.abc import Callable

from .control import ControlProtocol, Verdict
from .options import Options

__all__ = ["INTERFACE_IDENTIFIER", "IPV6CP", "nobodys"]

INTERFACE_IDENTIFIER = 1
"""The only option that is granted (RFC 5072 4.1); others are rejected."""

_UNKNOWN = bytes(8)


def nobodys(identifier: bytes) -> bool:
    """Return False: no other client has this interface identifier."""
    return False


class IPV6CP(ControlProtocol):
    """One side of IPV6CP.

    `identifier` is the identifier of this side. `suggested` is a different one, suggested to a peer that has none or
    the same; neither is zero. A `yielding` side, such as a client, accepts another identifier that the peer suggests.
    `taken` tells whether another client already has an identifier.
    """

    __slots__ = ("_announced", "_suggested", "_taken", "_yielding", "identifier", "peer_identifier")

    def __init__(
        self,
        identifier: bytes,
        suggested: bytes,
        *,
        yielding: bool = False,
        taken: Callable[[bytes], bool] = nobodys,
    ) -> None:
        super().__init__()
        self.identifier = identifier
        """The interface identifier of this side."""
        self.peer_identifier: bytes | None = None
        """The interface identifier of the peer; None if the peer does not announce it."""
        self._announced = True
        self._suggested = suggested
        self._taken = taken
        self._yielding = yielding

    def _request(self) -> Options:
        return ((INTERFACE_IDENTIFIER, self.identifier),) if self._announced else ()

    def _judge(self, kind: int, value: bytes) -> Verdict | bytes:
        if kind != INTERFACE_IDENTIFIER:
            return Verdict.REJECT
        # RFC 5072 4.1: a Nak if it is zero, or the same as ours.
        return (
            Verdict.ACK
            if len(value) == 8 and value not in (_UNKNOWN, self.identifier) and not self._taken(value)
            else self._suggested
        )

    def _wanted(self) -> Options:
        return ((INTERFACE_IDENTIFIER, self._suggested),)

    def _accept(self, options: Options) -> None:
        self.peer_identifier = dict(options).get(INTERFACE_IDENTIFIER)

    def _nakked(self, kind: int, value: bytes) -> None:
        if self._yielding and len(value) == 8 and value != _UNKNOWN:
            if value == self._suggested:
                self._suggested = self.identifier  # keep the two different
            self.identifier = value

    def _rejected(self, kind: int) -> None:
        self._announced = False  # it stays in use, but is not announced
