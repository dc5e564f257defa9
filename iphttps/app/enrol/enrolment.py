"""Issues the certificate of a client, and collects the data with which it joins a server on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from ...core.errors import ConfigError
from ...core.iphttps.request import DEFAULT_PATH
from ...net.connect.endpoints import ANY
from ...pki.authority.issuing import DAYS, KeyKind
from ...pki.authority.names import checked_person
from ...pki.authority.store import CERTIFICATE, Authority
from ...pki.certificates import alternative_names, load_certificates
from ..config.server_config import ServerConfig
from ..config.server_options import Options
from ..instances.paths import Places
from .bundle import Bundle, client_uri


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The URI and trusted authority of a server on this machine, and the authority for its clients."""

    authority: Authority
    uri: str
    ca_pem: bytes | None

    @classmethod
    def at(cls, places: Places, instance: str | None, uri: str | None = None) -> Enrolment:
        """Return the enrolment for a server instance, by default the only one; raises ConfigError.

        `uri` is the server's URI for clients, if its configuration and certificate do not show it.
        """
        options = Options()
        options.root = places.root
        options.parse(["--config", str(places.server_config(instance or only_instance(places)))])
        authority = Authority.open(places.authority)
        authority.repair_list()
        config = options.config
        certificate = _certificate(places, config)
        if uri is None:
            if certificate is None:
                raise ConfigError("a proxy terminates TLS for this server: give --uri, the proxy's URI for clients")
            uri = f"https://{_host(config, certificate)}{_port(config)}{config.uri.path or DEFAULT_PATH}"
        return cls(authority, client_uri(uri), _trusted(places, authority, certificate))

    def issue(self, name: str, *, key: KeyKind = KeyKind.RSA, days: int = DAYS) -> Bundle:
        """Issue a certificate for a client and return its enrolment; raises ConfigError."""
        issued = self.authority.issue_client(name, key=key, days=days)
        return Bundle(checked_person(name), self.uri, issued.certificate_pem, issued.key_pem, self.ca_pem)

    def valid(self, name: str) -> list[str]:
        """Return the serial numbers of the client's certificates that are valid."""
        now = self.authority.now()
        return [
            record.shown_serial
            for record in self.authority.certificates()
            if record.name == checked_person(name) and record.state(now) == "valid"
        ]


def _trusted(places: Places, authority: Authority, certificate: x509.Certificate | None) -> bytes | None:
    """Return the certificate of the local authority that issued the server's certificate, or None."""
    others = [places.server_authority / CERTIFICATE] if (places.server_authority / CERTIFICATE).exists() else []
    for path in (*others, authority.certificate_path):
        own = load_certificates(path)[0]
        if certificate is not None and _issued(certificate, own):
            return own.public_bytes(Encoding.PEM)
    return None


def only_instance(places: Places) -> str:
    """Return the name of the only server instance; raises ConfigError."""
    found = places.instances("server")
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"several servers are configured: choose one with --instance: {', '.join(found)}")
    raise ConfigError(f"no server in {places.configuration / 'server'}: create one with `iphttps setup`")


def _certificate(places: Places, config: ServerConfig) -> x509.Certificate | None:
    path = config.certificate
    if path is None or not config.uri.secure:
        return None
    return load_certificates(places.beneath(path))[0]


def _host(config: ServerConfig, certificate: x509.Certificate) -> str:
    """Return the host name for clients: the one in the server's URI, or else the first in its certificate."""
    known = [name for name in alternative_names(certificate) if "*" not in name]
    listening = config.uri.host
    if listening != ANY and listening in known:
        return f"[{listening}]" if ":" in listening else listening
    if not known:
        raise ConfigError("the server's certificate has no name without a wildcard: give --uri")
    return f"[{known[0]}]" if ":" in known[0] else known[0]


def _port(config: ServerConfig) -> str:
    return "" if config.uri.port == 443 else f":{config.uri.port}"


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Return whether the authority issued the certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def file_name(name: str, ending: str) -> str:
    """Return the name of a file for a client; raises ConfigError if it is too long."""
    if len((checked_person(name) + ending).encode("utf-8")) > 255:
        raise ConfigError(f"{name!r} is too long for a file name: use fewer characters outside ASCII")
    return checked_person(name) + ending


def check_absent(path: Path) -> None:
    """Check that a path does not exist, so that nothing is overwritten.

    Raises:
        ConfigError: The path exists.
    """
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} already exists and is not overwritten: move it away, or choose another --out")
