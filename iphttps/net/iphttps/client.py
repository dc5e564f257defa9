"""The client's session with an IP-HTTPS server (3.1)."""

from __future__ import annotations

from ...core.errors import ProtocolError
from ...core.failure import FailureReason, Stage
from ...core.http.body import LAST_CHUNK, in_body
from ...core.ip.batch import Framer
from ...core.iphttps.client_handshake import ClientHandshake
from ...core.iphttps.request import Opened
from ..client_session import ClientSession, Owner
from ..stream import compiled

__all__ = ["IPHTTPSClientSession"]


class IPHTTPSClientSession(ClientSession):
    """One connection to an IP-HTTPS server."""

    def __init__(self, client: Owner, handshake_deadline: float, handshake: ClientHandshake) -> None:
        super().__init__(client, handshake_deadline)
        self._handshake = handshake

    def request(self) -> None:
        """Send the POST request (3.1.5.2)."""
        self.wire.write(self._handshake.request())
        if self._handshake.chunked:
            self._last = LAST_CHUNK

    def head_received(self, data: bytes) -> None:
        """Read the response; only a successful one brings up the link (3.1.5.2)."""
        try:
            opened = self._handshake.feed(data)
        except ProtocolError as error:
            self._trouble = FailureReason(Stage.HTTP, str(error), retry_after=error.retry_after)
            self.disconnect(str(error))
            return
        if opened:
            self._open(opened)

    def _open(self, opened: Opened) -> None:
        self._answered = True
        self._client.responded(self)
        self.opened(opened.rest, in_body(Framer(compiled.LOOPS), opened.body, chunked=self._handshake.chunked))
