"""Fallback within one attempt: to another address of the server or another proxy (RFC 8305), within bounds.

A TCP connection does not prove that an address works: a dead backend, a misconfigured load balancer or a captive portal
accepts it and then fails in TLS or HTTP, or stays silent. The next address is then tried within the same attempt, and
the reconnect timer (3.1.2.1) counts one failure for all of them.
"""

from __future__ import annotations

from twisted.internet.interfaces import IAddress

from ...core.failure import FailureReason, Stage
from ..connection import HANDSHAKE_DEADLINE
from ..explain import TIMED_OUT
from ..log import logger

PATIENCE = 5.0
"""Seconds in which a connection must open the session if there is another address to try."""

MAXIMUM_CONNECTIONS = 4
"""Connections per attempt: if all addresses reject the client, retries must not multiply the load on the servers."""


class Alternatives:
    """The addresses of a server, or the proxies to it, that one attempt can try; this base class has none."""

    def begin(self) -> None:
        """Begin a new attempt: every alternative may be tried again."""

    def using(self, address: IAddress | None) -> None:
        """Record the address of the connection just made, None if unknown."""

    @property
    def others(self) -> bool:
        """True if there is an untried alternative besides the one in use."""
        return False

    def strike(self) -> None:
        """Exclude the alternative in use from the rest of the attempt."""

    def lost(self) -> bool:
        """Put the alternative in use last in the next attempt, as its session has ended; return if there are others."""
        return False


class Attempt:
    """One attempt to open a session with a server, over one or more connections.

    `uri` names the server in the log. An `endpoint` that is not an `Alternatives` has no alternatives.
    """

    log = logger()

    def __init__(self, uri: str, endpoint: object) -> None:
        self._uri = uri
        self._alternatives = endpoint if isinstance(endpoint, Alternatives) else Alternatives()
        self._alternatives.begin()
        self._connections = 0
        self._connected = False
        self._silent = False
        self._trouble: FailureReason | None = None

    def using(self, address: IAddress | None) -> None:
        """Count a connection just made to this address, None if unknown."""
        self._connections += 1
        self._connected = True
        self._alternatives.using(address)

    def opened(self) -> None:
        """Record that the session is open: a later failure is not part of this attempt."""
        self._alternatives, self._silent, self._trouble = Alternatives(), False, None

    @property
    def deadline(self) -> float:
        """Seconds in which the present connection must open the session."""
        return PATIENCE if self._others else HANDSHAKE_DEADLINE

    @property
    def _others(self) -> bool:
        return self._connections < MAXIMUM_CONNECTIONS and self._alternatives.others

    def goes_on(self, trouble: FailureReason) -> bool:
        """Return whether to try another connection after this failure of the last one.

        A server that timed out may only be slow: if all alternatives fail, it is tried once more with the full
        deadline.
        """
        connected, self._connected = self._connected, False
        timed_out = connected and trouble.code == TIMED_OUT
        if connected and self._others:
            self._silent |= timed_out
            self._alternatives.strike()
            onward = "another address or proxy"
        elif self._silent and not timed_out:
            self._silent = False
            self._connections = MAXIMUM_CONNECTIONS
            self._alternatives.begin()
            onward = "the one that timed out once more, with the full time"
        else:
            return False
        self._trouble = self.verdict(trouble)
        self.log.warn(
            "{uri}: {sentence}; trying {onward}",
            event="address-failed",
            uri=self._uri,
            sentence=trouble.sentence,
            stage=trouble.stage.value,
            onward=onward,
        )
        return True

    def verdict(self, trouble: FailureReason) -> FailureReason:
        """Return the failure to report for the whole attempt: the last one, or an earlier, more informative one.

        The longest Retry-After of any server applies to the attempt (RFC 9110 section 10.2.3).
        """
        earlier = self._trouble
        if earlier is None:
            return trouble
        asked = max(trouble.retry_after or 0.0, earlier.retry_after or 0.0) or None
        telling = earlier if trouble.stage in (Stage.RESOLVE, Stage.CONNECT) else trouble
        return FailureReason(telling.stage, telling.sentence, telling.code, asked)
