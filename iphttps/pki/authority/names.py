"""The names that our authority puts into certificates: which are allowed, and how they are encoded."""

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
"""The path at which a server publishes the revocation list of the clients' authority."""

SERVERS_DOCUMENT = "/iphttps-servers.crl"
"""The path for the list of the servers-only authority, whose key the server does not have."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories of characters that are invisible or change the direction of text."""


def checked_host(name: str) -> str:
    """Return a server's host name or IP address in the form that certificates use.

    A host name is converted to lower case and its ASCII form (IDNA).

    Raises:
        ConfigError: The text is neither a host name nor an address, or is a wildcard.
    """
    try:
        return str(ip_address(name.strip("[]")))
    except ValueError:
        pass
    if "*" in name:
        raise ConfigError(
            f"{name!r} is a wildcard, with which one key could impersonate every host of the domain: name each host"
        )
    try:
        known = (name if name.isascii() else name.encode("idna").decode("ascii")).lower().removesuffix(".")
    except UnicodeError:
        known = ""
    labels = known.split(".")
    if len(known) > LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ConfigError(
            f"{name!r} is not a host name or an IP address: it must look like vpn.example.org or 192.0.2.1"
        )
    return known


def checked_hosts(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of one server in the form that certificates use, without duplicates.

    Raises:
        ConfigError: A name is not a host name or an address, or there are none or more than `MOST_HOSTS`.
    """
    known = tuple(dict.fromkeys(map(checked_host, names)))
    if not 0 < len(known) <= MOST_HOSTS:
        raise ConfigError(f"a server's certificate can have 1 to {MOST_HOSTS} names, not {len(known)}")
    return known


def checked_person(name: str) -> str:
    """Return the name of a client or an authority in the form that certificates use, normalized to NFC.

    Letters of all scripts are allowed. Invisible characters and path syntax are not: the name is also a file name.

    Raises:
        ConfigError: The name is empty or too long, or has a character that is not allowed.
    """
    known = unicodedata.normalize("NFC", name)
    if any(unicodedata.category(letter) in _INVISIBLE for letter in known):
        raise ConfigError(f"{name!r} has invisible characters: remove them")
    if not known or known != known.strip() or "/" in known or known[0] in ".-":
        raise ConfigError(
            f"{name!r} is not a valid name: it must not be empty, contain a slash, begin with . or -, or begin or end "
            "with a space"
        )
    if len(known) > LONGEST_COMMON_NAME:
        raise ConfigError(f"{name!r} is longer than {LONGEST_COMMON_NAME} characters, the maximum in a certificate")
    return known


def subject_name(common_name: str) -> x509.Name:
    """Return a subject with this common name; an empty subject if the name is longer than a common name may be."""
    if len(common_name) > LONGEST_COMMON_NAME:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def server_names(known: Sequence[str]) -> list[x509.GeneralName]:
    """Return a server's subject alternative names."""
    return [_host_name(name) for name in known]


def constraints(known: Sequence[str]) -> x509.NameConstraints:
    """Return constraints that restrict an authority to these names and their subdomains (RFC 5280 4.2.1.10).

    If there is no host name, or no address, all names of that kind are excluded: a kind that is not mentioned would be
    unrestricted.
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
    """Return the names to which an authority is restricted by `constraints`, or None if it is unrestricted."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    except x509.ExtensionNotFound:
        return None
    # An address is encoded as a network with one address.
    return tuple(
        str(each.value).partition("/")[0] for each in found or [] if isinstance(each, x509.DNSName | x509.IPAddress)
    )


def excluded(certificate: x509.Certificate, known: Sequence[str]) -> list[str]:
    """Return those of a server's names that the authority's name constraints do not permit."""
    own = permitted(certificate)
    return (
        [] if own is None else [name for name in known if not any(name == each or _below(name, each) for each in own)]
    )


def _below(name: str, domain: str) -> bool:
    """Tell whether a name is a subdomain of a domain; an address has none."""
    try:
        ip_address(domain)
    except ValueError:
        return name.endswith(f".{domain}")
    return False


def client_names(known: str) -> list[x509.GeneralName]:
    """Return a client's subject alternative name: a mail address, a host name or address, else the subject again."""
    if _MAIL.fullmatch(known):
        return [x509.RFC822Name(known)]
    try:
        return [_host_name(checked_host(known))]
    except ConfigError:
        return [x509.DirectoryName(subject_name(known))]


def crl_uri(name: str, document: str = DOCUMENT) -> str:
    """Return the http:// URI at which the server of this name publishes a revocation list.

    Raises:
        ConfigError: The name is neither a host name nor an address.
    """
    known = checked_host(name)
    return f"http://{f'[{known}]' if ':' in known else known}{document}"


def distribution_point(text: str) -> str:
    """Return a distribution point for revocation lists.

    Raises:
        ConfigError: The text is not such a URI.
    """
    try:
        parts = urlsplit(text)
        right = parts.scheme == "http" and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        right = False
    if not right or not re.fullmatch(r"[!-~]+", text):
        raise ConfigError(
            f"{text!r} is not a URI for a revocation list: it must look like http://vpn.example.org{DOCUMENT}"
        )
    return text


def _host_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
