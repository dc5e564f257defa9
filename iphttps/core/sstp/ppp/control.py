"""A control protocol: the packets that drive the automaton, and the option negotiation (RFC 1661 sections 4 to 6).

The subclasses LCP, IPCP and IPV6CP define the options to request and the options to grant to the peer. A packet here is
the Information field of a frame: Code (1 byte), Identifier (1 byte), Length (2 bytes, of the whole packet) and data.

Each negotiation is bounded: the Restart counter ends it if the peer is silent, Max-Failure turns Naks into Rejects
(4.6), and MAX_REQUESTS and MAX_REFUSALS, which are not in the RFC, end a negotiation that does not converge.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto

from .automaton import TRANSITIONS, Action, Automaton, Event, State
from .commands import Command, Finished, Layer, Reason
from .options import Options, build, parse

__all__ = [
    "MAX_FAILURE",
    "MAX_REFUSALS",
    "MAX_REQUESTS",
    "MINIMUM_MRU",
    "Code",
    "ControlProtocol",
    "Verdict",
    "packet",
]

MAX_FAILURE = 5
"""Max-Failure: Configure-Naks without an Ack before the options are rejected instead (RFC 1661 4.6)."""
MAX_REFUSALS = 2 * MAX_FAILURE
"""Maximum number of Naks and Rejects without an Ack; then the negotiation ends."""
MAX_REQUESTS = 30
"""Maximum number of Configure-Requests, renegotiations included."""
MINIMUM_MRU = 1280
"""Minimum MRU accepted from a peer, the minimum MTU of IPv6 (RFC 8200 section 5)."""


class Code(IntEnum):
    """The codes of control packets (RFC 1661 5; 12 and 13: RFC 1570); 8 and above exist in LCP only."""

    CONFIGURE_REQUEST = 1
    CONFIGURE_ACK = 2
    CONFIGURE_NAK = 3
    CONFIGURE_REJECT = 4
    TERMINATE_REQUEST = 5
    TERMINATE_ACK = 6
    CODE_REJECT = 7
    PROTOCOL_REJECT = 8
    ECHO_REQUEST = 9
    ECHO_REPLY = 10
    DISCARD_REQUEST = 11
    IDENTIFICATION = 12
    TIME_REMAINING = 13


class Verdict(Enum):
    """The answer to an option of the peer; a Nak is expressed by the suggested value instead."""

    ACK = auto()
    REJECT = auto()


def packet(code: int, identifier: int, data: bytes = b"") -> bytes:
    """Return a control packet."""
    return bytes((code, identifier)) + (len(data) + 4).to_bytes(2, "big") + data


class ControlProtocol:
    """One control protocol of one link, starting in state Initial; each link needs a new one.

    The base class has no options: it requests none, and rejects all options of the peer.

    Each method takes the time `now`, in seconds, and returns the commands to perform, in order. At `deadline` the owner
    calls `expired`.
    """

    __slots__ = ("_automaton", "_failure", "_identifier", "_naks", "_pending", "_refusals", "_requests", "reason")

    def __init__(self) -> None:
        self.reason: Reason | None = None
        """The reason why it is ending or has ended; None if it is not."""
        self._automaton = Automaton()
        self._failure: Reason | None = None  # set by a subclass that cannot go on
        self._identifier = 0
        self._pending: int | None = None  # the identifier of the Configure-Request that is not yet answered
        self._naks = 0
        self._refusals = 0
        self._requests = 0

    @property
    def state(self) -> State:
        """The state of the automaton."""
        return self._automaton.state

    @property
    def deadline(self) -> float | None:
        """The time to call `expired`, in seconds; None if no timer runs."""
        return self._automaton.deadline

    def up(self, now: float) -> list[Command]:
        """Process the event Up: the lower layer is ready to carry packets.

        Raises:
            KeyError: It was already up, which is a bug of the caller.
        """
        return self._run(Event.UP, now)

    def down(self, now: float) -> list[Command]:
        """Process the event Down: the lower layer no longer carries packets.

        Raises:
            KeyError: It was already down, which is a bug of the caller.
        """
        return self._run(Event.DOWN, now)

    def open(self, now: float) -> list[Command]:
        """Start the negotiation, now or when the lower layer is up."""
        self.reason = None
        return self._run(Event.OPEN, now)

    def close(self, now: float, reason: Reason = Reason.CLOSED) -> list[Command]:
        """Terminate; Finished follows once the peer acknowledges or the Restart counter expires."""
        self.reason = self.reason or reason
        return self._run(Event.CLOSE, now)

    def expired(self, now: float) -> list[Command]:
        """Handle the expiry of the Restart timer; before `deadline` it has no effect."""
        if self.deadline is None or now < self.deadline:
            return []
        event = self._automaton.timeout
        if event is Event.LAST_TIMEOUT:
            self.reason = self.reason or Reason.NO_ANSWER
        return self._run(event, now)

    def rejected(self, now: float) -> list[Command]:
        """Handle a Protocol-Reject of this protocol, or a Code-Reject of a mandatory code."""
        if self._down:
            return []
        self.reason = self.reason or Reason.REJECTED
        return self._run(Event.FATAL_REJECT, now)

    def receive(self, data: bytes, now: float) -> list[Command]:
        """Process a packet from the peer.

        A malformed packet, or an answer without a request, is silently discarded (RFC 1661 5).
        """
        length = int.from_bytes(data[2:4], "big")
        if self._down or not 4 <= length <= len(data):
            return []
        code, identifier, data = data[0], data[1], data[4:length]
        match code:
            case Code.CONFIGURE_REQUEST:
                return self._requested(identifier, data, now)
            case Code.CONFIGURE_ACK | Code.CONFIGURE_NAK | Code.CONFIGURE_REJECT:
                return self._answered(code, identifier, data, now)
            case Code.TERMINATE_REQUEST:
                self.reason = self.reason or Reason.PEER_TERMINATED
                return self._run(Event.TERMINATE_REQUEST, now, identifier)
            case Code.TERMINATE_ACK:
                return self._run(Event.TERMINATE_ACK, now)
            case Code.CODE_REJECT:
                if data and Code.CONFIGURE_REQUEST <= data[0] <= Code.CODE_REJECT:
                    return self.rejected(now)
                return self._run(Event.PERMITTED_REJECT, now)
        commands = self._extended(code, identifier, data, now)
        if commands is None:
            # 5.6: truncated to the minimum MRU.
            rejected = packet(code, identifier, data)[: MINIMUM_MRU - 4]
            return self._run(Event.UNKNOWN_CODE, now, answer=packet(Code.CODE_REJECT, self._next(), rejected))
        return commands

    @property
    def _down(self) -> bool:
        return self.state in (State.INITIAL, State.STARTING)

    def _next(self) -> int:
        self._identifier = (self._identifier + 1) & 0xFF
        return self._identifier

    def _requested(self, identifier: int, data: bytes, now: float) -> list[Command]:
        options = parse(data)
        if options is None:
            return []
        naks, rejects = self._judged(options)
        if self._failure:
            return self.close(now, self._failure)
        if self._naks >= MAX_FAILURE:
            # 4.6: reject the options instead of suggesting values, and no longer append missing options.
            refused = {kind for kind, _ in naks}
            naks, rejects = (), tuple(each for each in options if each in rejects or each[0] in refused)
        if not naks and not rejects:
            answer = packet(Code.CONFIGURE_ACK, identifier, data)
            commands = self._run(Event.GOOD_REQUEST, now, identifier, answer)
            if answer in commands:
                self._naks = self._refusals = 0
                self._accept(options)
            return commands
        if self._refusals >= MAX_REFUSALS:
            return self.close(now, Reason.NOT_CONVERGING)
        self._refusals += 1
        if rejects:
            answer = packet(Code.CONFIGURE_REJECT, identifier, build(rejects))
        else:
            self._naks += 1
            answer = packet(Code.CONFIGURE_NAK, identifier, build(naks))
        return self._run(Event.BAD_REQUEST, now, identifier, answer)

    def _judged(self, options: Options) -> tuple[Options, Options]:
        """Return what to Nak and what to Reject."""
        naks, rejects, seen = [], [], set[int]()
        for kind, value in options:
            verdict = Verdict.REJECT if kind in seen else self._judge(kind, value)  # 6: no option may be listed twice
            seen.add(kind)
            if verdict is Verdict.REJECT:
                rejects.append((kind, value))
            elif isinstance(verdict, bytes):
                naks.append((kind, verdict))
        naks += [option for option in self._wanted() if option[0] not in seen]
        return tuple(naks), tuple(rejects)

    def _answered(self, code: int, identifier: int, data: bytes, now: float) -> list[Command]:
        options = parse(data)
        sent = self._request()
        if self.state in (State.CLOSED, State.STOPPED):
            return self._run(Event.ACK, now, identifier)
        if identifier != self._pending or options is None:
            return []
        if code == Code.CONFIGURE_ACK:
            if options != sent:
                return []
            self._pending = None
            self._acked()
            return self.close(now, self._failure) if self._failure else self._run(Event.ACK, now)
        if not options or (code == Code.CONFIGURE_REJECT and not set(options) <= set(sent)):
            return []
        self._pending = None
        asked = dict(sent)
        for kind, value in dict(options).items():
            if code == Code.CONFIGURE_REJECT:
                self._rejected(kind)
            elif kind in asked:
                self._nakked(kind, value)
        return self.close(now, self._failure) if self._failure else self._run(Event.NAK_OR_REJECT, now)

    def _run(self, event: Event, now: float, identifier: int = 0, answer: bytes = b"") -> list[Command]:
        """Run the event through the automaton; `answer` is the packet for the actions that send an answer."""
        if self._requests >= MAX_REQUESTS and Action.SEND_CONFIGURE_REQUEST in TRANSITIONS[self.state, event][1]:
            return self.close(now, Reason.NOT_CONVERGING)
        commands = [self._performed(action, identifier, answer) for action in self._automaton.handle(event, now)]
        return [command for command in commands if command is not None]

    def _performed(self, action: Action, identifier: int, answer: bytes) -> Command | None:
        match action:
            case Action.THIS_LAYER_UP:
                self.reason = None
                return Layer.UP
            case Action.THIS_LAYER_DOWN:
                return Layer.DOWN
            case Action.THIS_LAYER_STARTED:
                return Layer.STARTED
            case Action.THIS_LAYER_FINISHED:
                return Finished(self.reason or Reason.CLOSED)
            case Action.SEND_CONFIGURE_REQUEST:
                self._requests += 1
                if self._pending is None:  # 5.1: a retransmission keeps its Identifier
                    self._pending = self._next()
                return packet(Code.CONFIGURE_REQUEST, self._pending, build(self._request()))
            case Action.SEND_TERMINATE_REQUEST:
                return packet(Code.TERMINATE_REQUEST, self._next())
            case Action.SEND_TERMINATE_ACK:
                return packet(Code.TERMINATE_ACK, identifier)
            case Action.INITIALIZE_RESTART_COUNT | Action.ZERO_RESTART_COUNT:
                return None
            case _:
                return answer

    def _request(self) -> Options:
        """Return the options to request; they change only by an answer of the peer."""
        return ()

    def _judge(self, kind: int, value: bytes) -> Verdict | bytes:
        """Judge an option requested by the peer; return the value to suggest for a Nak."""
        return Verdict.REJECT

    def _wanted(self) -> Options:
        """Return the options that the peer must request; missing ones are appended to a Nak (5.3)."""
        return ()

    def _accept(self, options: Options) -> None:
        """Apply the options granted to the peer; absent options have their default values."""

    def _acked(self) -> None:
        """Note that the peer has granted all options."""

    def _nakked(self, kind: int, value: bytes) -> None:
        """Consider the value that the peer suggests for an option of ours."""

    def _rejected(self, kind: int) -> None:
        """Omit an option of ours from now on."""

    def _extended(self, code: int, identifier: int, data: bytes, now: float) -> list[Command] | None:
        """Process a packet of a code specific to LCP; return None if the code is unknown."""
        return None
