"""The client's side of one call: the state machine of SSTP, the PPP link in it, and the crypto binding between the two.

This is the interface between SSTP and PPP of [MS-SSTP] 3.2.7. SSTP starts and stops PPP. PPP reports the end of the
login and the HLAK, with which the client proves that TLS and the login have the same two ends. Frames pass only in the
states that allow them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..failure import FailureReason, Stage
from .attributes import AttributeID, Status, StatusInfo
from .client import ClientMachine
from .codec import ControlPacket, Frame
from .crypto_binding import NO_HLAK, HashProtocol, call_connected, certificate_hash, choose_protocol
from .machine import Action, Send
from .machine import Command as MachineCommand
from .packet import MAXIMUM_FRAME, data_packet
from .ppp.client import Authenticated, IPv4Addresses, IPv6Identifiers, PPPClient, answers_network
from .ppp.client import Command as PPPCommand
from .ppp.lcp import Authentication
from .ppp.link import Ended
from .ppp.login import Login
from .ppp.mschapv2 import DES
from .states import Event, State
from .status_words import status_words

__all__ = ["DISCONNECTED", "ClientCall", "Command", "Drop", "LinkDown", "LinkUp", "Negotiated"]

# The codes that Windows' client shows for the same failures (raserror.h, winsock2.h).
_NOT_CONNECTED = "619"  # ERROR_PORT_NOT_CONNECTED: the call was not up
DISCONNECTED = "629"  # ERROR_REMOTE_DISCONNECTION: the call was up
_TIMED_OUT = "0x8007274C"  # WSAETIMEDOUT, as an HRESULT
_RESET = "0x80072746"  # WSAECONNRESET, as an HRESULT

_BINDING = (
    "the server rejected the crypto binding: it has another certificate than this client saw, since TLS ends at a "
    "front or at a man in the middle; or it does not know the keys of the login"
)
_NO_HASH = "the server allows no hash protocol for the crypto binding that is allowed here"


@dataclass(frozen=True, slots=True)
class LinkUp:
    """Packets pass: the results of IPCP and IPV6CP, None for a family that is not open, and the MTU in bytes.

    The codec must compress the headers of frames as `negotiated` says.
    """

    ipv4: IPv4Addresses | None
    ipv6: IPv6Identifiers | None
    mtu: int


@dataclass(frozen=True, slots=True)
class LinkDown:
    """No packets pass any more, and the addresses are no longer assigned. Another LinkUp may follow."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection for this reason, after everything sent before."""

    reason: FailureReason


Command = bytes | LinkUp | LinkDown | Drop
"""Bytes are SSTP packets to send."""


@dataclass(frozen=True, slots=True)
class Negotiated:
    """The options negotiated so far, for status.

    `authentication` is "MS-CHAPv2", "PAP" or None, `mru` the MRU of the server. `acfc` and `pfc` are True if the server
    has asked for the compression. `missing` has pairs of a family, "IPv4" or "IPv6", and the reason why it is absent.
    """

    authentication: str | None
    mru: int
    acfc: bool
    pfc: bool
    hash_protocol: HashProtocol | None
    missing: tuple[tuple[str, str], ...]


_METHODS = {Authentication.MSCHAPV2: "MS-CHAPv2", Authentication.PAP: "PAP"}


