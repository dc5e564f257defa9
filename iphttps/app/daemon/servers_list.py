"""The revocation list of the authority for servers, copied to a place from which the server publishes it."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ...core.http.document import Document
from ...pki import atomic_files
from ...pki.authority.names import SERVERS_DOCUMENT
from ...pki.authority.store import CERTIFICATE, LIST, Authority
from ...pki.certificates import UNREADABLE, read
from ..instances.paths import Places

COPY = "servers.crl.pem"
KIND = "application/pkix-crl"  # RFC 2585 section 4.2


def copy_servers_list(places: Places) -> None:
    """Copy the list in force to the directory of the client authority, if both exist; raises ConfigError."""
    if (places.server_authority / LIST).exists() and (places.authority / CERTIFICATE).exists():
        authority = Authority.open(places.server_authority, issues=False)
        authority.repair_list()
        content, path = read(authority.list_path), places.authority / COPY
        if not path.exists() or read(path) != content:
            atomic_files.write(path, content)


def servers_list(directory: Path) -> tuple[Document, ...]:
    """Return the copy in an authority's directory as a document to publish; empty if missing or unreadable."""
    try:
        found = x509.load_pem_x509_crl((directory / COPY).read_bytes())
    except (OSError, *UNREADABLE):
        return ()
    return (Document(SERVERS_DOCUMENT, KIND, found.public_bytes(Encoding.DER)),)
