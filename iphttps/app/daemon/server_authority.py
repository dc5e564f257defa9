"""What the server does for an authority of its own: renews the revocation list, publishes it, notes who is in use."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.interfaces import IListeningPort

from ...core.errors import ConfigError
from ...core.iphttps.request import DEFAULT_SERVER, Document
from ...core.proxy.trusted_proxies import TrustedProxies
from ...net.connect.endpoints import URI, listen
from ...net.interfaces import IReactor
from ...net.iphttps.server import Server
from ...net.iphttps.server_session import ServerSession
from ...net.listen.accept import AcceptFilter
from ...net.listen.static import StaticServer
from ...pki.verification import ClientCheck
from ..control.status import Value, iso
from .list_upkeep import ListUpkeep


class ServerAuthority:
    """The authority that `--authority` names, in the life of a server; raises ConfigError if it cannot be used."""

    def __init__(self, directory: Path, publish: URI | None, reactor: IReactor) -> None:
        self._reactor = reactor
        self._server: Server | None = None
        self._documents: tuple[Document, ...] = ()
        self._uri = publish
        self._publication = StaticServer(reactor, DEFAULT_SERVER)
        self._port: IListeningPort | None = None
        self._upkeep = ListUpkeep(reactor, directory, self._published)
        self._upkeep.look()  # before anybody needs the list

    def join(self, server: Server) -> None:
        """Publish beside the server's tunnel, and by plain HTTP where that is wanted; raises ConfigError."""
        self._server = server
        server.admitted = self._note_use
        self._published(self._documents)
        if self._uri:
            self._port = _listen(self._reactor, self._uri, self._publication)

    def start(self) -> None:
        """Look after everything; call it when the program is the user that it will stay."""
        self._upkeep.start()

    def stop(self) -> None:
        """Look after nothing any more, and publish no longer."""
        self._upkeep.stop()
        if self._port:
            self._port.stopListening()
            self._port = None

    def status(self) -> Value:
        """Return what status shows of it."""
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
        self._documents = self._publication.documents = documents
        if self._server:
            self._server.documents = documents

    def _note_use(self, tunnel: ServerSession) -> None:
        check = tunnel.tls.check if tunnel.tls else None
        if isinstance(check, ClientCheck) and check.shown:
            self._upkeep.use(*check.shown)


def _listen(reactor: IReactor, uri: URI, publication: StaticServer) -> IListeningPort:
    def before(factory: object) -> AcceptFilter:
        return AcceptFilter(
            publication, reactor, publication.limiter, publication.rejections, TrustedProxies(()), proxy_protocol=False
        )

    try:
        return listen(reactor, uri, publication, None, before)
    except ConfigError as error:
        raise ConfigError(f"--publish: {str(error).replace('--uri', 'it')}") from error