class ClientCall:
    """One call, from the server's answer to the HTTP request to the end of the connection.

    `random` returns a number of random bytes, and `des` encrypts a block of 8 bytes with a key of 8. `certificate` is
    the server's certificate from the TLS handshake, in DER, b"" without TLS; `hashes` are the allowed hash protocols,
    best first. `identifier` and `address` are the interface identifier and the IPv4 address to request, b"" for any.
    Each method takes the time `now`, in seconds, and returns the commands to perform, in order; at `deadline` the owner
    calls `expired`.
    """

    __slots__ = ("_bound", "_certificate", "_hashes", "_hlak", "_link", "_machine", "_reason", "_was_up", "ppp")

    def __init__(
        self,
        random: Callable[[int], bytes],
        login: Login,
        certificate: bytes,
        des: DES,
        *,
        hashes: Sequence[HashProtocol] = tuple(HashProtocol),
        allow_pap: bool = False,
        identifier: bytes = b"",
        address: bytes = b"",
    ) -> None:
        self.ppp = PPPClient(random, login, des, allow_pap=allow_pap, identifier=identifier, address=address)
        self._certificate = certificate
        self._hashes = tuple(hashes)
        self._machine = ClientMachine(sum(each.value for each in self._hashes))
        self._hlak = NO_HLAK
        self._link: LinkUp | None = None
        self._bound = False
        self._was_up = False
        self._reason: FailureReason | None = None

    @property
    def state(self) -> State:
        """The state of [MS-SSTP] 3.2.1."""
        return self._machine.state

    @property
    def stage(self) -> Stage:
        """The stage of the attempt; SSTP while the link is up, and the stage of the failure afterwards.

        After Call Connected it is BINDING until the server answers a request that was sent after that message: only
        then is it known that the server accepts the crypto binding.
        """
        if self._reason:
            return self._reason.stage
        if self._was_up or not self._machine.control_passes:
            return Stage.SSTP
        return Stage.BINDING if self._machine.data_passes and not self._bound else self.ppp.stage

    @property
    def data_passes(self) -> bool:
        """True if data frames pass, both ways (3.2.7.1, 3.2.7.2)."""
        return self._machine.data_passes

    @property
    def ends(self) -> bool:
        """True if the call is ending or has ended: no frame passes any more. Valid after the start of the call."""
        return not self._machine.runs

    @property
    def reason(self) -> FailureReason | None:
        """The reason for the end of the call; None while it runs."""
        return self._reason

    @property
    def deadline(self) -> float | None:
        """The time to call `expired`, in seconds; None if no timer runs."""
        ppp = self.ppp.deadline if self._machine.control_passes else None
        return min((timer for timer in (self._machine.deadline, ppp) if timer is not None), default=None)

    @property
    def negotiated(self) -> Negotiated:
        """The options negotiated so far."""
        lcp = self.ppp.lcp
        return Negotiated(
            lcp.authentication and _METHODS[lcp.authentication],
            lcp.peer_mru,
            lcp.acfc,
            lcp.pfc,
            self._hash_protocol,
            tuple((family, reason.value) for family, reason in self.ppp.missing.items()),
        )

    @property
    def _hash_protocol(self) -> HashProtocol | None:
        """The hash protocol of the binding (ClientHashProtocolChosen)."""
        binding = self._machine.binding
        return choose_protocol(binding.hashes, self._hashes) if binding else None

    def start(self, now: float) -> list[Command]:
        """Start the call: the server has answered the HTTP request with 200 (3.2.4.1)."""
        return self._run(Event.ESTABLISHED, now)

    def heard(self, now: float) -> None:
        """Note that data packets were received (3.1.2.3)."""
        self._machine.heard(now)

    def receive(self, item: ControlPacket | Frame, now: float) -> list[Command]:
        """Process a control packet, or a frame that contains no IP packet."""
        if isinstance(item, ControlPacket):
            stage = self.stage
            commands = self._machine.received(item.data, now)
            self._note_message(stage)
            return self._settled(self._perform(commands, now))
        self._machine.heard(now)
        if not self._machine.control_passes:
            return []  # 3.2.7.2
        if self._machine.data_passes and not self._bound:
            self._bound = answers_network(item.data)
        return self._settled(self._linked(self.ppp.receive(item.data, now), now))

    def lost_step(self, now: float) -> list[Command]:
        """End the call and send nothing: the stream cannot be delineated (3.1.5.1)."""
        self._note("the server's stream cannot be delineated into SSTP packets")
        return self._run(Event.UNDELINEABLE, now)

    def lost(self, now: float) -> list[Command]:
        """End the call: the connection was lost (3.1.7.2). No Drop follows."""
        unbound = self.stage is Stage.BINDING
        self._note("the connection was lost" + (" before the server answered Call Connected" * unbound), code=_RESET)
        return self._run(Event.LOST, now)

    def disconnect(self, sentence: str, now: float) -> list[Command]:
        """Disconnect the call for this reason (3.2.4.2)."""
        self._note(sentence)
        return self._run(Event.DISCONNECT_TUNNEL, now)

    def expired(self, now: float) -> list[Command]:
        """Handle the timers that have expired."""
        stage, waited = self.stage, self.ppp.awaits if self._machine.control_passes else "Call Connect ACK"
        expired = self._machine.expired(now)
        if self.state is State.CALL_ABORT_PENDING:
            self._note(f"the server did not answer in time: this client has waited for {waited}", stage, _TIMED_OUT)
        elif self.state is State.CLIENT_CALL_DISCONNECTED:
            self._note("the server does not answer", stage, _TIMED_OUT)  # 3.1.2.3
        commands = self._perform(expired, now)
        if self._machine.control_passes:
            commands += self._linked(self.ppp.expired(now), now)
        return self._settled(commands)

    def _run(self, event: Event, now: float) -> list[Command]:
        return self._settled(self._perform(self._machine.handle(event, now), now))

    def _perform(self, commands: Iterable[MachineCommand], now: float) -> list[Command]:
        found: list[Command] = []
        for command in commands:
            match command:
                case Send(packet):
                    found.append(packet)
                case Action.SEND_CONNECTED:
                    found.append(self._connected())
                case Action.START_PPP:
                    found += self._linked(self.ppp.start(now), now)
                case Action.DROP:
                    assert self._reason  # noted before each Action.DROP
                    found.append(Drop(self._reason))
                case _:
                    pass  # STOP_PPP and PASS_DATA: control_passes and data_passes have changed already
        return found

    def _linked(self, commands: Iterable[PPPCommand], now: float) -> list[Command]:
        """Perform the commands of the PPP link; send its frames in the states that allow it (3.2.7.1)."""
        found: list[Command] = []
        for command in commands:
            match command:
                case bytes():
                    # The answer to a frame that was longer than our MRU may not fit into a packet.
                    if self._machine.control_passes and len(command) <= MAXIMUM_FRAME:
                        found.append(data_packet(command))
                case Authenticated(hlak):
                    self._hlak = hlak
                    found += self._perform(self._machine.handle(Event.AUTHENTICATED, now), now)
                case Ended(sentence, _, code):
                    self._note(sentence, Stage.PPP if self._was_up else self.ppp.stage, code)
                    found += self._perform(self._machine.handle(Event.DISCONNECT_TUNNEL, now), now)
                case _:
                    pass  # a change of the network layer: see _settled
        return found

    def _connected(self) -> bytes:
        """Return Call Connected with the crypto binding (3.2.5.2, 3.2.7.1)."""
        binding, protocol = self._machine.binding, self._hash_protocol
        assert binding and protocol  # the machine has accepted the ACK
        shown = certificate_hash(self._certificate, protocol) if self._certificate else bytes(protocol.length)
        return call_connected(self._hlak, binding.nonce, shown, protocol)

    def _settled(self, commands: list[Command]) -> list[Command]:
        """Add LinkUp and LinkDown to the commands, before a Drop."""
        link = None
        if self._machine.data_passes and self.ppp.settled:
            link = LinkUp(self.ppp.ipv4, self.ppp.ipv6, self.ppp.mtu)
        if link != self._link:
            changes: list[Command] = [LinkDown()] if self._link else []
            if link:
                changes.append(link)
                self._was_up = True
            self._link = link
            at = len(commands) - sum(isinstance(each, Drop) for each in commands)
            commands[at:at] = changes
        return commands

    # The reason for the end.

    def _note(self, sentence: str, stage: Stage | None = None, code: str | None = None) -> None:
        """Note the reason for the end of the call, unless one is known: later ones are consequences of the first."""
        if not self._reason:
            self._reason = FailureReason(stage or self.stage, sentence, code)

    def _note_message(self, stage: Stage) -> None:
        """Note the reason for the end of the call if a message that was received at this stage ends it."""
        machine = self._machine
        code = DISCONNECTED if self._was_up else _NOT_CONNECTED
        received = status_words(machine.received_status)
        ended = machine.state in (State.CALL_ABORT_TIMEOUT_PENDING, State.CALL_DISCONNECT_TIMEOUT_PENDING)
        if ended and (unwanted := self.ppp.unwanted):
            # Many servers disconnect where their only method is rejected, and do not say why.
            self._note(unwanted.sentence, Stage.PPP, unwanted.code)
        match machine.state:
            case State.CALL_ABORT_PENDING:
                sent = machine.sent_status
                if sent == StatusInfo(AttributeID.CRYPTO_BINDING_REQ, Status.VALUE_NOT_SUPPORTED):
                    self._note(_NO_HASH, Stage.BINDING, code)
                elif sent == StatusInfo(AttributeID.STATUS_INFO, Status.RETRY_COUNT_EXCEEDED):
                    self._note(f"the server rejected the call{status_words(machine.nak_status)}", stage, code)
                self._note(f"this client aborted the call{status_words(sent)}", stage, code)
            case State.CALL_ABORT_TIMEOUT_PENDING:
                about = machine.received_status and machine.received_status.attribute
                if about == AttributeID.CRYPTO_BINDING and stage in (Stage.BINDING, Stage.ADDRESSES):
                    self._note(_BINDING, Stage.BINDING, code)
                self._note(f"the server aborted the call{received}", stage, code)
            case State.CALL_DISCONNECT_TIMEOUT_PENDING:
                self._note(f"the server disconnected{received}", stage, code)
