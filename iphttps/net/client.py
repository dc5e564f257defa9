"""The client of any protocol: performs its state machine's commands, connects session and device ([MS-IPHTTPS] 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from ..core.client import Action, ClientEvent, ClientMachine, ClientState, Command, StartTimer
from ..core.failure import FailureReason, Stage
from ..core.ip.batch import Batch
from .client_session import ClientSession
from .connect.remote_server import Choice, as_listed
from .device_reader import DeviceReader
from .explain import explain, explain_expiry
from .interfaces import PacketDevice
from .log import logger
from .round import Round
from .server_attempt import Server, ServerAttempt, SessionMaker
from .session_log import ClientRecord

__all__ = ["Client", "Liveness", "Server", "SessionMaker"]


class Liveness(Protocol):
    """Detects that the other end of a link no longer answers; one session at a time, from `start` to `stop`."""

    @property
    def silence(self) -> FailureReason:
        """The failure to report if the other end does not answer."""

    @property
    def router(self) -> bytes | None:
        """The link-local address of the router on the link; None if it is unknown."""

    @property
    def listening(self) -> bool:
        """True if `hear` must be called with packets from the server."""

    def start(self, send: Callable[[Batch], object], received: Callable[[], int]) -> None:
        """Start, as the link has come up. `send` sends packets to the server; `received` counts those from it."""

    def stop(self) -> None:
        """Stop, as the link goes down."""

    def hear(self, batch: Batch) -> None:
        """Process packets from the server."""

    def ask(self) -> Deferred[float | None]:
        """Probe the other end; fires with the round-trip time in seconds, or None without an answer."""

    def check(self) -> None:
        """Probe the other end, and report it to the client if it does not answer."""

    def solicit(self) -> None:
        """Send a Router Solicitation (RFC 4861 section 6.3.7), if the link is up."""


class Client:
    """The client; it calls `bring_up` and `take_down` when the link comes up and goes down.

    `servers` are tried in the order returned by `choose`, which is called again when all have failed; after the loss of
    a session the order goes on with the server after the lost one. `liveness` makes the object that probes the other
    end; its argument is called if the other end does not answer. `random` returns a number from 0 to 1.
    """

    log = logger()

    def __init__(
        self,
        clock: IReactorTime,
        machine: ClientMachine,
        servers: Sequence[Server],
        device: PacketDevice,
        reader: Callable[[Callable[[Batch], int]], DeviceReader],
        *,
        bring_up: Callable[[ClientSession], None],
        take_down: Callable[[], None],
        liveness: Callable[[Callable[[], None]], Liveness],
        choose: Choice[SessionMaker] = as_listed,
        random: Callable[[], float] = float,
    ) -> None:
        self.clock = clock
        self.server = servers[0]
        """The server of the latest attempt."""
        self.liveness = liveness(self.silent)
        self._machine = machine
        self._servers = servers
        self._order = servers
        self._device = device
        self._reader = reader(self._from_host)
        self._bring_up = bring_up
        self._take_down = take_down
        self._choose = choose
        self._random = random
        self._send: Callable[[Batch], None] = _nothing
        self._round = Round(self, ())
        self._choosing: Deferred[Sequence[Server]] | None = None
        self._timer: IDelayedCall | None = None
        self._gone: Deferred[Any] = succeed(None)
        self._session: ClientRecord | None = None
        self._why = ""
        self.since = clock.seconds()
        """The time of the last state change."""
        self.last_failure: tuple[FailureReason, str, float] | None = None
        """The last failure: its reason, the server's URI, and its time."""

    def handle(self, event: ClientEvent, at_least: float = 0.0) -> None:
        """Handle an event: perform the commands of the state machine.

        After a failure the next attempt follows no earlier than `at_least` seconds.
        """
        before = self._machine.state
        commands = self._machine.handle(event, self.clock.seconds(), jitter=self._random(), at_least=at_least)
        after = self._machine.state
        if after is not before:
            self.since = self.clock.seconds()
            self.log.info("{before} -> {after}", event="state-changed", before=before.name, after=after.name)
        for command in commands:
            self._perform(command)

    def disable(self, why: str) -> None:
        """Disable the client in any state (3.1.4.2); `why` is the reason in the session's record."""
        self._why = why
        self.handle(ClientEvent.DISABLE)

    def network_changed(self, *, address_gone: bool = False) -> None:
        """React to a change of the underlying network: check the tunnel if it is up, or else reconnect now.

        `address_gone` means that the host has lost the source address of the connection.
        """
        if address_gone and self.state is ClientState.LINK_UP:
            self._cut_off(
                FailureReason(Stage.CONNECT, "this host has lost the address that the connection was made from")
            )
        elif self.state not in (ClientState.DISABLED, ClientState.ENABLED):
            self.handle(ClientEvent.NETWORK)

    def end_overdue(self, now: float) -> None:
        """End the session if a certificate in the server's chain has expired; the server may present a new one."""
        tunnel = self.tunnel
        if tunnel and self.state is ClientState.LINK_UP and (trouble := explain_expiry(tunnel.tls, now)):
            self._cut_off(trouble)

    @property
    def state(self) -> ClientState:
        """The state (3.1.1)."""
        return self._machine.state

    @property
    def tunnel(self) -> ClientSession | None:
        """The current connection; None if there is none."""
        return self._round.tunnel

    @property
    def next_attempt(self) -> float | None:
        """The expiry time of the reconnect timer; None if it is not running (3.1.2.1)."""
        return self._timer.getTime() if self._timer and self._timer.active() else None

    def _perform(self, command: Command) -> None:
        match command:
            case Action.CONNECT:
                self._connect()
            case Action.CONNECT_NEXT:
                self._connect_next()
            case Action.SEND_REQUEST:
                self._round.send_request()
            case Action.LINK_UP:
                self._link_up()
            case Action.LINK_DOWN:
                self.liveness.stop()
                self._reader.stop()
                self._send = _nothing
                self._take_down()
                if self._session:
                    self._session.ended(self.log, self._why, self.clock.seconds())
            case Action.ASK_ROUTER:
                self.liveness.check()
            case Action.DISCONNECT:
                self._disconnect()
            case Action.CANCEL_TIMER:
                if self._timer and self._timer.active():
                    self._timer.cancel()
            case StartTimer(delay):
                self.log.info("next attempt in {delay:.1f} seconds", event="next-attempt", delay=delay)
                self._timer = self.clock.callLater(delay, self.handle, ClientEvent.TIMER)

    # An attempt, in the order of its life.

    def _connect(self) -> None:
        self._choosing = chosen = self._choose(self._servers)
        chosen.addCallbacks(self._chosen, self._not_chosen)

    def _chosen(self, servers: Sequence[Server]) -> None:
        self._choosing = None
        self._order = servers
        self._begin(servers)

    def _not_chosen(self, failure: Failure) -> None:
        if self._choosing:  # otherwise it was cancelled
            self._choosing = None
            self._report_failure(self.server, explain(failure))
            self.handle(ClientEvent.FAILED)

    def _connect_next(self) -> None:
        after = self._order.index(self.server) + 1
        self._begin((*self._order[after:], *self._order[:after]))

    def _begin(self, servers: Sequence[Server]) -> None:
        self._round = Round(self, servers)
        self._round.start()

    def trying(self, server: Server) -> None:
        """Note that an attempt at a server begins."""
        self.server = server
        self.log.info("connecting to {uri}", event="connecting", uri=server.uri)

    def established(self) -> None:
        """Handle an established HTTPS connection (3.1.5.1)."""
        self.handle(ClientEvent.CONNECTED)

    def unanswered(self) -> None:
        """Handle the failure of the connections that have sent a request; others are being made."""
        self.handle(ClientEvent.UNANSWERED)

    def decided(self, server: Server) -> None:
        """Note that a server has answered."""
        self.server = server

    def opened(self, attempt: ServerAttempt) -> None:
        """Handle a successful response (3.1.5.2)."""
        self.handle(ClientEvent.RESPONSE)

    def not_opened(self, server: Server, trouble: FailureReason) -> None:
        """Report the failure of the attempt at one server."""
        self._report_failure(server, trouble)

    def all_failed(self, retry_after: float) -> None:
        """Handle the failure of the attempts at all servers (3.1.2.1)."""
        self.handle(ClientEvent.FAILED, retry_after)

    def _link_up(self) -> None:
        tunnel = self.tunnel
        assert tunnel is not None
        self._send = tunnel.send
        counted, suite = tunnel.counters, tunnel.tls.suite if tunnel.tls else None
        self._session = ClientRecord(self.server.uri, self.server.through(), suite, counted, self.clock.seconds())
        self._bring_up(tunnel)
        self._reader.start()
        self._watch(tunnel)

    def _watch(self, tunnel: ClientSession) -> None:
        counted = tunnel.counters
        self.liveness.start(tunnel.send_urgent, lambda: counted.packets_in)

    def renumbered(self, tunnel: ClientSession) -> None:
        """Take the link down and bring it up again: the session continues with other addresses."""
        if tunnel is self.tunnel:
            self.liveness.stop()
            self._reader.stop()
            self._take_down()
            self._bring_up(tunnel)
            self._reader.start()
            self._watch(tunnel)

    def lost(self, attempt: ServerAttempt, trouble: FailureReason) -> None:
        """Handle the end of the session (3.1.5.4)."""
        self._report_failure(attempt.server, trouble)
        elsewhere = attempt.lost() or len(self._servers) > 1
        self.handle(ClientEvent.LOST if elsewhere else ClientEvent.FAILED)

    def _report_failure(self, server: Server, trouble: FailureReason) -> None:
        self._why = trouble.sentence
        self.last_failure = trouble, server.uri, self.clock.seconds()
        self.log.warn(
            "{uri}: {sentence}",
            event="attempt-failed",
            uri=server.uri,
            sentence=trouble.sentence,
            stage=trouble.stage.value,
            code=trouble.code,
        )

    def silent(self) -> None:
        """Reconnect, because the other end does not answer."""
        self._cut_off(self.liveness.silence)

    def _cut_off(self, trouble: FailureReason) -> None:
        self._report_failure(self.server, trouble)
        self._round.note_loss()
        self.handle(ClientEvent.CUT_OFF)

    def _disconnect(self) -> None:
        choosing, self._choosing = self._choosing, None
        if choosing:
            choosing.cancel()
        if ended := self._round.cancel():
            self._gone = DeferredList(ended)

    def gone(self) -> Deferred[Any]:
        """Return a Deferred that fires when the last abandoned connections have ended."""
        return self._gone

    def _from_host(self, batch: Batch) -> int:
        self._send(batch)
        return 1

    def from_server(self, batch: Batch) -> None:
        """Hand packets from the server to the kernel (3.1.5.3)."""
        self._device.write(batch)
        if self.liveness.listening:
            self.liveness.hear(batch)


def _nothing(batch: Batch) -> None:
    """Send nothing: there is no session."""
