"""The clauses of [MS-SSTP] for the client: section 3.2, those of 3.1 that concern the client, and 4.5.

The clauses of 3.1 and section 2 for both sides, which the codec and the attributes obey, are in the server's table.
"""

from __future__ import annotations

from tests.conformance.clause import Clause

_MACHINE_TESTS = "core.sstp.test_client."
_UP, _NAK, _PAIRS, _END = (
    f"{_MACHINE_TESTS}{name}." for name in ("EstablishmentTests", "NakTests", "PairTests", "EndTests")
)
_CALL = "core.sstp.test_client_call."
_CALL_UP, _AGAIN, _HEART = (f"{_CALL}{name}." for name in ("UpTests", "AgainTests", "HeartbeatTests"))
_REQUESTED, _LOGIN = (f"core.sstp.test_client_call_end.{name}." for name in ("RequestTests", "LoginTests"))
_BINDING, _LINK = (f"core.sstp.test_client_call_late.{name}." for name in ("BindingTests", "LinkTests"))
_ASKS, _ANSWER = (f"core.sstp.test_client_request.{name}." for name in ("RequestTests", "AnswerTests"))
_ANYTHING = "core.sstp.test_client_call_anything.AnythingTests.test_anything"
_DAEMON = "app.daemon.test_sstp_client.LifeTests."
_CRYPTO = "core.sstp.test_crypto_binding."
_MACHINE, _COMMON, _STATES, _READ, _CALLS, _ASKED, _BINDS = (
    f"core/sstp/{name}.py"
    for name in ("client", "machine", "states", "attributes", "client_call", "client_request", "crypto_binding")
)

