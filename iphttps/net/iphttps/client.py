"""The client: performs the commands of its state machine, and connects session and device (3.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from ...core.errors import DropReason, ProtocolError
from ...core.failure import FailureReason, Stage
from ...core.http.body import LAST_CHUNK, in_body
from ...core.ip.batch import Batch, Framer
from ...core.iphttps.client import Action, ClientEvent, ClientMachine, ClientState, Command, StartTimer
from ...core.iphttps.client_handshake import ClientHandshake
from ...core.iphttps.request import Opened
from ..connect.alternatives import Attempt
from ..connect.remote_server import Choice, RemoteServer, as_listed
from ..device_reader import DeviceReader
from ..explain import TIMED_OUT, explain, explain_end, explain_expiry
from ..interfaces import PacketDevice
from ..log import logger
from ..session import Session
from ..session_log import ClientRecord
from .liveness import Liveness

__all__ = ["Client", "ClientSession", "Server"]

Server = RemoteServer[ClientHandshake]
"""An IP-HTTPS server."""


class ClientSession(Session):
    """One connection to the server; it reports its end to the client once, by `failed`."""

    def __init__(self, client: Client, handshake_deadline: float) -> None:
        super().__init__(client.clock, handshake_deadline)
        self._client = client
        self._handshake = client.server.handshake()
        self._stage = Stage.TLS
        self._answered = False
        self._trouble: FailureReason | None = None

    def established(self) -> None:
        """Report that the HTTPS connection is established (3.1.5.1)."""
        super().established()
        self._stage = Stage.HTTP
        self._client.connected(self)

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
        self.opened(opened.rest, in_body(Framer(), opened.body, chunked=self._handshake.chunked))

    def expired(self) -> None:
        """End the connection: the server did not open the session in time."""
        sentence = f"the server did not open the session within {self.handshake_deadline:.0f} seconds"
        self._trouble = FailureReason(self._stage, sentence, TIMED_OUT)
        self.disconnect(sentence)

    def deliver(self, batch: Batch) -> None:
        """Hand packets from the server to the kernel (3.1.5.3)."""
        self.counters.received(len(batch), len(batch.data))
        self._client.from_server(batch)

    def out_of_step(self, fault: DropReason) -> None:
        """End a connection whose framing is lost; the client reconnects."""
        self.disconnect(f"framing is lost: {fault.value}")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Report the end of the connection with its first known cause (3.1.5.4)."""
        super().connectionLost(reason)
        trouble = explain_end(reason, self.tls, self._stage, answered=self._answered)
        # A certificate failure is the cause of any other error.
        if self.ending and trouble.stage is not Stage.CERTIFICATE:
            trouble = self._trouble or FailureReason(self._stage, self.ending)
        self._client.failed(self, trouble)


