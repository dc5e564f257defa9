"""The enrolment file of a user of SSTP: the server, the authority and the user's name, encrypted with the password.

The password that `iphttps enrol --sstp` generates has 100 random bits, like a passphrase. So the user needs only one
secret, and the file alone grants no access.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ...core.errors import ConfigError
from ...pki.authority import issuing
from ..config.sstp_client_config import parse_server
from ..users.users_file import wrong_name
from . import bundle
from .bundle import COST, INVALID, INVALID_CONTENT, Bundle, certificates_in, text_in

__all__ = ["SSTPBundle", "seal", "unseal"]

PROTOCOL = "sstp"
"""The value of `protocol` in the content; the enrolment of an IP-HTTPS client lacks this key."""


@dataclass(frozen=True, slots=True)
class SSTPBundle:
    """An enrolment: the user, the server's URI, the trusted authority as PEM, and the password, not in its repr.

    `ca_pem` is None if the server's certificate is issued by a public authority.
    """

    user: str
    uri: str
    ca_pem: bytes | None
    password: str = field(repr=False)


def seal(enrolment: SSTPBundle, cost: int = COST) -> bytes:
    """Return the content of the enrolment file, encrypted."""
    content = {
        "protocol": PROTOCOL,
        "user": enrolment.user,
        "uri": enrolment.uri,
        "ca": enrolment.ca_pem.decode("ascii") if enrolment.ca_pem else None,
    }
    return bundle.encrypted(content, enrolment.password, cost)


def unseal(data: bytes, passphrase: str) -> Bundle | SSTPBundle:
    """Decrypt the result of `read_bundle`, an enrolment of either protocol.

    Raises:
        ConfigError: The passphrase is wrong or the content is invalid.
    """
    plain = bundle.decrypted(data, passphrase)
    return _parse(plain, passphrase) if _is_sstp(plain) else bundle.parse(plain)


def _is_sstp(plain: bytes) -> bool:
    try:
        content = json.loads(plain)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("protocol") == PROTOCOL


def _parse(plain: bytes, password: str) -> SSTPBundle:
    try:
        content = json.loads(plain)
        user, uri = text_in(content, "user"), parse_server(text_in(content, "uri"))
        ca = None if content["ca"] is None else certificates_in(text_in(content, "ca"))
        if wrong_name(user) or not uri.secure:
            raise ValueError
    except INVALID as error:
        raise ConfigError(INVALID_CONTENT) from error
    return SSTPBundle(user, str(uri), b"".join(map(issuing.pem, ca)) if ca else None, password)
