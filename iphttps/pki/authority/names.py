"""The names that our authority puts into certificates: what may stand there, and as what."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from ...core.errors import ConfigError

LONGEST_COMMON_NAME = 64  # ub-common-name of RFC 5280 appendix A.1
LONGEST_HOST = 253  # RFC 1123 section 2.1, RFC 1035 section 2.3.4
MOST_HOSTS = 100
DOCUMENT = "/iphttps.crl"
"""The path at which a server publishes its authority's revocation list."""

SERVERS_DOCUMENT = "/iphttps-servers.crl"
"""The same for the authority that is for servers only, whose key the server has not got."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode's categories of characters that nobody sees, or that turn a line round."""


def host(name: str) -> str:
    """Return the name or the address of a server as certificates have it.

    Raises:
        ConfigError: For any other text.
    """
    try:
        return str(ip_address(name.strip("[]")))
    except ValueError:
        pass
    if "*" in name:
        raise ConfigError(
            f"{name!r} is a wildcard, and its key could stand for every host of the domain: name each host instead"
        )
    try:
        known = (name if name.isascii() else name.encode("idna").decode("ascii")).lower().removesuffix(".")
    except UnicodeError:
        known = ""
    labels = known.split(".")
    if len(known) > LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ConfigError(
            f"{name!r} is not the name of a host or an address: it must look like vpn.example.org or 192.0.2.1"
        )
    return known


def hosts(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of one server, each once.

    Raises:
        ConfigError: ???
    """
    known = tuple(dict.fromkeys(map(host, names)))
    if not 0 < len(known) <= MOST_HOSTS:
        raise ConfigError(f"a server's certificate has one to {MOST_HOSTS} names, not {len(known)}")
    return known


def person(name: str) -> str:
    """Return the name of a client or of an authority as certificates have it.

    Letters of all scripts may stand in it, but nothing that cannot be seen, and nothing that would be a path: the
    name is also that of a file.

    Raises:
        ConfigError: If it cannot be one.
    """
    known = unicodedata.normalize("NFC", name)
    if any(unicodedata.category(letter) in _INVISIBLE for letter in known):
        raise ConfigError(f"{name!r} has characters that cannot be seen: leave them out")
    if not known or known != known.strip() or "/" in known or known[0] in ".-":
        raise ConfigError(f"{name!r} cannot be a name: it has a slash, begins with . or -, or begins or ends blank")
    if len(known) > LONGEST_COMMON_NAME:
        raise ConfigError(
            f"{name!r} is longer than the {LONGEST_COMMON_NAME} characters that a certificate has room for"
        )
    return known


def subject(common_name: str) -> x509.Name:
    """Return a subject with a common name, or an empty one where it would be too long."""
    if len(common_name) > LONGEST_COMMON_NAME:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def server_names(known: Sequence[str]) -> list[x509.GeneralName]:
    """Return a server's alternative names."""
    return [_host_name(name) for name in known]


def constraints(known: Sequence[str]) -> x509.NameConstraints:
    """Return what confines an authority to servers of these names, and of names below them (RFC 5280 4.2.1.10).

    Where there is no name of a host, or no address, all of that kind are excluded: what is not mentioned is not
    confined.
    """
    permitted: list[x509.GeneralName] = []
    for name in known:
        try:
            permitted.append(x509.IPAddress(ip_network(name)))
        except ValueError:
            permitted.append(x509.DNSName(name))
    excluded: list[x509.GeneralName] = []
    if not any(isinstance(each, x509.DNSName) for each in permitted):
        excluded.append(x509.DNSName(""))
    if not any(isinstance(each, x509.IPAddress) for each in permitted):
        excluded += [x509.IPAddress(ip_network(every)) for every in ("0.0.0.0/0", "::/0")]
    return x509.NameConstraints(permitted, excluded or None)


def permitted(certificate: x509.Certificate) -> tuple[str, ...] | None:
    """Return the names to which an authority is confined by `constraints`, or None if it is not."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    except x509.ExtensionNotFound:
        return None
    # An address is confined to as a network of one.
    return tuple(
        str(each.value).partition("/")[0] for each in found or [] if isinstance(each, x509.DNSName | x509.IPAddress)
    )


def excluded(certificate: x509.Certificate, known: Sequence[str]) -> list[str]:
    """Return those of a server's names to which an authority cannot vouch."""
    own = permitted(certificate)
    return (
        [] if own is None else [name for name in known if not any(name == each or _below(name, each) for each in own)]
    )


def _below(name: str, domain: str) -> bool:
    """Tell whether a name is that of a host below a domain; nothing is below an address."""
    try:
        ip_address(domain)
    except ValueError:
        return name.endswith(f".{domain}")
    return False


def client_names(known: str) -> list[x509.GeneralName]:
    """Return a client's alternative name: of mail, of a host where it can be one, or else the subject once more."""
    if _MAIL.fullmatch(known):
        return [x509.RFC822Name(known)]
    try:
        return [_host_name(host(known))]
    except ConfigError:
        return [x509.DirectoryName(subject(known))]


def crl_uri(name: str, document: str = DOCUMENT) -> str:
    """Return where the server of this name publishes the revocation list over plain HTTP.

    Raises:
        ConfigError: ???
    """
    known = host(name)
    return f"http://{f'[{known}]' if ':' in known else known}{document}"


def distribution_point(text: str) -> str:
    """Return a distribution point for revocation lists.

    Raises:
        ConfigError: If it cannot be one.
    """
    try:
        parts = urlsplit(text)
        right = parts.scheme == "http" and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        right = False
    if not right or not re.fullmatch(r"[!-~]+", text):
        raise ConfigError(
            f"{text!r} is no place for a revocation list: it must look like http://vpn.example.org{DOCUMENT}"
        )
    return text


def _host_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
