"""The parts of a running server, and how a reload or a new Authentication Mode changes them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from ...core.errors import ConfigError
from ...core.iphttps.authentication import AuthenticationMode
from ...core.iphttps.server import ServerEvent
from ...core.seats import Seats
from ...net.interfaces import IReactor
from ...net.iphttps.server import Server
from ...net.log import logger, set_level
from ...net.stream.poller import Poller
from ...net.tls.credentials_watch import CredentialsWatch
from ...net.tls.direct_reads import compiled_parts
from ...net.tls.lifetime import LifetimeWatch
from ...net.tls.revocation_watch import RevocationWatch
from ..config.addresses.identity_addresses import identities
from ..config.reload import Changes, changed, contents, keep_what_takes_a_restart
from ..config.server_config import ServerConfig
from ..config.server_options import Options
from ..config.tomlfile import CONTROL
from ..control import status
from ..control.rates import Rates
from ..control.resource import Route
from ..control.served import Client
from ..control.server_actions import ServerActions
from . import log_file
from .iphttps import NOT_SERVED, ConfiguredIPHTTPS
from .process import gc_tuning
from .process.supervision import Supervision
from .server_authority import ServerAuthority
from .server_tls import ConfiguredTLS
from .sstp import ConfiguredSSTP
from .state import DaemonState, of_server


class RunningServer:
    """A listening server with its link and its device; `options` and `config` are those in force.

    `files` holds the digests of the configured files, taken before they were loaded.
    """

    log = logger()

    def __init__(
        self,
        reactor: IReactor,
        options: Options,
        files: dict[str, bytes],
        *,
        server: Server,
        iphttps: ConfiguredIPHTTPS | None,
        sstp: ConfiguredSSTP | None,
        tls: ConfiguredTLS | None,
        authority: ServerAuthority | None,
        supervision: Supervision,
        seats: Seats,
        interface_changed: Callable[[], status.Value | None],
        interface_trouble: Callable[[], list[str]],
    ) -> None:
        self.options = options
        self.config: ServerConfig = options.config
        self.server = server
        self._reactor = reactor
        self._files = files
        self._configured_mode = self.config.authentication
        self._iphttps = iphttps
        self._sstp = sstp
        self._tls = tls
        self._authority = authority
        self._supervision = supervision
        self._seats = seats
        self._interface_changed = interface_changed
        self._interface_trouble = interface_trouble
        self._watches = self._watch(tls) if tls else None
        self._rates = Rates(reactor, self._clients)
        self._reload_problem: str | None = None
        """The reason why the last reload failed; None if it succeeded."""

    def _watch(self, tls: ConfiguredTLS) -> tuple[RevocationWatch, CredentialsWatch, LifetimeWatch]:
        listener = self.server.listener
        tls.tls.changed = listener.end_unwelcome
        return (
            RevocationWatch(self._reactor, tls.tls),
            CredentialsWatch(self._reactor, tls.tls, lambda: tls.paths),
            LifetimeWatch(self._reactor, lambda: listener.end_overdue(tls.tls.now())),
        )

    def _clients(self) -> Iterable[Client]:
        return [client for each in (self._iphttps, self._sstp) if each for client in each.served().clients()]

    def _kept(self) -> Iterable[Poller | ServerAuthority]:
        """Return the pollers that check files and sessions while the server runs."""
        return (self._rates, *([self._authority] if self._authority else ()), *(self._watches or ()))

    def start(self) -> None:
        """Start forwarding packets, and reload on SIGHUP."""
        signal.signal(signal.SIGHUP, self._hang_up)
        if self._iphttps:
            self._iphttps.reader.start()
        if self._sstp:
            self._sstp.start()
        for kept in self._kept():
            kept.start()

    def quit(self) -> Deferred[Any]:
        """Disconnect all clients and enter the Stopped state (3.2.7.3)."""
        if self._iphttps:
            self._iphttps.reader.stop()
        told = [self._sstp.stop()] if self._sstp else []
        for kept in self._kept():
            kept.stop()
        self.server.handle(ServerEvent.SHUTDOWN)
        return gatherResults([self.server.wait_closed(), *told])

    def solicit(self) -> None:
        """Do nothing: the server is the router of the link."""

    def routes(self) -> Iterable[Route]:
        """Return the actions of the control socket."""
        return ServerActions(
            self.server,
            self._iphttps.served() if self._iphttps else None,
            self._sstp.served() if self._sstp else None,
            self._rates,
            self._settings,
            self.change_mode,
            self.reload,
            self._not_taken,
        ).routes()

    def condition(self) -> DaemonState:
        """Return whether the server listens, and the number of clients."""
        troubles = [*self._not_taken(), *self._interface_trouble()]
        return of_server(self.server, str(self.config.uri), self._seats.taken, troubles)

    def _not_taken(self) -> list[str]:
        """Return a sentence for each changed file that the server cannot use."""
        found = [] if self._reload_problem is None else [status.configuration_not_taken(self._reload_problem)]
        if self._watches:
            lists, credentials, _ = self._watches
            if lists.problem:
                found.append(status.crl_not_taken(lists.problem))
            if credentials.problem:
                found.append(status.certificate_not_taken(credentials.problem))
        return [*found, *(self._sstp.not_taken() if self._sstp else ())]

    def _settings(self) -> status.Value:
        config = self.config
        iphttps = self._iphttps.settings(config) if self._iphttps else NOT_SERVED
        return {
            "authentication": config.authentication.value if self._iphttps else None,
            "uri": str(config.uri),
            "interface": iphttps["interface"],
            "interface_changed": self._interface_changed(),
            "offload": iphttps["offload"],
            "compiled": compiled_parts(),
            "addresses": iphttps["addresses"],
            "prefix": iphttps["prefix"],
            "routes": [str(route) for route in config.route],
            "default_router": config.default_router,
            "max_rate": status.max_rate(config.max_rate),
            "authority": self._authority and self._authority.status(),
        }

    def change_mode(self, mode: AuthenticationMode) -> None:
        """Change the Authentication Mode. On ConfigError nothing is changed."""
        if self._iphttps is None:
            raise ConfigError("the Authentication Mode is that of IP-HTTPS, which is not served: --prefix is missing")
        options = self.options
        before, source = options["authentication"], options.source("authentication")
        options.put("authentication", mode.value, CONTROL)
        try:
            options.check()
            if self._tls:
                self._tls.change_mode(mode)
        except ConfigError:
            options.put("authentication", before, source)
            raise
        self.config = options.config
        self._end_for_mode(mode)

    def _end_for_mode(self, mode: AuthenticationMode) -> None:
        """End every session and apply the new mode to later ones (3.2.7.1); TLS has already been changed."""
        if self._iphttps is None:
            return
        self._iphttps.change_mode(mode)
        self.log.info("authentication mode: {mode}", event="mode-changed", mode=mode.value)
        self.server.handle(ServerEvent.AUTHENTICATION)

    def reload(self) -> Changes:
        """Read the options and their files again and put them in force. On ConfigError nothing is changed.

        The log records the result; the status reports a failure until a reload succeeds.
        """
        with self._supervision.reloading():
            try:
                changes = self._reload_again()
            except ConfigError as error:
                self._reload_problem = str(error)
                self.log.error("reload failed, nothing was changed: {error}", event="not-reloaded", error=str(error))
                raise
        self._reload_problem = None
        return changes

    def _reload_again(self) -> Changes:
        fresh = self.options.again()
        try:
            return self._reload(fresh)
        except ConfigError as error:
            raise fresh.placed(error) from error

    def _reload(self, fresh: Options) -> Changes:
        before = self.options
        configured = fresh.config.authentication
        if configured is self._configured_mode:
            fresh.keep("authentication", before)  # it may have been set through the control socket
        restart = keep_what_takes_a_restart(before, fresh)
        config = fresh.config
        files = contents(config)
        changes = Changes(changed(self.config, self._files, config, files), restart, fresh.shown)
        self.put_in_force(config)
        self.options, self.config, self._files, self._configured_mode = fresh, config, files, configured
        gc_tuning.look_at_all()  # the old options are a reference cycle
        self.log.info(
            "reloaded; {changes}", event="reloaded", changes=str(changes), changed=changes.now, restart=changes.restart
        )
        return changes

    def put_in_force(self, config: ServerConfig) -> None:
        """Apply every option that needs no restart, and the current contents of the files.

        Raises:
            ConfigError: A file cannot be used; nothing is changed.
        """
        known = identities(config) if self._iphttps else None
        users = self._sstp.read_users(config) if self._sstp else None
        if self._tls:
            self._tls.reload(config)  # the last step that can fail
            lists = self._tls.tls.lists
            for sentence in lists.older if lists else ():
                self.log.warn("{sentence}; accepted because of allow-older-crl", event="crl-older", sentence=sentence)
        if self._sstp:
            self._sstp.put_in_force(config, users)
        set_level(config.log_level)
        listener, mode = self.server.listener, config.authentication
        listener.limit(config.max_handshakes, config.max_handshakes_per_source, config.handshake_timeout)
        if self._iphttps and known:
            self._iphttps.put_in_force(config, known)
        if mode is not self.config.authentication:
            self._end_for_mode(mode)
        if self._iphttps:
            self._iphttps.service.advertise()

    def _hang_up(self, signum: int, frame: object) -> None:
        self._reactor.callFromThread(self._reload_on_signal)

    def _reload_on_signal(self) -> None:
        log_file.reopen()
        with suppress(ConfigError):  # the log has it
            self.reload()
