"""The clauses for the client: section 3.1, and those of other sections for it or for both sides."""

from tests.conformance.clause import Clause

_CLAUSES = "lab.test_client_clauses."
_OPENING = _CLAUSES + "OpeningTests."
_TRANSFER = _CLAUSES + "TransferTests."
_END = _CLAUSES + "EndTests."
_WITNESS = "lab.test_witness.ClientWitnessTests."
_SERVER_WITNESS = "lab.test_witness.ServerWitnessTests."
_TUNNEL = "lab.test_tunnel.TunnelTests."
_CONNECTION = "lab.test_tunnel.ConnectionTests."
_RECONNECT = "lab.test_lifecycle.ReconnectTests."
_SCHEDULE = "net.iphttps.test_client_schedule.ScheduleTests."
_CLIENT = "net.iphttps.test_client."

CLIENT = (
    Clause(
        1, "1.5", "Client and server have IPv6, and HTTP or HTTPS", "req.", "net/connect/endpoints.py",
        (_CONNECTION + "test_families", _CONNECTION + "test_plain_http"),
    ),
    Clause(
        2, "1.5", "HTTPS takes a certificate on each side; both are configured with the server's URI", "req.",
        "net/tls/contexts.py, pki/certificates.py",
        (
            _TUNNEL + "test_reach",
            "lab.test_errors.StartTests.test_command_line",
            "lab.test_errors.ConnectTests.test_client_certificates",
            _OPENING + "test_configuration",
        ),
        "In mode None a client has no use for one.",
    ),
    Clause(
        3, "1.5", "The connection can be set up over IPv4 or IPv6", "req.", "net/connect/endpoints.py",
        (_CONNECTION + "test_families", _CONNECTION + "test_plain_http"),
    ),
    Clause(
        4, "1.6", "Only IPv6 is carried", "limit", "host/device/tun.py, core/ip/batch.py",
        (
            _TRANSFER + "test_packets",
            "lab.test_robustness.FramingTests.test_rubbish_in_the_clients_device",
            "lab.test_robustness.FramingTests.test_rubbish_in_the_servers_device",
        ),
    ),
    Clause(
        5, "2.1", "The sender may say that the content type is application/octet-stream", "MAY",
        "core/iphttps/client_handshake.py, core/iphttps/request.py",
        (_OPENING + "test_request_and_answer", "lab.test_http.RequestTests.test_opened"),
        "Neither our client nor our server says so, as those in 4.1 do not; both take it.",
    ),
    Clause(
        6, "2.1", "Requests and responses are those of RFC 2616", "req.",
        "core/iphttps/client_handshake.py, core/iphttps/request.py",
        (
            _OPENING + "test_request_and_answer",
            "lab.test_http.RequestTests.test_opened",
            _SERVER_WITNESS + "test_packets_behind_the_request",
            "core.iphttps.test_client_handshake",
            "core.iphttps.test_request",
        ),
    ),
    Clause(
        7, "3", "The link has multicast and Neighbor Discovery, and no link-layer addresses to be found out", "req.",
        "host/kernel/network.py, core/ip/ndp.py",
        (
            _TRANSFER + "test_packets",
            _SERVER_WITNESS + "test_server_answers_neighbor_solicitations",
            "lab.test_witness.AddressTests.test_duplicate_address_detection",
            "lab.test_kernels.DuplicateTests.test_none",
        ),
    ),
    Clause(
        8, "3.1.1", "The client must be configured with the URI", "must", "app/config/client_options.py",
        (_OPENING + "test_configuration", "app.config.test_client_options.ClientFlagTests.test_wrong"),
    ),
    Clause(
        9, "3.1.2.1", "A reconnect timer is used after an unsuccessful connection, or one that ended abnormally",
        "SHOULD", "core/client.py",
        (
            _RECONNECT + "test_comes_back",
            _SCHEDULE + "test_killed_server",
            "net.test_several_servers.SeveralServersTests.test_in_order",
        ),
        "With several servers, or several addresses of one, it starts when all of them have failed. After a session "
        "each is tried at once, the lost one last, unless several short sessions came before.",
    ),
    Clause(
        10, "3.1.2.1", "Its first timeout is 30 seconds, each further one the time since the first failure, up to 15 "
        "minutes", "algorithm", "core/reconnect.py",
        (_SCHEDULE + "test_refused_at_once", _SCHEDULE + "test_slow_failures", "core.test_reconnect"),
        "The daemon makes each up to a fifth longer at random, so that a server's clients do not all come back at "
        "once; a server's Retry-After can make it longer still, and a change of the network ends it. The multiples "
        "of T in the list of examples do not follow from the rule, which is what we obey.",
    ),
    Clause(
        11, "3.1.2.1", "A successful connection resets the timer", "algorithm",
        "core/client.py, core/reconnect.py",
        (
            _SCHEDULE + "test_server_is_back",
            _CLIENT + "FailureTests.test_success_resets_the_delay",
            _CLIENT + "FailureTests.test_a_connection_without_success_does_not",
        ),
        "Successful is one that was answered so: a server that takes connections only to drop them would otherwise be "
        "called on every 30 seconds for ever.",
    ),
    Clause(
        12, "3.1.3", "Enabled, the link is initialized behind a proxy, behind a firewall, by policy, or by the user",
        "MUST", "net/connect_condition.py, app/daemon/client_servers.py",
        (
            _OPENING + "test_behind_a_proxy",
            "lab.test_choices.WhenTests.test_blocked",
            "lab.test_choices.WhenTests.test_command",
            "net.connect.test_condition",
        ),
        "--when says which of them counts; by default it is the policy to have the link.",
    ),
    Clause(
        13, "3.1.3", "Initialization has the client read the URI", "req.", "app/config/client_options.py",
        (_OPENING + "test_configuration",),
        "It is read when the program starts: another URI takes a restart.",
    ),
    Clause(
        14, "3.1.4.1", "Enable: from Disabled to Enabled", "event",
        "core/client.py, app/control/client_actions.py",
        (_END + "test_disable", "lab.test_control.ClientControlTests.test_disable_and_enable"),
    ),
    Clause(
        15, "3.1.4.2", "Disable: the transports are torn down, nothing works any more", "event",
        "core/client.py, net/client.py",
        (_END + "test_disable", _CLIENT + "DisableTests"),
    ),
    Clause(
        16, "3.1.5.1", "The HTTPS connection is established as RFC 1945, 2616, 2818, 4346 and [SSLPROXY] say", "MUST",
        "net/client_session.py, net/connect/endpoints.py, net/tls/contexts.py, net/connect/proxy.py",
        (_OPENING + "test_request_and_answer", _OPENING + "test_certificate", _OPENING + "test_behind_a_proxy"),
        "TLS 1.2 and 1.3 only, where RFC 4346 is 1.1 (RFC 8996).",
    ),
    Clause(
        17, "3.1.5.1", "Proxy authentication is supported", "SHOULD", "net/connect/proxy.py, core/proxy/login.py",
        ("lab.test_proxies.SquidTests.test_schemes", "lab.test_proxies.SquidTests.test_wrong_password"),
    ),
    Clause(
        18, "3.1.5.2", "After connecting a POST is sent to the configured URI", "MUST",
        "core/iphttps/client_handshake.py",
        (_OPENING + "test_request_and_answer", _WITNESS + "test_request"),
    ),
    Clause(
        19, "3.1.5.2", "It uses Content-Length", "SHOULD", "core/iphttps/client_handshake.py",
        (_OPENING + "test_request_and_answer", _WITNESS + "test_request"),
        "With --request-length chunked, for fronts that reject such a length, it does not.",
    ),
    Clause(
        20, "3.1.5.2", "which is 18446744073709551615", "SHOULD", "core/iphttps/client_handshake.py",
        (_OPENING + "test_request_and_answer", _WITNESS + "test_request"),
        "With --request-length 2^63-1 it is 9223372036854775807.",
    ),
    Clause(
        21, "3.1.5.2", "The link is up after a successful response, and not before", "req.", "core/client.py",
        (
            _OPENING + "test_request_and_answer",
            "lab.test_odd_servers.AnswerTests.test_answers",
            _CLIENT + "OpeningTests.test_link_up_only_after_the_answer",
        ),
    ),
    Clause(
        22, "3.1.5.2", "The link's default MTU is 1280", "req.", "host/kernel/network.py",
        (_TRANSFER + "test_packets", _TUNNEL + "test_mtu"),
    ),
    Clause(
        23, "3.1.5.3", "Packets are sent within the request's entity body", "MUST", "net/session.py",
        (_TRANSFER + "test_packets", _WITNESS + "test_request"),
    ),
    Clause(
        24, "3.1.5.3", "and received as the response's", "MUST", "net/session.py",
        (_TRANSFER + "test_packets", _OPENING + "test_request_and_answer"),
    ),
    Clause(
        25, "3.1.5.3", "Packets are delimited by the Payload Length", "MUST", "core/ip/batch.py",
        (_TRANSFER + "test_packets", "core.ip.test_batch"),
    ),
    Clause(
        26, "3.1.5.3", "Non-IPv6 packets are discarded", "MUST", "core/ip/batch.py, net/client_session.py",
        (_TRANSFER + "test_no_packets", _WITNESS + "test_rubbish_from_the_server"),
        "Where the next packet would begin is not known after one, so the connection is given up for a new one.",
    ),
    Clause(
        27, "3.1.5.4", "After the loss of any transport the connection is attempted again", "MUST",
        "core/client.py",
        (
            _END + "test_loss",
            "lab.test_choices.KeepaliveTests.test_frozen_server",
            _RECONNECT + "test_comes_back_after_shutdown",
        ),
        "A peer that is silently gone is found out by --keepalive, or by the kernel's TCP where there is something to "
        "send.",
    ),
    Clause(
        28, "3.1.6", "When the timer expires the tunnel is re-established", "MUST",
        "core/client.py, net/client.py",
        (_RECONNECT + "test_comes_back", _SCHEDULE + "test_server_is_back"),
    ),
    Clause(
        61, "4.1", "Behind a proxy CONNECT comes first, and then the same exchange", "example", "net/connect/proxy.py",
        (_OPENING + "test_behind_a_proxy", "lab.test_proxies.OtherProxiesTests.test_tinyproxy"),
    ),
    Clause(
        62, "4.2.3", "The client validates the server's certificate", "recommended",
        "net/tls/contexts.py, pki/verification.py",
        (_OPENING + "test_certificate", "lab.test_errors.ConnectTests.test_certificates"),
    ),
    Clause(
        63, "5.1", "HTTPS is used; HTTP only where something else protects the packets", "recommended",
        "app/daemon/client_servers.py, app/daemon/server.py",
        (_CONNECTION + "test_plain_http",),
        "Plain HTTP takes a URI that begins with http://, and both daemons warn.",
    ),
)  # fmt: skip
