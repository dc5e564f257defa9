"""The status of an SSTP client as plain values for JSON; docs/control.md documents them."""

from __future__ import annotations

from ipaddress import IPv4Address

from ...core.sstp.client_call import ClientCall, LinkUp
from ...core.sstp.crypto_binding import HashProtocol
from .status import Value
from .windows_codes import vpn_code

HASHES = {HashProtocol.SHA1: "SHA-1", HashProtocol.SHA256: "SHA-256"}


def sstp_client_status(status: Value, sstp: Value | None) -> Value:
    """Return the status of an SSTP client, from that of an IP-HTTPS client; `sstp` holds the negotiated values, if any.

    The code of a failure becomes the one that the dialog of a Windows VPN connection shows.
    """
    failure = status["last_failure"]
    if failure and failure["code"]:
        failure = failure | {"code": vpn_code(failure["code"])}
    return status | {"role": "sstp-client", "last_failure": failure, "sstp": sstp}


def negotiated(user: str, call: ClientCall, link: LinkUp | None) -> Value:
    """Return the values that an SSTP client and its server have negotiated so far."""
    agreed = call.negotiated
    ipv4 = link.ipv4 if link else None
    return {
        "state": call.state.name,
        "user": user,
        "authentication": agreed.authentication,
        "binding": agreed.hash_protocol and HASHES[agreed.hash_protocol],
        "mru": agreed.mru,
        "mtu": link and link.mtu,
        "address": ipv4 and str(IPv4Address(ipv4.address)),
        "peer": ipv4.peer and str(IPv4Address(ipv4.peer)) if ipv4 else None,
        "dns": [str(IPv4Address(each)) for each in ipv4.dns] if ipv4 else [],
        "missing": dict(agreed.missing),
    }
