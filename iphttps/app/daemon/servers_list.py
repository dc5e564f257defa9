"""The revocation list of the authority for servers: a copy lies where the server finds it, which publishes it."""

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
    """Put the list in force into the directory of the other authority, if there are both; raises ConfigError."""
    if (places.server_authority / LIST).exists() and (places.authority / CERTIFICATE).exists():
        authority = Authority.open(places.server_authority, issues=False)
        authority.repair_list()
        content, path = read(authority.list_path), places.authority / COPY
        if not path.exists() or read(path) != content:
            atomic_files.write(path, content)


def servers_list(directory: Path) -> tuple[Document, ...]:
    """Return the copy in an authority's directory as it is published, nothing if there is none that can be read."""
    try:
        found = x509.load_pem_x509_crl((directory / COPY).read_bytes())
    except (OSError, *UNREADABLE):
        return ()
    return (Document(SERVERS_DOCUMENT, KIND, found.public_bytes(Encoding.DER)),)