_ROWS: tuple[tuple[str, str, str, str, tuple[str, ...], str], ...] = (
    ("3.1.2.1", "The abort timers are 3 seconds and 1 second, the second one after a Call Abort", "SHOULD", _STATES,
     (_END + "test_deadlines", _END + "test_cleanup"), ""),
    ("3.1.2.2", "The disconnect timers are 5 seconds and 1 second; an acknowledgement clears the connection at once",
     "MUST", _STATES, (_END + "test_deadlines", _END + "test_disconnect"), ""),
    ("3.1.2.3", "The Hello timer: Echo Request after 60 seconds, and after 60 more the connection is dropped", "MUST",
     _MACHINE, (_END + "test_hello", _HEART + "test_hello", _HEART + "test_unanswered"), ""),
    ("3.1.5.1", "If delineation fails the connection is aborted without a message", "MUST", _MACHINE,
     (_END + "test_undelineable", _REQUESTED + "test_stream"), ""),
    ("3.1.5.1", "An invalid message: Call Abort, the first abort timer, Call_Abort_Pending", "req.", _MACHINE,
     (_PAIRS + "test_invalid",), ""),
    ("3.1.7.1", "PPP starts with Call Connect ACK, and is told when the lower layer is down", "req.", _COMMON,
     (_UP + "test_call", _END + "test_lost"), ""),
    ("3.1.7.2", "When the HTTPS connection is lost, all is cleaned up without a message", "MUST", _MACHINE,
     (_END + "test_lost", _LINK + "test_lost"), ""),
    ("3.2.1", "The client's hash protocols are a bitmask of its administrator; the one chosen is remembered", "model",
     _MACHINE, (_UP + "test_hashes", _CALL_UP + "test_hash_protocols"), ""),
    ("3.2.1", "ClientBypassHLAuth, and a cookie in its place", "model", "", (),
     "Not supported: no server hands out such a cookie."),
    ("3.2.2.1", "60 seconds for an answer to Call Connect Request, and 60 from the ACK to the end of the login",
     "SHOULD", _MACHINE, (_END + "test_deadlines", _END + "test_negotiation"), ""),
    ("3.2.4.1", "The method is SSTP_DUPLEX_POST, the path /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/", "MUST",
     _ASKED, (_ASKS + "test_request", _ASKS + "test_server_takes_it"), ""),
    ("3.2.4.1", "Content-Length is 18446744073709551615", "MUST", _ASKED, (_ASKS + "test_request",), ""),
    ("3.2.4.1", "A query variable tenantid is for a front", "MAY", _ASKED, (_ASKS + "test_target",), ""),
    ("3.2.4.1", "SSTPCORRELATIONID is a GUID, new for each attempt", "SHOULD", _ASKED,
     (_ASKS + "test_request", _ASKS + "test_correlation"), ""),
    ("3.2.4.1", "If the session is not established the higher layer is told, and no state machine starts", "MUST",
     _ASKED, (_ANSWER + "test_statuses", _ANSWER + "test_no_call", _ANSWER + "test_no_http"), ""),
    ("3.2.4.1", "Name and extended key usage of the server's certificate are verified", "MUST", "", (),
     "pki/verification.py does it, for IP-HTTPS too."),
    ("3.2.4.1", "Then Call Connect Request for PPP is sent: Client_Connect_Request_Sent", "MUST", _MACHINE,
     (_UP + "test_call", _CALL_UP + "test_up"), ""),
    ("3.2.4.2", "The management layer disconnects: Call Disconnect, in any state of a call", "MUST", _MACHINE,
     (_END + "test_disconnect", _LINK + "test_disconnected", _LINK + "test_disconnected_early"), ""),
    ("3.2.5.2", "Crypto binding is supported", "MUST", _CALLS,
     (_CALL_UP + "test_up", _BINDING + "test_another_certificate"), ""),
    ("3.2.5.2", "Either hash protocol: the compound MAC is HMAC-SHA1-160 or HMAC-SHA256-256", "MUST", _BINDS,
     (_CALL_UP + "test_hash_protocols", _CRYPTO + "VectorTests"), ""),
    ("3.2.5.2.1", "The MAC covers the whole Call Connected, with the MAC and its padding zero", "MUST", _BINDS,
     (_CRYPTO + "VectorTests",), ""),
    ("3.2.5.2.2", "The HLAK is made of the keys of MS-CHAPv2, or is zero where the method has none", "MUST", _BINDS,
     (_CALL_UP + "test_up", _CALL_UP + "test_pap", _CRYPTO + "VectorTests"), ""),
    ("3.2.5.2.3", "The same for SHA-256", "MUST", _BINDS, (_CRYPTO + "VectorTests",), ""),
    ("3.2.5.2.4", "The same for SHA-256", "MUST", _BINDS, (_CRYPTO + "VectorTests",), ""),
    ("3.2.5.3.1", "Each message is validated against the syntax", "MUST", _MACHINE,
     (_PAIRS + "test_invalid", _REQUESTED + "test_wrong_state", _ANYTHING), ""),
    ("3.2.5.3.2", "Call Connect ACK: the request for the binding is there, and allows a hash protocol of ours",
     "MUST", _READ, (_UP + "test_hashes", _REQUESTED + "test_wrong_ack", _REQUESTED + "test_no_common_hash"), ""),
    ("3.2.5.3.2", "The stronger hash protocol is chosen", "req.", _BINDS, (_CALL_UP + "test_hash_protocols",), ""),
    ("3.2.5.3.2", "Else Call Abort", "MUST", _MACHINE, (_PAIRS + "test_wrong_ack",), ""),
    ("3.2.5.3.2", "A valid one: PPP starts, the nonce is kept, Client_Connect_Ack_Received", "MUST", _MACHINE,
     (_UP + "test_call", _UP + "test_second_ack"), ""),
    ("3.2.5.3.3", "Call Connect NAK: the request is sent again, and the negotiation timer starts again", "MUST",
     _MACHINE, (_NAK + "test_retries", _NAK + "test_timer", _NAK + "test_at_last"), ""),
    ("3.2.5.3.3", "An implementation-dependent number of times, then Call Abort", "MUST", _MACHINE,
     (_NAK + "test_retries", _REQUESTED + "test_naks"), "3, as in Windows."),
    ("3.2.5.3.4", "Call Abort in each state: it is answered, or only waited for", "req.", _MACHINE,
     (_PAIRS + "test_all", _LINK + "test_aborted_by_server"), ""),
    ("3.2.5.3.5", "Call Disconnect in each state: it is acknowledged, except where a call is aborted or over", "req.",
     _MACHINE, (_PAIRS + "test_all", _LINK + "test_disconnected_by_server"), ""),
    ("3.2.5.3.6", "Call Disconnect Acknowledge in each state", "MUST", _MACHINE,
     (_PAIRS + "test_all", _END + "test_disconnect"), ""),
    ("3.2.5.3.7", "Echo Request in each state: it is answered in Client_Call_Connected, else the call is aborted",
     "req.", _MACHINE, (_PAIRS + "test_all", _HEART + "test_echo"),
     "It is answered before, too, for servers that send it every few seconds from the beginning."),
    ("3.2.5.3.8", "Echo Response in each state", "req.", _MACHINE, (_PAIRS + "test_all", _END + "test_hello"), ""),
    ("3.2.6", "The negotiation timer expires: Call Abort, Call_Abort_Pending", "req.", _MACHINE,
     (_END + "test_negotiation", _REQUESTED + "test_silence"), ""),
    ("3.2.7.1", "The login is completed: Call Connected with nonce and binding, Client_Call_Connected", "MUST",
     _CALLS, (_UP + "test_call", _CALL_UP + "test_up"), ""),
    ("3.2.7.1", "If it fails, disconnect processing starts", "req.", _CALLS,
     (_LOGIN + "test_wrong_password", _LOGIN + "test_failures", _LOGIN + "test_unproven"), ""),
    ("3.2.7.1", "Control frames of PPP are sent in two states, data frames in one, else dropped", "MUST", _CALLS,
     (_UP + "test_gates", _CALL_UP + "test_no_data_before_the_binding", _LINK + "test_nothing_passes"), ""),
    ("3.2.7.2", "The hash of the server's certificate is that of the HTTPS connection", "req.", _CALLS,
     (_BINDING + "test_another_certificate", _CALL_UP + "test_without_tls"), ""),
    ("3.2.7.2", "Received control frames pass in two states, data frames in one, else dropped", "MUST", _CALLS,
     (_UP + "test_gates", _LINK + "test_nothing_passes", _ANYTHING), ""),
    ("4.5", "CONNECT has SSTPVERSION: 1.0, by which the administrator of a proxy can filter SSTP", "example",
     "app/daemon/sstp_client.py", ("lab.test_sstp_proxies.HeadTests.test_head", _DAEMON + "test_proxy"), ""),
)  # fmt: skip

SSTP_CLIENT = tuple(Clause(number, *row) for number, row in enumerate(_ROWS, start=1))
