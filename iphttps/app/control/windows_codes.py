"""The Windows error codes for failures of an SSTP client, as the dialog of a VPN connection shows them; their names.

core, pki and net set the code of each failure. For IP-HTTPS the codes are those that `netsh interface httpstunnel show
interfaces` prints. The dialog of a VPN connection shows the codes of the network stack as HRESULTs instead.
"""

from __future__ import annotations

__all__ = ["NAMES", "name", "vpn_code"]

NAMES = {
    "619": "ERROR_PORT_DISCONNECTED",
    "629": "ERROR_REMOTE_DISCONNECTION",
    "646": "ERROR_RESTRICTED_LOGON_HOURS",
    "647": "ERROR_ACCT_DISABLED",
    "648": "ERROR_PASSWD_EXPIRED",
    "649": "ERROR_NO_DIALIN_PERMISSION",
    "691": "ERROR_AUTHENTICATION_FAILURE",
    "709": "ERROR_CHANGING_PASSWORD",
    "718": "ERROR_PPP_TIMEOUT",
    "720": "ERROR_PPP_NO_PROTOCOLS_CONFIGURED",
    "732": "ERROR_PPP_NOT_CONVERGING",
    "733": "ERROR_PPP_CP_REJECTED",
    "734": "ERROR_PPP_LCP_TERMINATED",
    "737": "ERROR_PPP_LOOPBACK_DETECTED",
    "738": "ERROR_PPP_NO_ADDRESS_ASSIGNED",
    "778": "ERROR_UNABLE_TO_AUTHENTICATE_SERVER",
    "919": "ERROR_PEER_REFUSED_AUTH",
    "0x00090320": "SEC_I_INCOMPLETE_CREDENTIALS",
    "0x80072746": "WSAECONNRESET",
    "0x8007274C": "WSAETIMEDOUT",
    "0x8007274D": "WSAECONNREFUSED",
    "0x80072AF9": "WSAHOST_NOT_FOUND",
    "0x80090326": "SEC_E_ILLEGAL_MESSAGE",
    "0x80092013": "CRYPT_E_REVOCATION_OFFLINE",
    "0x800B0101": "CERT_E_EXPIRED",
    "0x800B0109": "CERT_E_UNTRUSTEDROOT",
    "0x800B010C": "CERT_E_REVOKED",
    "0x800B010F": "CERT_E_CN_NO_MATCH",
    "0x800B0110": "CERT_E_WRONG_USAGE",
}
"""The names in raserror.h, winsock2.h and winerror.h, by the code that the dialog of a VPN connection shows."""

_WIN32 = 0x80070000
"""FACILITY_WIN32 in an HRESULT."""

_MOST = 0xFFFF


def vpn_code(code: str) -> str:
    """Return the code that the dialog of a VPN connection shows: an HRESULT, or a decimal RAS code unchanged."""
    if not code.startswith("0x"):
        return code
    value = int(code, 16)
    return f"0x{value | _WIN32:08X}" if value <= _MOST else f"0x{value:08X}"


def name(code: str) -> str | None:
    """Return the name of a code, or None if it is not in the table."""
    return NAMES.get(code)
