"""Tests for iphttps.core.sstp.client_call: servers that misbehave before and during the login.

Each case ends in one sentence, at the right stage, with the code that Windows shows.
"""

from __future__ import annotations

from iphttps.core.failure import Stage
from iphttps.core.sstp.attributes import Attribute, CryptoBindingRequest, HashProtocol, StatusInfo
from iphttps.core.sstp.client_call import Drop, LinkDown
from iphttps.core.sstp.packet import MessageType, message
from iphttps.core.sstp.ppp.chap import Failure, Result
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.core.sstp.ppp.login import Login
from iphttps.core.sstp.ppp.mschapv2 import nt_password_hash
from iphttps.core.sstp.ppp.pap import Answer
from tests.core.sstp.calls import ABORT, DISCONNECT_ACK, NAK, REQUEST, UNRECOGNIZED, aborted
from tests.core.sstp.client_talk import ClientTalk, Edit, EndCase, client_call, instead
from tests.core.sstp.ppp.support import NAK as PPP_NAK
from tests.core.sstp.ppp.support import REJECT as PPP_REJECT
from tests.core.sstp.ppp.support import REQUEST as PPP_REQUEST
from tests.core.sstp.ppp.support import configure, plain
from tests.core.sstp.scripted import PAP

M = MessageType
LCP, CHAP = ProtocolNumber.LCP, ProtocolNumber.CHAP
EAP = b"\xc2\x27"


def result(succeeded: bool, said: bytes) -> Edit:
    """Return what sends this result in the place of a Success."""
    return instead(CHAP, 3, lambda success: Result(success[1], succeeded, said).encode())


