"""What a control protocol wants done: packets to send, and what the layers around it are told (RFC 1661 4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["Command", "Finished", "Layer", "ProtocolRejected", "Reason"]


class Layer(Enum):
    """This-Layer-Up, This-Layer-Down and This-Layer-Started (RFC 1661 4.4)."""

    UP = auto()
    DOWN = auto()
    STARTED = auto()


class Reason(Enum):
    """Why a control protocol has finished; the value ends a sentence in status and log."""

    CLOSED = "it was closed on this side"
    PEER_TERMINATED = "the peer terminated it"
    NO_ANSWER = "the peer does not answer"
    NOT_CONVERGING = "the peer does not agree on the options"
    REJECTED = "the peer does not support the protocol"
    LOOPBACK = "the peer sends our own packets back"
    AUTHENTICATION_REFUSED = "the peer accepts no authentication protocol of ours"
    NO_ADDRESS = "the peer assigns no address"
    WRONG_ADDRESS = "the peer assigns an address that no host may have"


@dataclass(frozen=True, slots=True)
class Finished:
    """This-Layer-Finished (RFC 1661 4.4): the control protocol is no longer in use. It may be said more than once."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class ProtocolRejected:
    """The peer has sent a Protocol-Reject: nothing of that protocol may be sent any more (RFC 1661 5.7)."""

    protocol: int


Command = bytes | Layer | Finished | ProtocolRejected
"""Bytes are a packet to send."""
