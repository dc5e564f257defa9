"""The clauses for the server: section 3.2, and those of other sections for it alone."""

from tests.conformance.clause import Clause

_CLAUSES = "lab.test_clauses."
_NONE = _CLAUSES + "NoneClauseTests."
_CERTIFICATES = _CLAUSES + "CertificatesClauseTests."
_WITNESS = "lab.test_witness.ServerWitnessTests."
_MODES = "core.iphttps.test_policy_modes."
_SERVER = "core.iphttps.test_server.ServerMachineTests."

SERVER = (
    Clause(
        29, "3.2.1", "The Authentication Mode can be configured", "SHOULD", "app/config/server_options.py",
        ("lab.test_tunnel.SeveralClientsTests.test_certificates", "lab.test_tunnel.SeveralClientsTests.test_none"),
    ),
    Clause(
        30, "3.2.1", "Mode Certificates: clients are authenticated", "MUST", "net/tls/contexts.py, pki/verification.py",
        ("lab.test_errors.ConnectTests.test_client_certificates", "lab.test_tunnel.TunnelTests.test_reach"),
    ),
    Clause(
        31, "3.2.1", "Mode None: clients are not authenticated", "SHOULD", "net/tls/contexts.py",
        ("lab.test_tunnel.ConnectionTests.test_mode_none",),
    ),
    Clause(
        32, "3.2.1", "The Client Table holds the HTTP connection of each client", "model", "core/iphttps/clients.py",
        ("lab.test_control.ServerControlTests.test_status", "core.iphttps.test_clients"),
    ),
    Clause(
        33, "3.2.3", "From Stopped the server goes to Listen", "MUST", "core/iphttps/server.py",
        ("lab.test_lifecycle.ReconnectTests.test_states", _SERVER + "test_initialization"),
    ),
    Clause(
        34, "3.2.3.1", "In Listen the link is up", "req.", "app/daemon/server.py",
        ("lab.test_tunnel.TunnelTests.test_mtu",),
    ),
    Clause(
        35, "3.2.3.1", "The link's MTU is 1280", "MUST", "host/kernel/network.py, core/ip/router_advertisement.py",
        (
            "lab.test_tunnel.TunnelTests.test_mtu",
            "lab.test_tunnel.TunnelTests.test_packet_too_big",
            _WITNESS + "test_solicited_advertisement",
        ),
    ),
    Clause(
        36, "3.2.3.1", "The server is a router between its clients and other networks", "SHOULD",
        "host/kernel/network.py, core/ip/router.py",
        (
            "lab.test_tunnel.TunnelTests.test_reach",
            "lab.test_tunnel.TunnelTests.test_private_host_reaches_the_client",
        ),
    ),
    Clause(
        37, "3.2.4.1", "Enable: from Disabled to Listen", "MUST", "core/iphttps/server.py",
        ("lab.test_control.ServerControlTests.test_disable_and_enable", _SERVER + "test_enable"),
    ),
    Clause(
        38, "3.2.4.2", "Disable: all clients are disconnected, nothing works any more", "MUST",
        "core/iphttps/server.py",
        ("lab.test_control.ServerControlTests.test_disable_and_enable", _SERVER + "test_disable"),
    ),
    Clause(
        39, "3.2.5.1", "A request for the configured URI has an entry added to the Client Table", "MUST",
        "net/iphttps/service.py",
        (_WITNESS + "test_answer", "net.iphttps.test_server"),
    ),
    Clause(
        40, "3.2.5.1", "If that fails the client is disconnected", "MUST", "net/iphttps/service.py",
        ("net.iphttps.test_server",),
    ),
    Clause(
        41, "3.2.5.1", "Else it is answered 200 OK, with Date and Server", "MUST", "core/iphttps/request.py",
        (_WITNESS + "test_answer", _WITNESS + "test_nmap",
        "core.iphttps.test_request.ServerHandshakeTests.test_accept"),
    ),
    Clause(
        42, "3.2.5.2.1", "Packets are sent within the response's entity body", "req.", "net/session.py",
        (_WITNESS + "test_solicited_advertisement",),
    ),
    Clause(
        43, "3.2.5.2.1", "None: Router Advertisements may be multicast to clients", "SHOULD", "core/ip/router.py",
        ("lab.test_kernels.PatienceTests.test_address_is_freed", "lab.test_kernels.HostAdvertiseTests.test_radvd"),
    ),
    Clause(
        44, "3.2.5.2.1", "None: no other multicast is sent or forwarded", "MUST NOT", "core/iphttps/policy.py",
        (_NONE + "test_multicast_to_clients", _MODES + "NoneTests.test_own_multicast"),
    ),
    Clause(
        45, "3.2.5.2.2", "Packets are delimited by the Payload Length", "MUST", "core/ip/batch.py",
        (_WITNESS + "test_any_cut", "core.ip.test_batch"),
    ),
    Clause(
        46, "3.2.5.2.2", "Non-IPv6 packets are discarded", "MUST", "core/ip/batch.py",
        ("lab.test_robustness.FramingTests.test_packets_before_the_fault", "core.ip.test_batch"),
    ),
    Clause(
        47, "3.2.5.2.2", "and the session with the offending client is terminated", "SHOULD", "net/iphttps/service.py",
        ("lab.test_robustness.FramingTests.test_server_ends_the_session",),
    ),
    Clause(
        48, "3.2.5.2.2", "None: link-local unicast is dropped unless it is for the server", "MUST",
        "core/iphttps/policy.py",
        (_NONE + "test_link_local", _MODES + "NoneTests.test_link_local_unicast"),
    ),
    Clause(
        49, "3.2.5.2.2", "None: received multicast is dropped, with two exceptions", "MUST", "core/iphttps/policy.py",
        (_NONE + "test_multicast_from_clients", _MODES + "NoneTests.test_multicast"),
    ),
    Clause(
        50, "3.2.5.2.2", "None: Router Solicitations are not dropped", "MUST NOT",
        "core/iphttps/policy.py, core/ip/router.py",
        (_NONE + "test_solicitation", _MODES + "NoneTests.test_router_solicitation"),
        "One that comes within 3 seconds of an advertisement by multicast, or half a second of one by unicast, is not "
        "answered again (RFC 4861 section 6.2.6).",
    ),
    Clause(
        51, "3.2.5.2.2", "None: a probe for an address that another client uses is not forwarded", "MUST NOT",
        "core/iphttps/policy.py",
        (_NONE + "test_probe", _MODES + "NoneTests.test_probe_of_address_in_use"),
    ),
    Clause(
        52, "3.2.5.2.2", "but answered by a multicast Neighbor Advertisement as if from the holder, Router flag clear",
        "MUST", "core/iphttps/policy.py, core/ip/ndp.py",
        (_NONE + "test_probe", "lab.test_kernels.DuplicateTests.test_none"),
    ),
    Clause(
        53, "3.2.5.2.2", "which has no Target Link-Layer option", "MUST NOT", "core/ip/ndp.py",
        (_NONE + "test_probe",),
    ),
    Clause(
        54, "3.2.5.2.2", "and goes back over the HTTP connection", "MUST", "core/iphttps/link.py",
        (_NONE + "test_probe", _NONE + "test_probe_of_a_free_address"),
    ),
    Clause(
        55, "3.2.5.2.2", "Certificates: multicast is forwarded to all other clients", "MUST", "core/iphttps/policy.py",
        (_CERTIFICATES + "test_multicast", _CERTIFICATES + "test_probe_of_a_free_address"),
        "Router Advertisements and Redirects of clients are dropped (RFC 6105) unless --strict is given; messages that "
        "break RFC 4861 are dropped; more than 100 packets in a second from one client are dropped. A probe for the "
        "server's own address is answered by the server and goes no further.",
    ),
    Clause(
        56, "3.2.5.2.2", "except that a probe or multicast advertisement whose target has an entry in the Neighbor "
        "Cache goes only to clients with such an entry", "SHOULD NOT",
        "core/iphttps/policy.py, core/iphttps/neighbors.py",
        (_CERTIFICATES + "test_probe_of_a_held_address", "lab.test_kernels.DuplicateTests.test_certificates"),
        "A client that has probed for the address counts as having an entry for it: it must hear the holder.",
    ),
    Clause(
        57, "3.2.5.3", "When a client's transport terminates its state is torn down; the server stays in Listen",
        "req.", "net/iphttps/service.py",
        (
            "lab.test_robustness.SessionTests.test_address_is_free_again",
            "lab.test_robustness.SessionTests.test_no_descriptor_is_left",
        ),
    ),
    Clause(
        58, "3.2.7.1", "A change of the Authentication Mode terminates all connections", "MUST",
        "core/iphttps/server.py",
        ("lab.test_control.ServerControlTests.test_authentication", _SERVER + "test_authentication_mode"),
    ),
    Clause(
        59, "3.2.7.2", "A client that disconnects has its entry removed", "MUST", "net/iphttps/service.py",
        (
            "lab.test_mutations.MutationTests.test_none",
            "lab.test_robustness.SessionTests.test_address_is_free_again",
        ),
    ),
    Clause(
        60, "3.2.7.3", "Shutdown disconnects all clients and enters Stopped", "MUST",
        "core/iphttps/server.py, app/daemon/server.py",
        ("lab.test_lifecycle.ServerEndTests.test_sigterm",),
    ),
    Clause(
        64, "5.1", "SEND cannot be used in mode None", "note", "", (),
        "The server advertises on behalf of clients there, and has not their keys; its messages carry no SEND options, "
        "and those of clients are passed over as RFC 4861 says of unknown options.",
    ),
)  # fmt: skip
