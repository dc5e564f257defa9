"""The cipher suites that a TLS client offers, parsed from its ClientHello (RFC 5246 section 7.4.1.2)."""

from __future__ import annotations

LONGEST = 2048
"""Maximum bytes parsed; a ClientHello whose suites lie beyond counts as one without suites."""

_HANDSHAKE_RECORD = 22
_CLIENT_HELLO = 1


def offered_suites(data: bytes) -> frozenset[int] | None:
    """Return the suites offered in the first bytes of a connection, or None if more bytes are needed."""
    message, complete = _message(data[:LONGEST])
    complete = complete or len(data) >= LONGEST
    try:
        if message and message[0] != _CLIENT_HELLO:
            return frozenset()
        # Skip type and length, version and random, the session ID.
        begin = 4 + 2 + 32
        begin += 1 + message[begin]
        size = message[begin] << 8 | message[begin + 1]
        suites = message[begin + 2 : begin + 2 + size]
    except IndexError:
        suites, size = b"", 2
    if len(suites) < size:
        return frozenset() if complete else None
    return frozenset(suites[at] << 8 | suites[at + 1] for at in range(0, size - 1, 2))


def _message(data: bytes) -> tuple[bytes, bool]:
    """Join the handshake records; return the message so far, and whether another kind of record follows."""
    message = b""
    while len(data) >= 5:
        if data[0] != _HANDSHAKE_RECORD:
            return message, True
        size = data[3] << 8 | data[4]
        message += data[5 : 5 + size]
        data = data[5 + size :]
    return message, False
