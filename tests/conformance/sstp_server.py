"""What [MS-SSTP] says of the server, clause by clause: sections 3.1 and 3.3, and of section 2 what they rest on.

Clauses whose `code` is empty are obeyed by the shell, or by the check of the crypto binding; their notes say so.
"""

from __future__ import annotations

from tests.conformance.clause import Clause

_SERVER = "core.sstp.test_server."
_CALL, _NAK, _PAIRS = _SERVER + "EstablishmentTests.", _SERVER + "NakTests.", _SERVER + "PairTests."
_END, _TIMERS = "core.sstp.test_server_end.EndTests.", "core.sstp.test_server_end.TimerTests."
_REQUEST = "core.sstp.test_attributes.RequestTests."
_ATTRIBUTES = "core.sstp.test_attributes.BuildTests."
_OTHER = "core.sstp.test_attributes.OtherTests."
_GATE, _FEED, _ENCODE = (f"core.sstp.test_codec.{name}." for name in ("GateTests", "FeedTests", "EncodeTests"))
_PACKET = "core.sstp.test_packet.DelineationTests."
_MACHINE, _COMMON, _STATES, _READ, _CODEC, _HEADER = (
    f"core/sstp/{name}.py" for name in ("server", "machine", "states", "attributes", "codec", "packet")
)