class RequestTests(EndCase):
    """The answer to Call Connect Request (3.2.5.3.2, 3.2.5.3.3)."""

    def test_silence(self) -> None:
        """Without an answer in 60 s: Call Abort with NEGOTIATION_TIMEOUT (3.2.2.1, 3.2.6.1)."""
        talk = ClientTalk(edit=lambda number, packet: ())
        talk.start().wait(59.9)
        self.assertFalse(talk.call.ends)
        talk.wait(0.2)
        self.assertEqual(aborted(0, 8).packet, talk.sent[-1])
        self.assert_ends(talk, Stage.SSTP, "0x8007274C", "Call Connect ACK", "in time")

    def test_naks(self) -> None:
        """Three NAKs get another request, the fourth a Call Abort; the reason has its status (3.2.5.3.3, note 10)."""
        talk = ClientTalk()
        talk.answers = False
        talk.start()
        for count in range(2, 5):
            talk.tell(NAK)
            self.assertEqual([M.CALL_CONNECT_REQUEST] * count, talk.messages)
        talk.tell(NAK)
        self.assertEqual(aborted(2, 6).packet, talk.sent[-1])
        self.assert_ends(talk, Stage.SSTP, "619", "the server rejected the call: a value that is not supported")

    def test_bare_nak(self) -> None:
        """A NAK without a status counts too."""
        talk = ClientTalk()
        talk.answers = False
        talk.start().tell(*[message(M.CALL_CONNECT_NAK)] * 4)
        self.assert_ends(talk, Stage.SSTP, "619", "the server rejected the call")

    def test_wrong_ack(self) -> None:
        """An ACK without exactly one valid Crypto Binding Request: Call Abort with the status (3.2.5.3.2)."""
        right = CryptoBindingRequest(3, bytes(32)).build()
        for attributes, status in {
            (): (4, 10),
            (right, right): (4, 1),
            (Attribute(4, bytes(8)).build(),): (4, 3),
            (StatusInfo(0, 0).build(),): (2, 9),
            (Attribute(9, b"x").build(),): (9, 2),
        }.items():
            edit = instead(0, M.CALL_CONNECT_ACK, message(M.CALL_CONNECT_ACK, *attributes))
            talk = self.ended(edit, Stage.SSTP, "619", "this client aborted the call: ")
            self.assertIn(aborted(*status).packet, talk.sent)
        edit = instead(0, M.CALL_CONNECT_ACK, lambda ack: ack[:7] + b"\2" + ack[8:])
        self.assertIn(aborted(0, 7).packet, self.ended(edit, Stage.SSTP, "619").sent)
        edit = instead(0, M.CALL_CONNECT_ACK, lambda ack: ack[:11] + b"\xff" + ack[12:])
        self.assertIn(aborted(4, 3).packet, self.ended(edit, Stage.SSTP, "619").sent)

    def test_no_common_hash(self) -> None:
        """A server that allows no hash protocol of ours: the binding cannot be made (3.2.5.3.2)."""
        for hashes in (0, 4, 1):
            ack = message(M.CALL_CONNECT_ACK, CryptoBindingRequest(hashes, bytes(32)).build())
            call = client_call(hashes=(HashProtocol.SHA256,))
            talk = ClientTalk(call, edit=instead(0, M.CALL_CONNECT_ACK, ack)).start()
            self.assertIn(aborted(4, 4).packet, talk.sent)
            self.assert_ends(talk, Stage.BINDING, "619", "no hash protocol")

    def test_abort_with_each_status(self) -> None:
        """A Call Abort is answered, and the reason has its status (2.2.8, 3.2.5.3.4)."""
        for status in range(13):
            packet = message(M.CALL_ABORT, StatusInfo(1, status).build())
            talk = self.ended(instead(0, M.CALL_CONNECT_ACK, packet), Stage.SSTP, "619", "the server aborted the call")
            self.assertIn(ABORT, talk.sent)
        self.assertIn("status 12", talk.reason.sentence)
        self.ended(instead(0, M.CALL_CONNECT_ACK, message(M.CALL_ABORT)), Stage.SSTP, "619", "aborted")

    def test_wrong_state(self) -> None:
        """A message in a wrong state: UNACCEPTED_FRAME_RECEIVED; an unknown one: INVALID_FRAME_RECEIVED (2.2.8)."""
        for packet in (REQUEST, DISCONNECT_ACK, message(M.ECHO_RESPONSE)):
            talk = self.ended(instead(0, M.CALL_CONNECT_ACK, packet), Stage.SSTP, "619", "does not accept")
            self.assertIn(aborted(0, 5).packet, talk.sent)
        for packet in (UNRECOGNIZED, b"\x10\x01\x00\x06\x00\x02"):
            talk = self.ended(instead(0, M.CALL_CONNECT_ACK, packet), Stage.SSTP, "619", "an invalid message")
            self.assertIn(aborted(0, 7).packet, talk.sent)

    def test_stream(self) -> None:
        """A stream that cannot be delineated: the connection is dropped, and nothing is sent (3.1.5.1)."""
        talk = ClientTalk().start()
        sent = len(talk.sent)
        talk.take(b"HTTP/1.1 500 Internal Server Error")
        self.assertEqual(sent, len(talk.sent))
        self.assertEqual([LinkDown(), Drop(talk.reason)], talk.said[-2:])
        self.assert_ends(talk, Stage.SSTP, None, "delineated")


