"""The server's side of one call: the state machine of SSTP, the PPP link in it, and the crypto binding between the two.

This implements [MS-SSTP] 3.3.7: SSTP starts and stops PPP, PPP reports the end of authentication and provides the HLAK,
and frames pass only in the states that permit them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .codec import ControlPacket, Frame
from .crypto_binding import NO_HLAK, NONCE_LENGTH, HashProtocol, Mismatch, check_call_connected
from .machine import Action, Send, VerifyBinding
from .machine import Command as MachineCommand
from .packet import MAXIMUM_FRAME, data_packet
from .ppp.lcp import Authentication
from .ppp.server import Command as PPPCommand
from .ppp.server import Credentials, Ended, IPv4Up, IPv6Up, NetworkDown, Offer, Phase, PPPServer
from .server import ServerMachine
from .states import Event, State
from .status_words import status_words

__all__ = ["Call", "Command", "Drop"]

_MISMATCHES = {
    Mismatch.LENGTH: "its length is wrong",
    Mismatch.HASH_PROTOCOL: "its hash protocol was not offered",
    Mismatch.NONCE: "its nonce is not that of this connection",
    Mismatch.CERTIFICATE_HASH: "the client saw another certificate: TLS ends somewhere in between",
    Mismatch.COMPOUND_MAC: "its MAC does not prove the client's keys",
}


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection for this reason, after the data already written."""

    sentence: str


Command = bytes | Credentials | IPv4Up | IPv6Up | NetworkDown | Drop
"""Bytes are SSTP packets to send."""


