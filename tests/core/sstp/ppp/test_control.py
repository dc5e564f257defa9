"""Tests for iphttps.core.sstp.ppp.control, on IPCP, which adds the least to it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.automaton import RESTART, State
from iphttps.core.sstp.ppp.commands import Command, Finished, Layer, Reason
from iphttps.core.sstp.ppp.control import MAX_FAILURE, MAX_REFUSALS, MAX_REQUESTS, MINIMUM_MRU, ControlProtocol
from iphttps.core.sstp.ppp.ipcp import ServerIPCP
from tests.core.sstp.ppp.support import (
    ACK,
    CODE_REJECT,
    NAK,
    REJECT,
    REQUEST,
    TERMINATE_ACK,
    TERMINATE_REQUEST,
    answer,
    configure,
    dissected,
    opened,
    plain,
    started,
)

OWN, ASSIGNED = b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02"
ADDRESS = (3, ASSIGNED)
ANY = (3, bytes(4))
VJ = (2, b"\x00\x2d\x0f\x01")


def server() -> ServerIPCP:
    """Return the protocol under test."""
    return ServerIPCP(OWN, ASSIGNED)


class WithoutOptionsTests(SynchronousTestCase):
    """A control protocol by itself."""

    def test_open(self) -> None:
        """It asks for nothing, rejects everything, and is open when both sides ask for nothing."""
        protocol = ControlProtocol()
        request = started(protocol)
        self.assertEqual(configure(REQUEST, 1), request)
        self.assertEqual([], protocol.receive(answer(request), 0.0))
        self.assertEqual([configure(REJECT, 1, VJ, ANY)], protocol.receive(configure(REQUEST, 1, VJ, ANY), 0.0))
        self.assertEqual([configure(ACK, 2), Layer.UP], protocol.receive(configure(REQUEST, 2), 0.0))


class ControlTests(SynchronousTestCase):
    """Packets, identifiers and limits."""

    def code(self, commands: list[Command]) -> int:
        """Return the code of the one packet that is sent."""
        (command,) = commands
        code = dissected(command).code
        assert isinstance(code, int)
        return code

    def test_open(self) -> None:
        """Requests and Acks both ways bring the layer up, whichever comes first (RFC 1661 4.1)."""
        protocol = server()
        request = started(protocol)
        self.assertEqual(configure(REQUEST, 1, (3, OWN)), request)
        self.assertEqual([], protocol.receive(answer(request), 0.0))
        self.assertEqual([configure(ACK, 9, ADDRESS), Layer.UP], protocol.receive(configure(REQUEST, 9, ADDRESS), 0.0))
        protocol = server()
        request = started(protocol)
        self.assertEqual([configure(ACK, 9, ADDRESS)], protocol.receive(configure(REQUEST, 9, ADDRESS), 0.0))
        self.assertEqual([Layer.UP], protocol.receive(answer(request), 0.0))
        self.assertIsNone(protocol.deadline)

    def test_lower_layer(self) -> None:
        """Opened before the link is up it starts; until then what comes is discarded (4.2)."""
        protocol = server()
        self.assertEqual([Layer.STARTED], protocol.open(0.0))
        for packet in (configure(REQUEST, 1, ADDRESS), plain(TERMINATE_REQUEST, 1), plain(99, 1)):
            self.assertEqual([], protocol.receive(packet, 0.0))
        self.assertEqual([], protocol.rejected(0.0))
        self.assertEqual([configure(REQUEST, 1, (3, OWN))], protocol.up(0.0))
        self.assertEqual([], protocol.down(0.0))
        self.assertEqual([Finished(Reason.CLOSED)], protocol.close(0.0))

    def test_malformed(self) -> None:
        """A packet with a wrong Length, or with malformed options, is silently discarded (5)."""
        protocol = server()
        request = started(protocol)
        good = configure(REQUEST, 1, ADDRESS)
        for wrong in (
            *(good[:length] for length in range(len(good))),
            good[:3] + b"\x03" + good[4:],
            good[:2] + b"\xff\xff" + good[4:],
            plain(REQUEST, 1, b"\x03\x00\x0a\x00\x00\x02"),
            plain(REQUEST, 1, b"\x03\xff\x0a\x00\x00\x02"),
            answer(request, NAK, b"\x03\x01"),
            answer(request, REJECT, b"\x03"),
        ):
            self.assertEqual([], protocol.receive(wrong, 0.0), wrong)
        self.assertEqual((State.REQ_SENT, None), (protocol.state, protocol.reason))

    def test_padding(self) -> None:
        """Octets after the Length are padding, and ignored (5)."""
        protocol = server()
        started(protocol)
        self.assertEqual(
            [configure(ACK, 1, ADDRESS)], protocol.receive(configure(REQUEST, 1, ADDRESS) + b"padding", 0.0)
        )

    def test_identifier(self) -> None:
        """An answer with another Identifier than that of the last request is discarded (5.2, 5.3, 5.4)."""
        protocol = server()
        request = started(protocol)
        for code in (ACK, NAK, REJECT):
            for identifier in (0, 2, 255):
                self.assertEqual([], protocol.receive(bytes((code, identifier)) + request[2:], 0.0))
        self.assertIs(State.REQ_SENT, protocol.state)

    def test_retransmission(self) -> None:
        """A request sent again keeps its Identifier; after an answer the next one has another (5.1)."""
        protocol = server()
        request = started(protocol)
        self.assertEqual([], protocol.expired(RESTART - 0.1))
        self.assertEqual([request], protocol.expired(RESTART))
        (changed,) = protocol.receive(answer(request, NAK), RESTART)
        self.assertEqual(configure(REQUEST, 2, (3, OWN)), changed)
        self.assertEqual([], protocol.receive(answer(changed), RESTART))
        self.assertEqual([configure(REQUEST, 3, (3, OWN))], protocol.expired(2 * RESTART))
        self.assertEqual([], server().expired(100.0))

    def test_identifier_wraps(self) -> None:
        """The Identifier is one octet."""
        protocol = server()
        started(protocol)
        codes = [dissected(protocol.receive(plain(99, 0), 0.0)[0]).id for _ in range(256)]
        self.assertEqual([*range(2, 256), 0, 1], codes)

    def test_answer_twice(self) -> None:
        """A second answer to the same request is discarded, in state Opened too."""
        protocol = server()
        request = started(protocol)
        protocol.receive(answer(request), 0.0)
        for _ in range(2):
            self.assertEqual([], protocol.receive(answer(request), 0.0))
            self.assertEqual([], protocol.receive(answer(request, NAK), 0.0))
            self.assertIs(State.ACK_RCVD, protocol.state)
        protocol.receive(configure(REQUEST, 1, ADDRESS), 0.0)
        self.assertEqual([], protocol.receive(answer(request), 0.0))
        self.assertIs(State.OPENED, protocol.state)

    def test_ack_differs(self) -> None:
        """An Ack whose options are not just those of the request is discarded (5.2)."""
        protocol = server()
        request = started(protocol)
        for data in (b"", request[4:] * 2, configure(ACK, 1, ADDRESS)[4:]):
            self.assertEqual([], protocol.receive(answer(request, ACK, data), 0.0))
        self.assertIs(State.REQ_SENT, protocol.state)

    def test_reject_differs(self) -> None:
        """A Reject of what was not asked for is discarded, as is a Nak or Reject of nothing (5.4)."""
        protocol = server()
        request = started(protocol)
        for code, data in ((REJECT, VJ), (REJECT, ADDRESS)):
            self.assertEqual([], protocol.receive(configure(code, 1, data), 0.0))
        for code in (NAK, REJECT):
            self.assertEqual([], protocol.receive(answer(request, code, b""), 0.0))
        self.assertIs(State.REQ_SENT, protocol.state)

    def test_all_rejected(self) -> None:
        """A peer that rejects all options is asked for nothing, and its Ack of that counts."""
        protocol = server()
        request = started(protocol)
        (empty,) = protocol.receive(answer(request, REJECT), 0.0)
        self.assertEqual(configure(REQUEST, 2), empty)
        protocol.receive(configure(REQUEST, 1, ADDRESS), 0.0)
        self.assertEqual([Layer.UP], protocol.receive(answer(empty), 0.0))

    def test_nak_of_others(self) -> None:
        """A Nak may name options that were not asked for; they are not asked for then either (5.3)."""
        protocol = server()
        started(protocol)
        self.assertEqual([configure(REQUEST, 2, (3, OWN))], protocol.receive(configure(NAK, 1, (129, OWN), VJ), 0.0))

    def test_reject_before_nak(self) -> None:
        """Options to be rejected are rejected first, alone, in order and unchanged (5.4)."""
        protocol = server()
        started(protocol)
        asked = configure(REQUEST, 1, VJ, ANY, (130, bytes(4)))
        self.assertEqual([configure(REJECT, 1, VJ, (130, bytes(4)))], protocol.receive(asked, 0.0))

    def test_option_twice(self) -> None:
        """An option that is listed twice is rejected the second time (6)."""
        protocol = server()
        started(protocol)
        self.assertEqual(
            [configure(REJECT, 1, ADDRESS)], protocol.receive(configure(REQUEST, 1, ADDRESS, ADDRESS), 0.0)
        )

    def test_max_failure(self) -> None:
        """After five Naks without an Ack the option is rejected; after five more rejections the end is near (4.6)."""
        protocol = server()
        started(protocol)
        naks = [protocol.receive(configure(REQUEST, n, ANY), 0.0) for n in range(MAX_FAILURE)]
        self.assertEqual([[configure(NAK, n, ADDRESS)] for n in range(MAX_FAILURE)], naks)
        rejects = [protocol.receive(configure(REQUEST, n, VJ, ANY), 0.0) for n in range(MAX_REFUSALS - MAX_FAILURE)]
        self.assertEqual([[configure(REJECT, n, VJ, ANY)] for n in range(len(rejects))], rejects)
        self.assertEqual(TERMINATE_REQUEST, self.code(protocol.receive(configure(REQUEST, 77, ANY), 0.0)))
        self.assertIs(Reason.NOT_CONVERGING, protocol.reason)
        self.assertEqual([], protocol.receive(configure(REQUEST, 78, ANY), 0.0))
        self.assertEqual([Finished(Reason.NOT_CONVERGING)], protocol.receive(plain(TERMINATE_ACK, 2), 0.0))

    def test_max_failure_appended(self) -> None:
        """A peer that does not ask for its address is told to by a Nak, but not for ever (4.6, 5.3)."""
        protocol = server()
        started(protocol)
        for identifier in range(MAX_FAILURE):
            self.assertEqual([configure(NAK, identifier, ADDRESS)], protocol.receive(configure(REQUEST, identifier), 0))
        self.assertEqual([configure(ACK, 9)], protocol.receive(configure(REQUEST, 9), 0.0))
        self.assertEqual([configure(NAK, 10, ADDRESS)], protocol.receive(configure(REQUEST, 10, ANY), 0.0))

    def test_naks_without_end(self) -> None:
        """A peer that answers every request by a Nak ends the negotiation."""
        protocol = server()
        request = started(protocol)
        for _ in range(MAX_REQUESTS - 1):
            (request,) = [each for each in protocol.receive(answer(request, NAK), 0.0) if isinstance(each, bytes)]
            self.assertEqual(REQUEST, request[0])
        self.assertEqual(TERMINATE_REQUEST, self.code(protocol.receive(answer(request, NAK), 0.0)))
        self.assertIs(Reason.NOT_CONVERGING, protocol.reason)

    def test_negotiations_without_end(self) -> None:
        """A peer that keeps renegotiating in state Opened ends the negotiation too."""
        protocol = opened(server(), ADDRESS)
        asked = configure(REQUEST, 5, ADDRESS)
        for _ in range(MAX_REQUESTS - 1):
            down, request, ack = protocol.receive(asked, 0.0)
            assert isinstance(request, bytes)
            self.assertEqual([Layer.DOWN, answer(asked)], [down, ack])
            self.assertEqual([Layer.UP], protocol.receive(answer(request), 0.0))
        down, request = protocol.receive(asked, 0.0)
        self.assertEqual((Layer.DOWN, TERMINATE_REQUEST), (down, self.code([request])))

    def test_silence(self) -> None:
        """A peer that never answers is given up after ten requests."""
        protocol = server()
        sent = [started(protocol)]
        while protocol.deadline is not None and len(sent) < 100:
            commands = protocol.expired(protocol.deadline)
            sent += [each for each in commands if isinstance(each, bytes)]
        self.assertEqual([sent[0]] * 10, sent)
        self.assertEqual([Finished(Reason.NO_ANSWER)], commands)

    def test_half_silence(self) -> None:
        """A peer that acknowledges our requests and never sends its own is given up too."""
        protocol = server()
        request = started(protocol)
        while protocol.deadline is not None and protocol.state is not State.CLOSING and request[1] < 100:
            protocol.receive(answer(request), protocol.deadline)
            (request,) = [each for each in protocol.expired(protocol.deadline) if isinstance(each, bytes)]
        self.assertIs(Reason.NOT_CONVERGING, protocol.reason)

    def test_close(self) -> None:
        """Closing sends Terminate-Requests until one is acknowledged (5.5)."""
        protocol = opened(server(), ADDRESS)
        down, request = protocol.close(10.0)
        self.assertEqual((Layer.DOWN, plain(TERMINATE_REQUEST, 2)), (down, request))
        self.assertEqual([plain(TERMINATE_REQUEST, 3)], protocol.expired(13.0))
        self.assertEqual([], protocol.receive(configure(REQUEST, 1, ADDRESS), 13.0))
        self.assertEqual([Finished(Reason.CLOSED)], protocol.receive(plain(TERMINATE_ACK, 3), 13.0))
        self.assertEqual([plain(TERMINATE_ACK, 7)], protocol.receive(configure(REQUEST, 7, ADDRESS), 13.0))
        self.assertEqual([plain(TERMINATE_ACK, 8)], protocol.receive(configure(ACK, 8, ADDRESS), 13.0))

    def test_closed_while_answered(self) -> None:
        """An answer to a request that comes while the layer closes changes nothing."""
        protocol = server()
        request = started(protocol)
        protocol.close(0.0)
        self.assertEqual([], protocol.receive(answer(request), 0.0))
        self.assertIs(State.CLOSING, protocol.state)

    def test_peer_terminates(self) -> None:
        """A Terminate-Request is acknowledged, and the layer is down at once, finished a little later (5.5)."""
        protocol = opened(server(), ADDRESS)
        self.assertEqual(
            [Layer.DOWN, plain(TERMINATE_ACK, 200)], protocol.receive(plain(TERMINATE_REQUEST, 200, b"bye"), 10.0)
        )
        self.assertIs(Reason.PEER_TERMINATED, protocol.reason)
        self.assertEqual([Finished(Reason.PEER_TERMINATED)], protocol.expired(13.0))
        self.assertIs(State.STOPPED, protocol.state)

    def test_terminated_and_again(self) -> None:
        """A peer that terminates amid the negotiation, or after it, may begin another one."""
        protocol = server()
        request = started(protocol)
        self.assertEqual([plain(TERMINATE_ACK, 4)], protocol.receive(plain(TERMINATE_REQUEST, 4), 0.0))
        protocol.receive(configure(REQUEST, 5, ADDRESS), 0.0)
        self.assertEqual([Layer.UP], protocol.receive(answer(request), 0.0))
        self.assertIsNone(protocol.reason)
        protocol.receive(plain(TERMINATE_REQUEST, 5), 0.0)
        protocol.expired(3.0)
        self.assertEqual(
            [configure(REQUEST, 2, (3, OWN)), configure(ACK, 6, ADDRESS)],
            protocol.receive(configure(REQUEST, 6, ADDRESS), 4.0),
        )

    def test_reopened(self) -> None:
        """A closed protocol can be opened again, and forgets why it was closed."""
        protocol = opened(server(), ADDRESS)
        protocol.close(0.0)
        protocol.receive(plain(TERMINATE_ACK, 2), 0.0)
        self.assertEqual([configure(REQUEST, 3, (3, OWN))], protocol.open(1.0))
        self.assertIsNone(protocol.reason)

    def test_unexpected_terminate_ack(self) -> None:
        """A Terminate-Ack that was not asked for says that the peer has to negotiate again (5.5)."""
        protocol = opened(server(), ADDRESS)
        self.assertEqual([Layer.DOWN, configure(REQUEST, 2, (3, OWN))], protocol.receive(plain(TERMINATE_ACK, 9), 0.0))

    def test_unknown_code(self) -> None:
        """An unknown code is rejected, with the packet, cut so that any peer can receive it (5.6)."""
        waiting = server()
        started(waiting)
        for protocol in (waiting, opened(server(), ADDRESS)):
            for code in (0, 8, 9, 12, 255):
                (reject,) = protocol.receive(plain(code, 7, b"data") + b"padding", 0.0)
                packet = dissected(reject)
                self.assertEqual((CODE_REJECT, plain(code, 7, b"data")), (packet.code, bytes(packet)[4:]))
            (reject,) = protocol.receive(plain(200, 7, bytes(4000)), 0.0)
            self.assertEqual(MINIMUM_MRU, len(dissected(reject)))

    def test_code_reject(self) -> None:
        """A Code-Reject of a code that every protocol has is fatal; any other is permitted (4.3, 5.6)."""
        protocol = opened(server(), ADDRESS)
        for data in (b"", plain(0, 1), plain(8, 1), plain(12, 1)):
            self.assertEqual([], protocol.receive(plain(CODE_REJECT, 1, data), 0.0))
        for code in range(1, 8):
            protocol = opened(server(), ADDRESS)
            down, request = protocol.receive(plain(CODE_REJECT, 1, plain(code, 1)), 0.0)
            self.assertEqual((Layer.DOWN, TERMINATE_REQUEST), (down, self.code([request])))
            self.assertIs(Reason.REJECTED, protocol.reason)

    def test_protocol_rejected(self) -> None:
        """A peer that rejects the protocol finishes it (5.7)."""
        protocol = server()
        started(protocol)
        self.assertEqual([Finished(Reason.REJECTED)], protocol.rejected(0.0))
        self.assertIs(State.STOPPED, protocol.state)