class Client(Factory):
    """The client; it calls `bring_up` and `take_down` when the link comes up and goes down.

    `servers` are tried in the order returned by `choose`, which is called again when all have failed. `own_address`
    returns the host's link-local address on the link, and `random` a number from 0 to 1.
    """

    log = logger()
    noisy = False

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
        choose: Choice[ClientHandshake] = as_listed,
        own_address: Callable[[], bytes | None] = lambda: None,
        keepalive: float = 0.0,
        random: Callable[[], float] = float,
    ) -> None:
        self.clock = clock
        self.server = servers[0]
        """The server of the latest attempt."""
        self.liveness = Liveness(clock, own_address, self._router_silent, keepalive)
        self._machine = machine
        self._servers = servers
        self._turns = cycle(servers)
        self._device = device
        self._reader = reader(self._from_host)
        self._bring_up = bring_up
        self._take_down = take_down
        self._choose = choose
        self._random = random
        self._tunnel: ClientSession | None = None
        self._attempt: Deferred[object] | None = None
        self._timer: IDelayedCall | None = None
        self._gone: Deferred[None] = succeed(None)
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
        """End the session if a certificate in the server's chain has expired; the server may have a new one."""
        if self._tunnel and self.state is ClientState.LINK_UP and (trouble := explain_expiry(self._tunnel.tls, now)):
            self._cut_off(trouble)

    @property
    def state(self) -> ClientState:
        """The state (3.1.1)."""
        return self._machine.state

    @property
    def tunnel(self) -> ClientSession | None:
        """The present connection, None without one."""
        return self._tunnel

    @property
    def next_attempt(self) -> float | None:
        """The expiry of the reconnect timer, None if it is not running (3.1.2.1)."""
        return self._timer.getTime() if self._timer and self._timer.active() else None

    def _perform(self, command: Command) -> None:
        match command:
            case Action.CONNECT:
                self._connect()
            case Action.CONNECT_NEXT:
                self._connect_next()
            case Action.CONNECT_AGAIN:
                self._connect_again()
            case Action.SEND_REQUEST:
                self._current.request()
            case Action.LINK_UP:
                self._link_up(self._current)
            case Action.LINK_DOWN:
                self.liveness.stop()
                self._reader.stop()
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

    @property
    def _current(self) -> ClientSession:
        assert self._tunnel is not None
        return self._tunnel

    # An attempt, in the order of its life.

    def _connect(self) -> None:
        chosen = self._choose(self._servers)
        self._attempt = attempt = cast("Deferred[object]", chosen)
        chosen.addCallbacks(self._chosen, self._not_connected, errbackArgs=(attempt,))

    def _chosen(self, servers: Sequence[Server]) -> None:
        # The state machine limits the attempts; after a session the next server in order follows.
        self._turns = cycle(servers)
        self._connect_next()

    def _connect_next(self) -> None:
        self.server = next(self._turns)
        self._round = Attempt(self.server.uri, self.server.endpoint)
        self.log.info("connecting to {uri}", event="connecting", uri=self.server.uri)
        self._connect_again()

    def _connect_again(self) -> None:
        self._attempt = attempt = cast("Deferred[object]", self.server.endpoint.connect(self))
        attempt.addErrback(self._not_connected, attempt)

    def _not_connected(self, failure: Failure, attempt: Deferred[object]) -> None:
        # A cancelled attempt fails, too, and not always with CancelledError: Twisted's resolver reports a name that
        # was not found.
        if attempt is self._attempt:
            self._note_failure(explain(failure))

    def buildProtocol(self, addr: IAddress | None) -> ClientSession:
        """Build the session of a new connection."""
        self._round.using(addr)
        self._tunnel = ClientSession(self, self._round.deadline)
        return self._tunnel

    def connected(self, tunnel: ClientSession) -> None:
        """Handle an established HTTPS connection (3.1.5.1)."""
        self.handle(ClientEvent.CONNECTED)

    def responded(self, tunnel: ClientSession) -> None:
        """Handle a successful response (3.1.5.2)."""
        self._round.opened()
        self.handle(ClientEvent.RESPONSE)

    def _link_up(self, tunnel: ClientSession) -> None:
        counted, suite = tunnel.counters, tunnel.tls.suite if tunnel.tls else None
        self._session = ClientRecord(self.server.uri, self.server.through(), suite, counted, self.clock.seconds())
        self._bring_up(tunnel)
        self._reader.start()
        self.liveness.start(tunnel.send, lambda: counted.packets_in + counted.packets_out)

    def failed(self, tunnel: ClientSession, trouble: FailureReason) -> None:
        """Handle the end of the connection; an abandoned one is ignored."""
        if tunnel is self._tunnel:
            self._tunnel = None
            self._note_failure(trouble)

    def _note_failure(self, trouble: FailureReason) -> None:
        if self._round.goes_on(trouble):
            self.handle(ClientEvent.NEXT_ADDRESS)
        else:
            self._report_failure(told := self._round.verdict(trouble))
            self.handle(ClientEvent.FAILED, told.retry_after or 0.0)

    def _report_failure(self, trouble: FailureReason) -> None:
        self._why = trouble.sentence
        self.last_failure = trouble, self.server.uri, self.clock.seconds()
        self.log.warn(
            "{uri}: {sentence}",
            event="attempt-failed",
            uri=self.server.uri,
            sentence=trouble.sentence,
            stage=trouble.stage.value,
            code=trouble.code,
        )

    def _router_silent(self) -> None:
        self._cut_off(FailureReason(Stage.ROUTER, "the router on the link does not answer"))

    def _cut_off(self, trouble: FailureReason) -> None:
        self._report_failure(trouble)
        self.handle(ClientEvent.CUT_OFF)

    def _disconnect(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt:
            attempt.cancel()
        if self._tunnel:
            tunnel, self._tunnel = self._tunnel, None
            self._gone = tunnel.ended
            tunnel.disconnect("given up")

    def gone(self) -> Deferred[None]:
        """Return a Deferred that fires when the last abandoned connection has ended."""
        return self._gone

    def _from_host(self, batch: Batch) -> int:
        self._current.send(batch)
        return 1

    def from_server(self, batch: Batch) -> None:
        """Hand packets from the server to the kernel (3.1.5.3)."""
        self._device.write(batch)
        if self.liveness.listening:
            self.liveness.hear(batch)
