"""Bounds how an attempt goes on with another address of the server, or another way to it (RFC 8305).

TCP alone does not show that an address is of use: a dead backend, a half-configured front or a captive portal accepts
the connection and then fails in TLS or HTTP, or says nothing. The next address is then tried within the same attempt,
and the reconnect timer (3.1.2.1) counts one failure for all of them.
"""

from __future__ import annotations

from twisted.internet.interfaces import IAddress

from ...core.failure import FailureReason, Stage
from ..connection import HANDSHAKE_DEADLINE
from ..explain import TIMED_OUT
from ..log import logger

PATIENCE = 5.0
"""Seconds that a connection has to open the session while there is another address to try."""

MAXIMUM_CONNECTIONS = 4
"""Connections of one attempt: a refusal that all addresses share must not multiply the load on the servers."""


class Alternatives:
    """The addresses of a server and the ways to it; this class has none to choose from."""

    def begin(self) -> None:
        """Begin a new attempt: everything may be tried again."""

    def using(self, address: IAddress | None) -> None:
        """Take note of the address that a connection has just been made to."""

    @property
    def others(self) -> bool:
        """Whether something is left to try besides what is in use."""
        return False

    def strike(self) -> None:
        """Leave out what is in use from the next connection, which belongs to the same attempt."""


class Attempt:
    """One attempt to open a session with a server, over one connection or several.

    `uri` is the server's, for the log. An `endpoint` that is no `Alternatives` has none.
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
        """Count a connection just made to this address."""
        self._connections += 1
        self._connected = True
        self._alternatives.using(address)

    def opened(self) -> None:
        """The session is open: what ends it later has nothing to do with this attempt."""
        self._alternatives, self._silent, self._trouble = Alternatives(), False, None

    @property
    def deadline(self) -> float:
        """Seconds in which the present connection must open the session."""
        return PATIENCE if self._others else HANDSHAKE_DEADLINE

    @property
    def _others(self) -> bool:
        return self._connections < MAXIMUM_CONNECTIONS and self._alternatives.others

    def goes_on(self, trouble: FailureReason) -> bool:
        """Return whether another connection is to be made after this trouble with the last one.

        A server that was given up for its silence may just be slow: if nothing else leads to a session, it gets the
        whole time once.
        """
        connected, self._connected = self._connected, False
        timed_out = connected and trouble.code == TIMED_OUT
        if connected and self._others:
            self._silent |= timed_out
            self._alternatives.strike()
            onward = "another address or way"
        elif self._silent and not timed_out:
            self._silent = False
            self._connections = MAXIMUM_CONNECTIONS
            self._alternatives.begin()
            onward = "once more where there was no answer in time"
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
        """Return the trouble to report for the whole attempt: this last one, unless an earlier one tells more.

        The longest time that a server asked to be left alone holds for the attempt (RFC 9110 section 10.2.3).
        """
        earlier = self._trouble
        if earlier is None:
            return trouble
        asked = max(trouble.retry_after or 0.0, earlier.retry_after or 0.0) or None
        telling = earlier if trouble.stage in (Stage.RESOLVE, Stage.CONNECT) else trouble
        return FailureReason(telling.stage, telling.sentence, telling.code, asked)