class LCPTests(EndCase):
    """The negotiation of LCP, and of the method of the login."""

    def test_silence(self) -> None:
        """A server that does not negotiate: PPP's own timer, after 30 s (RFC 1661 4.6)."""
        talk = ClientTalk(edit=lambda number, packet: () if number == LCP else None).start().wait(31.0)
        self.assert_ends(talk, Stage.PPP, "718", "the peer does not answer")

    def test_no_login(self) -> None:
        """A server that demands no login is authenticated by TLS only, and accepted only if PAP is allowed."""
        edit = instead(LCP, PPP_REQUEST, lambda packet: configure(PPP_REQUEST, packet[1], (5, b"abcd")))
        self.ended(edit, Stage.LOGIN, "919", "demands no login", "allow-pap")
        talk = ClientTalk(client_call(allow_pap=True), edit=edit).start()
        self.assertEqual((Stage.BINDING, None), (talk.call.stage, talk.call.negotiated.authentication))
        self.assertEqual([M.CALL_CONNECT_REQUEST, M.CALL_CONNECTED], talk.messages)

    def test_other_methods(self) -> None:
        """A server that demands EAP, MD5, MS-CHAP 1, PAP or another method: the sentence names the method to allow."""
        for value, words in {
            EAP: "EAP",
            b"\xc2\x23\x05": "MD5",
            b"\xc2\x23\x80": "MS-CHAP of version 1",
            PAP.value: "allow-pap",
            b"\xc0\x99": "an unknown method",
        }.items():
            talk = ClientTalk(edit=instead(LCP, PPP_REQUEST)).start()
            talk.answers = False
            for identifier in range(40):
                talk.ppp(LCP, configure(PPP_REQUEST, identifier, (3, value)))
            naks = [each for each in talk.frames(LCP) if each[0] in (PPP_NAK, PPP_REJECT)]
            self.assertEqual(configure(PPP_NAK, 0, (3, b"\xc2\x23\x81")), naks[0])
            talk.wait(10.0)
            self.assert_ends(talk, Stage.PPP, "919", words)

    def test_other_method_and_end(self) -> None:
        """A server that ends the call where its method is rejected: the sentence still says what it must allow."""
        for kind in (M.CALL_DISCONNECT, M.CALL_ABORT):
            talk = ClientTalk(edit=instead(LCP, PPP_REQUEST)).start()
            talk.answers = False
            talk.ppp(LCP, configure(PPP_REQUEST, 1, (3, EAP))).tell(message(kind))
            self.assert_ends(talk, Stage.PPP, "919", "the server demands EAP")

    def test_terminated(self) -> None:
        """A server that terminates the link: the stage is the one of the attempt (RFC 1661 5.5)."""
        talk = ClientTalk()
        talk.judges = False
        talk.start()
        talk.answers = False
        talk.ppp(LCP, plain(5, 9)).wait(4.0)
        self.assert_ends(talk, Stage.LOGIN, "734", "the server terminated the PPP link")

    def test_again(self) -> None:
        """The server may negotiate LCP again before the login; afterwards that ends the call (RFC 1661 3.4)."""
        talk = ClientTalk()
        talk.judges = False
        talk.start()
        self.assertIs(Stage.LOGIN, talk.call.stage)
        talk.answers = False
        talk.ppp(LCP, configure(PPP_REQUEST, 50, (3, b"\xc2\x23\x81")))
        self.assertEqual((Stage.PPP, False), (talk.call.stage, talk.call.ends))
        talk = ClientTalk().start().ppp(LCP, configure(PPP_REQUEST, 50))
        self.assert_ends(talk, Stage.PPP, None, "negotiates the PPP link again")

    def test_protocol_reject(self) -> None:
        """A server that rejects the protocol of the login ends it (RFC 1661 5.7)."""
        talk = ClientTalk()
        talk.judges = False
        talk.start().ppp(LCP, plain(8, 1, b"\xc2\x23abc")).wait(7.0)
        self.assert_ends(talk, Stage.LOGIN, "919", "no authentication protocol of ours")