_ROWS: tuple[tuple[str, str, str, str, tuple[str, ...], str], ...] = (
    ("2.2.1", "Version is 1.0; reserved bits are ignored; Length is that of the whole packet", "MUST", _HEADER,
     (_PACKET + "test_versions", _PACKET + "test_reserved", _PACKET + "test_lengths", _FEED + "test_reserved"), ""),
    ("2.2.3", "A data packet carries a PPP frame", "MUST", _CODEC,
     (_ENCODE + "test_plain", _ENCODE + "test_witness"), ""),
    ("2.2.6", "Crypto Binding Request has 40 bytes, and at least one hash protocol", "MUST", _READ,
     (_ATTRIBUTES + "test_crypto_binding_request", _CALL + "test_hashes"), ""),
    ("2.2.7", "Crypto Binding has 104 bytes; its padding is ignored", "MUST", _READ,
     (_ATTRIBUTES + "test_crypto_binding", _ATTRIBUTES + "test_crypto_binding_sha1", _OTHER + "test_connected"), ""),
    ("2.2.8", "A refused value is sent back, 64 bytes at most; none that is missing or not understood", "MUST", _READ,
     (_ATTRIBUTES + "test_status_info", _REQUEST + "test_length", _REQUEST + "test_unrecognized"), ""),
    ("2.2.8", "A missing Encapsulated Protocol ID: REQUIRED_ATTRIBUTE_MISSING with its AttribID", "MUST", _READ,
     (_REQUEST + "test_missing",), "3.3.5.2.2 names the ID of Status Info in this place."),
    ("2.2.8", "A message type or a format that is not recognized: INVALID_FRAME_RECEIVED", "MUST", _READ,
     (_PAIRS + "test_invalid", "core.sstp.test_attributes.ReadTests.test_types"), ""),
    ("2.2.8", "A message not acceptable in this state: UNACCEPTED_FRAME_RECEIVED", "MUST", _READ,
     (_PAIRS + "test_all", _CALL + "test_held_twice"), ""),
    ("2.2.13", "Call Abort has one Status Info", "SHOULD", _READ,
     (_PAIRS + "test_all", _OTHER + "test_peer_status"), ""),
    ("3.1.2.1", "While the first abort timer runs, all messages but Call Abort are ignored", "MUST", _COMMON,
     (_PAIRS + "test_all",), ""),
    ("3.1.2.1", "On Call Abort the first timer is cancelled, and the second started", "MUST", _COMMON,
     (_TIMERS + "test_abort_collision",), ""),
    ("3.1.2.1", "The timers are 3 seconds and 1 second", "SHOULD", _STATES, (_TIMERS + "test_deadlines",), ""),
    ("3.1.2.2", "On Call Disconnect Acknowledge the timer is cancelled, and the connection cleared at once", "MUST",
     _COMMON, (_END + "test_disconnect",), ""),
    ("3.1.2.2", "The timers are 5 seconds and 1 second", "SHOULD", _STATES, (_TIMERS + "test_deadlines",), ""),
    ("3.1.2.3", "The Hello timer starts with the call, and again with each packet received; it is 60 seconds", "SHOULD",
     _COMMON, (_TIMERS + "test_heard", _TIMERS + "test_deadlines"), ""),
    ("3.1.2.3", "When it expires, Echo Request is sent", "MUST", _COMMON, (_TIMERS + "test_hello",), ""),
    ("3.1.2.3", "Without any packet in the next interval the connection is dropped without Call Abort", "MUST",
     _COMMON, (_TIMERS + "test_hello",), ""),
    ("3.1.5.1", "If delineation fails the connection is aborted without a message", "MUST", _COMMON,
     (_END + "test_undelineable", _FEED + "test_undelineable"), ""),
    ("3.1.5.1", "An invalid message: Call Abort, the first abort timer, Call_Abort_Pending", "req.", _COMMON,
     (_PAIRS + "test_invalid", _TIMERS + "test_deadlines"), ""),
    ("3.1.6", "When a timer of abort or disconnect expires the connection is cleaned up at once", "MUST", _COMMON,
     (_TIMERS + "test_cleanup",), ""),
    ("3.1.7.1", "PPP starts when the request has come, and is told when the lower layer is down", "req.", _COMMON,
     (_CALL + "test_call", _END + "test_lost"), ""),
    ("3.1.7.2", "When the HTTPS connection is lost, all is cleaned up without a message", "MUST", _COMMON,
     (_END + "test_lost",), ""),
    ("3.3.1", "The server's hash protocols are in the ACK", "model", _MACHINE, (_CALL + "test_hashes",), ""),
    ("3.3.2.1", "60 seconds for an acceptable Call Connect Request, and 60 for Call Connected", "SHOULD", _MACHINE,
     (_TIMERS + "test_deadlines", _NAK + "test_no_more_time"), ""),
    ("3.3.4", "A request of the management layer starts disconnect processing", "MUST", _MACHINE,
     (_END + "test_disconnect",), ""),
    ("3.3.5.2.1", "Each message is validated against the syntax", "MUST", _MACHINE, (_PAIRS + "test_invalid",),
     "Call Abort and Call Disconnect end the call whatever attributes they have: known peers send wrong ones."),
    ("3.3.5.2.2", "Call Connect Request in each state", "req.", _MACHINE,
     (_PAIRS + "test_all", _NAK + "test_elsewhere"), ""),
    ("3.3.5.2.2", "An acceptable one: the negotiation timer, Call Connect ACK, Server_Call_Connected_Pending", "MUST",
     _MACHINE, (_CALL + "test_call", _TIMERS + "test_deadlines"), ""),
    ("3.3.5.2.2", "PPP control frames are taken, and PPP is asked to start", "SHOULD", _MACHINE,
     (_CALL + "test_call", _CALL + "test_gates"), ""),
    ("3.3.5.2.2", "Else Call Connect NAK with a Status Info for each attribute that is not acceptable", "MUST", _READ,
     tuple(_REQUEST + name for name in ("test_status_info", "test_length", "test_duplicate", "test_unrecognized",
                                        "test_protocol", "test_missing", "test_several", "test_longest")), ""),
    ("3.3.5.2.2", "A retry counter limits the NAKs", "SHOULD", _MACHINE, (_NAK + "test_retries",), "3, as in Windows."),
    ("3.3.5.2.2", "When it is exceeded: Call Abort with STATUS_INFO and RETRY_COUNT_EXCEEDED", "MUST", _MACHINE,
     (_NAK + "test_retries",), ""),
    ("3.3.5.2.3", "Call Connected in each state", "req.", _MACHINE, (_PAIRS + "test_all",), ""),
    ("3.3.5.2.3", "Nonce, certificate hash, hash protocol and compound MAC are verified", "MUST", _MACHINE,
     (_CALL + "test_call", _CALL + "test_held"), "The machine asks for it; crypto_binding does it."),
    ("3.3.5.2.3", "If all checks pass: Server_Call_Connected", "req.", _MACHINE, (_CALL + "test_call",), ""),
    ("3.3.5.2.3", "Until then only PPP control frames flow, all data frames are discarded", "MUST", _CODEC,
     (_GATE + "test_shut", _GATE + "test_opened_in_a_chunk", _CALL + "test_gates"), ""),
    ("3.3.5.2.3", "No binding, one of a wrong length, or a Status Info: STATUS_INFO, ATTRIB_NOT_SUPPORTED_IN_MSG",
     "MUST", _READ, (_CALL + "test_no_binding", _OTHER + "test_connected"), ""),
    ("3.3.5.2.3", "A wrong value in it: CRYPTO_BINDING, VALUE_NOT_SUPPORTED", "MUST", _MACHINE,
     (_CALL + "test_not_verified",), ""),
    ("3.3.5.2.4", "Call Abort in each state: it is answered, or only waited for", "req.", _MACHINE,
     (_PAIRS + "test_all",), ""),
    ("3.3.5.2.5", "Call Disconnect in each state: it is acknowledged, except where a call is aborted or over", "req.",
     _MACHINE, (_PAIRS + "test_all", _TIMERS + "test_disconnect_collision"), ""),
    ("3.3.5.2.6", "Call Disconnect Acknowledge in each state", "MUST", _MACHINE,
     (_PAIRS + "test_all", _END + "test_disconnect"), ""),
    ("3.3.5.2.7", "Echo Request in each state: it is answered in Server_Call_Connected", "req.", _MACHINE,
     (_PAIRS + "test_all", _TIMERS + "test_heard"), ""),
    ("3.3.5.2.8", "Echo Response in each state", "req.", _MACHINE, (_PAIRS + "test_all", _TIMERS + "test_heard"), ""),
    ("3.3.5.2.4", "The end of a connection does not affect the listener or other connections", "MUST NOT", "", (),
     "A machine knows one connection only; the shell shows it with a bystander."),
    ("3.3.6", "The negotiation timer expires: Call Abort, Call_Abort_Pending", "req.", _MACHINE,
     (_TIMERS + "test_negotiation",),
     "3.3.2.1 has the server that waits for a request fail; it says so by Call Abort."),
    ("3.3.7.1", "The HLAK is kept until Call Connected comes", "req.", _MACHINE, (_CALL + "test_call",),
     "A Call Connected that comes first is kept for the HLAK."),
    ("3.3.7.1", "If authentication fails, disconnect processing starts", "req.", _MACHINE,
     (_END + "test_disconnect",), ""),
    ("3.3.7.1", "Control frames of PPP are sent in two states, data frames in one, else dropped", "MUST", _MACHINE,
     (_CALL + "test_gates",), ""),
    ("3.3.7.2", "A new HTTPS connection: Server_Connect_Request_Pending", "req.", _MACHINE, (_CALL + "test_call",), ""),
    ("3.3.7.2", "Received control frames pass in two states, data frames in one, else dropped", "MUST", _CODEC,
     (_CALL + "test_gates", _GATE + "test_shut", _GATE + "test_shut_in_a_chunk"), ""),
    ("3.3.7.3", "Cookies that bypass authentication", "MAY", "", (), "Not supported: there is no such cookie."),
)  # fmt: skip

SSTP_SERVER = tuple(Clause(number, *row) for number, row in enumerate(_ROWS, start=1))
