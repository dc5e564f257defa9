"""The server's own authority: renews and publishes its revocation list, and records which certificates are in use."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from ...core.admission import HandshakeLimiter
from ...core.errors import ConfigError
from ...core.http.answer import DEFAULT_SERVER
from ...core.http.document import Document
from ...core.proxy.trusted_proxies import TrustedProxies
from ...net.connect.endpoints import URI, listen
from ...net.connection import PeerConnection
from ...net.interfaces import IReactor
from ...net.listen.accept import AcceptFilter
from ...net.listen.listener import Listener
from ...net.listen.request import RequestProtocol
from ...net.listen.static import CONNECTIONS, DEADLINE, PER_SOURCE, StaticService
from ...pki.verification import ClientCheck
from ..control.status import Value
from ..control.times import iso
from .list_upkeep import ListUpkeep


class ServerAuthority:
    """The authority named by `--authority`; the constructor raises ConfigError if it cannot be used."""

    def __init__(self, directory: Path, publish: URI | None, reactor: IReactor) -> None:
        self._reactor = reactor
        self._uri = publish
        self.documents = StaticService(DEFAULT_SERVER)
        """The service that publishes the revocation list, also on the port of the tunnel."""
        self._listener: Listener | None = None
        self._upkeep = ListUpkeep(reactor, directory, self._published)
        self._upkeep.look()  # before the server loads the list

    def join(self, listener: Listener) -> None:
        """Record the certificates used on this listener; publish by plain HTTP if configured. Raises ConfigError."""
        listener.opened = self._note_use
        if self._uri:
            self._listener = _publish(self._reactor, self._uri, self.documents)

    def start(self) -> None:
        """Start renewing the list; call this after dropping privileges."""
        self._upkeep.start()

    def stop(self) -> None:
        """Stop renewing and publishing the list."""
        self._upkeep.stop()
        if self._listener:
            self._listener.stop()
            self._listener.disconnect("server shutting down")
            self._listener = None

    def status(self) -> Value:
        """Return the authority's part of the status."""
        current = self._upkeep.current
        until = None if current is None else current.next_update_utc
        return {
            "directory": str(self._upkeep.authority.directory),
            "published": f"http://{self._uri.authority}" if self._uri else None,
            "revoked": None if current is None else len(current),
            "next_update": until and iso(until.timestamp()),
            "problem": self._upkeep.problem,
        }

    def _published(self, documents: tuple[Document, ...]) -> None:
        self.documents.documents = documents

    def _note_use(self, session: PeerConnection) -> None:
        check = session.tls.check if session.tls else None
        if isinstance(check, ClientCheck) and check.shown:
            self._upkeep.use(*check.shown)


def _publish(reactor: IReactor, uri: URI, documents: StaticService) -> Listener:
    """Start a listener that serves only documents, and return it; raises ConfigError."""

    def open_port(factory: IProtocolFactory) -> IListeningPort:
        def before(factory: IProtocolFactory) -> AcceptFilter:
            return AcceptFilter(
                factory, reactor, listener.limiter, listener.rejections, TrustedProxies(()), proxy_protocol=False
            )

        return listen(reactor, uri, factory, None, before)

    limiter = HandshakeLimiter[RequestProtocol](CONNECTIONS, PER_SOURCE)
    listener = Listener(
        reactor, open_port, (documents,), name=DEFAULT_SERVER, limiter=limiter, handshake_deadline=DEADLINE
    )
    try:
        listener.start()
    except ConfigError as error:
        raise ConfigError(f"--publish: {str(error).replace('--uri', 'it')}") from error
    return listener