class LoginTests(EndCase):
    """MS-CHAPv2 and PAP."""

    def test_wrong_password(self) -> None:
        """A wrong password: error 691, and no second attempt (RFC 2759 section 6)."""
        talk = ClientTalk(client_call(Login(b"alice", nt_password_hash("wrong")))).start()
        self.assertEqual(1, len(talk.frames(CHAP)))
        self.assertIn(M.CALL_DISCONNECT, talk.messages)
        self.assert_ends(talk, Stage.LOGIN, "691", "the user name or the password is wrong", '"Access denied"')

    def test_wrong_password_by_pap(self) -> None:
        """The same by PAP (RFC 1334 section 2.2.2)."""
        talk = ClientTalk(client_call(Login(b"alice", b"", b"wrong"), allow_pap=True), demanded=(PAP,)).start()
        self.assert_ends(talk, Stage.LOGIN, "691", "the user name or the password is wrong")

    def test_failures(self) -> None:
        """Each code has its sentence, and R=1 is ignored (RFC 2759 section 6)."""
        for code, words in {
            646: "at this time",
            647: "disabled",
            648: "expired",
            649: "permission",
            691: "wrong",
            709: "not supported",
            12345: "error 12345",
        }.items():
            said = Failure(code, True, bytes(16), b"no\n").encode()
            edit = result(False, said)
            talk = self.ended(edit, Stage.LOGIN, str(code), "the server rejected the login: ", words, '"no\\x0a"')
            self.assertEqual(1, len(talk.frames(CHAP)))
        edit = result(False, b"go away")
        self.ended(edit, Stage.LOGIN, "691", "without a code", "go away")

    def test_unproven(self) -> None:
        """A Success without a valid S= ends the link: the server does not know the password (RFC 2759 section 5)."""
        for proof in (b"", b"S=", b"S=" + b"0" * 40, b"M=Welcome"):
            edit = result(True, proof)
            talk = self.ended(edit, Stage.LOGIN, "778", "knows the password")
            self.assertNotIn(M.CALL_CONNECTED, talk.messages)

    def test_unasked_results(self) -> None:
        """A result that answers no Response is discarded; the negotiation timer ends the wait (RFC 1994 section 4)."""
        talk = ClientTalk(edit=instead(CHAP, 1, plain(3, 1, b"S=" + b"0" * 40), plain(9, 1)))
        talk.start()
        self.assertEqual((False, Stage.LOGIN), (talk.call.ends, talk.call.stage))
        talk.deaf = True
        talk.wait(61.0)
        self.assert_ends(talk, Stage.LOGIN, "0x8007274C", "the Challenge of MS-CHAPv2")

    def test_challenges_without_end(self) -> None:
        """A server gets no more than ten answers before it has accepted one; the same Challenge, the same answer."""
        talk = ClientTalk()
        talk.judges = False
        talk.start()
        talk.answers = False
        first = plain(1, 1, b"\x10" + b"c" * 16)
        talk.ppp(CHAP, first).ppp(CHAP, first)
        self.assertEqual(*talk.frames(CHAP)[-2:])
        for identifier in range(2, 30):
            talk.ppp(CHAP, plain(1, identifier, b"\x10" + b"c" * 16))
        self.assertEqual(11, len(talk.frames(CHAP)))
        self.assert_ends(talk, Stage.LOGIN, "691", "too many Challenges")

    def test_silent_pap(self) -> None:
        """PAP's request is sent ten times, 3 s apart (RFC 1334 section 2.1)."""
        talk = ClientTalk(client_call(allow_pap=True), demanded=(PAP,))
        talk.judges = False
        talk.start().wait(29.0)
        self.assertEqual(10, len(talk.frames(ProtocolNumber.PAP)))
        talk.wait(2.0)
        self.assert_ends(talk, Stage.LOGIN, "718", "does not answer the login")

    def test_answers_of_pap(self) -> None:
        """Only an answer to a request of this client counts (RFC 1334 section 2.2)."""
        talk = ClientTalk(client_call(allow_pap=True), demanded=(PAP,))
        talk.judges = False
        talk.start()
        for packet in (Answer(9, False).encode(), b"", b"\2\1\0", plain(1, 1, b"\0\0"), plain(2, 0, b"\0")):
            talk.ppp(ProtocolNumber.PAP, packet)
        self.assertEqual((False, Stage.LOGIN), (talk.call.ends, talk.call.stage))
        talk.answers = False
        talk.ppp(ProtocolNumber.PAP, Answer(1, True).encode()).ppp(ProtocolNumber.PAP, Answer(1, False).encode())
        self.assertEqual((False, Stage.BINDING), (talk.call.ends, talk.call.stage))

    def test_long_password(self) -> None:
        """PAP cannot carry more than 255 bytes (RFC 1334 section 2.2.1)."""
        call = client_call(Login(b"alice", b"", b"x" * 256), allow_pap=True)
        talk = ClientTalk(call, demanded=(PAP,)).start()
        self.assert_ends(talk, Stage.LOGIN, "691", "255 bytes")

    def test_secrets(self) -> None:
        """The password and its hash are in no representation."""
        login = Login(b"alice", b"the hash", b"the password")
        self.assertEqual("Login(user=b'alice')", repr(login))