class Call:
    """One call, from the HTTP response to the end of the connection.

    `random(n)` returns n random bytes. `name` is the server's name in its challenges. `certificate_hashes` are the
    hashes of the certificates that the TLS handshake may have shown the client; `hashes` are the hash protocols
    offered. Each method takes the time `now`, in seconds, and returns the commands to perform, in order; at `deadline`
    the owner calls `expired`.
    """

    __slots__ = ("_by_client", "_certificate_hashes", "_ending", "_hashes", "_hlak", "_machine", "_nonce", "ppp")

    def __init__(
        self,
        random: Callable[[int], bytes],
        name: bytes,
        certificate_hashes: Iterable[bytes],
        hashes: Sequence[HashProtocol] = tuple(HashProtocol),
        demanded: Sequence[Authentication] = (Authentication.MSCHAPV2,),
    ) -> None:
        self.ppp = PPPServer(random, name, demanded)
        self._nonce = random(NONCE_LENGTH)
        self._hashes = tuple(hashes)
        self._certificate_hashes = tuple(certificate_hashes)
        self._machine = ServerMachine(self._nonce, sum(each.value for each in self._hashes))
        self._hlak = NO_HLAK
        self._ending = ""
        self._by_client: bool | None = None

    @property
    def state(self) -> State:
        """The state of [MS-SSTP] 3.3.1."""
        return self._machine.state

    @property
    def data_passes(self) -> bool:
        """True if data frames pass, both ways (3.3.7.1, 3.3.7.2)."""
        return self._machine.data_passes

    @property
    def ends(self) -> bool:
        """True if the call is ending or has ended: no frame passes any more. Valid after the start of the call."""
        return not self._machine.runs

    @property
    def awaits_verdict(self) -> bool:
        """True if the owner still has to accept or reject the credentials."""
        return self._machine.control_passes and self.ppp.awaits_verdict

    @property
    def deadline(self) -> float | None:
        """The time to call `expired`, in seconds; None if no timer runs."""
        ppp = self.ppp.deadline if self._machine.control_passes else None
        return min((timer for timer in (self._machine.deadline, ppp) if timer is not None), default=None)

    def start(self, now: float) -> list[Command]:
        """Begin: the request is answered (3.3.7.2)."""
        return self._perform(self._machine.handle(Event.NEW_CONNECTION, now), now)

    def heard(self, now: float) -> None:
        """Restart the Hello timer after data packets from the client (3.1.2.3)."""
        self._machine.heard(now)

    def receive(self, item: ControlPacket | Frame, now: float) -> list[Command]:
        """Process a control packet, or a frame that holds no IP packet."""
        if isinstance(item, ControlPacket):
            commands = self._machine.received(item.data, now)
            self._note_message()
            return self._perform(commands, now)
        self._machine.heard(now)
        if not self._machine.control_passes:
            return []  # 3.3.7.2
        return self._linked(self.ppp.receive(item.data, now), now)

    def lost_step(self, now: float) -> list[Command]:
        """End the call without a message, because the stream cannot be delineated (3.1.5.1)."""
        self._note("the client's stream cannot be delineated into SSTP packets")
        return self._perform(self._machine.handle(Event.UNDELINEABLE, now), now)

    def lost(self, now: float) -> list[Command]:
        """End the call after the loss of the connection (3.1.7.2)."""
        self._note("the connection was lost", by_client=None)
        return self._perform(self._machine.handle(Event.LOST, now), now)

    def disconnect(self, sentence: str, now: float) -> list[Command]:
        """Disconnect the call for this reason (3.3.4)."""
        self._note(sentence)
        return self._perform(self._machine.handle(Event.DISCONNECT_TUNNEL, now), now)

    def accept(self, offer: Offer, now: float, success: bytes = b"", hlak: bytes = NO_HLAK) -> list[Command]:
        """Accept the client's credentials.

        `success` is the authenticator response of MS-CHAPv2, 42 bytes, and `hlak` the server's HLAK, 32 bytes. It
        has no effect if the call no longer waits for a verdict.
        """
        if not self.awaits_verdict:
            return []
        commands = self._linked(self.ppp.accept(offer, now, success), now)
        self._hlak = hlak
        return commands + self._perform(self._machine.handle(Event.HLAK, now), now)

    def reject(self, sentence: str, code: int, now: float) -> list[Command]:
        """Reject the credentials with this code of RFC 2759 section 6, for the reason in `sentence`.

        It has no effect if the call no longer waits for a verdict.
        """
        return self._linked(self.ppp.reject(now, code, sentence), now)

    def expired(self, now: float) -> list[Command]:
        """Handle the timers that have expired."""
        waited = self._waited_for
        expired = self._machine.expired(now)
        if self.state is State.CALL_ABORT_PENDING:
            self._note(f"the server aborted the call: it has waited too long for {waited}")
        elif self.state is State.SERVER_CALL_DISCONNECTED:
            self._note("the client does not answer", by_client=None)  # 3.1.2.3
        commands = self._perform(expired, now)
        if self._machine.control_passes:
            commands += self._linked(self.ppp.expired(now), now)
        return commands

    def _perform(self, commands: Iterable[MachineCommand], now: float) -> list[Command]:
        found: list[Command] = []
        for command in commands:
            match command:
                case Send(packet):
                    found.append(packet)
                case VerifyBinding(packet):
                    found += self._verify(packet, now)
                case Action.START_PPP:
                    found += self._linked(self.ppp.start(now), now)
                case Action.DROP:
                    found.append(Drop(self.ending))
                case _:
                    pass  # STOP_PPP and PASS_DATA have taken effect: they are properties of the machine
        return found

    def _linked(self, commands: Iterable[PPPCommand], now: float) -> list[Command]:
        """Perform the commands of the PPP link; its frames are sent only while control frames pass (3.3.7.1)."""
        found: list[Command] = []
        for command in commands:
            match command:
                case bytes():
                    # The answer to a frame longer than our MRU may not fit into a packet.
                    if self._machine.control_passes and len(command) <= MAXIMUM_FRAME:
                        found.append(data_packet(command))
                case Ended(sentence, by_client):
                    self._note(sentence, by_client=by_client)
                    found += self.disconnect(sentence, now)
                case _:
                    found.append(command)
        return found

    def _verify(self, packet: bytes, now: float) -> list[Command]:
        wrong = check_call_connected(
            packet,
            hlak=self._hlak,
            nonce=self._nonce,
            certificate_hashes=self._certificate_hashes,
            offered=self._hashes,
        )
        if not wrong:
            return self._perform(self._machine.handle(Event.VERIFIED, now), now)
        words = [words for part, words in _MISMATCHES.items() if part in wrong]
        self._note(f"the server aborted the call: the crypto binding is wrong: {' and '.join(words)}")
        return self._perform(self._machine.handle(Event.NOT_VERIFIED, now), now)

    @property
    def ended_by_client(self) -> bool | None:
        """True if the client ended the call, False if the server did, None if the connection was lost."""
        return self._by_client

    @property
    def ending(self) -> str:
        """The reason why the call is ending or has ended, and the side that ended it; empty during the call."""
        return self._ending

    def _note(self, sentence: str, by_client: bool | None = False) -> None:
        """Note the reason why the call ends and the side that ends it; only the first one counts."""
        if not self._ending:
            self._ending, self._by_client = sentence, by_client

    def _note_message(self) -> None:
        """Note the reason if the last message ends the call."""
        match self.state:
            case State.CALL_ABORT_PENDING:
                self._note(f"the server aborted the call{status_words(self._machine.sent_status)}")
            case State.CALL_ABORT_TIMEOUT_PENDING:
                self._note(f"the client aborted the call{status_words(self._machine.received_status)}", by_client=True)
            case State.CALL_DISCONNECT_TIMEOUT_PENDING:
                self._note(f"the client disconnected{status_words(self._machine.received_status)}", by_client=True)

    @property
    def _waited_for(self) -> str:
        """The message or step that the negotiation timer waits for."""
        if not self._machine.control_passes:
            return "a Call Connect Request that it can accept"
        if self.ppp.awaits_verdict:
            return "the verdict on the client's credentials"
        return "Call Connected" if self.ppp.phase is Phase.NETWORK else f"the client; PPP: {self.ppp.phase.value}"
