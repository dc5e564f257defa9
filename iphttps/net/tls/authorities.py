"""Loads the authorities to trust, and logs those of a bundle that cannot be used."""

from pathlib import Path

from cryptography import x509

from ...pki.authorities import read_bundle
from ..log import logger

log = logger()


def load_authorities(path: Path, usage: bytes) -> list[x509.Certificate]:
    """Read the authorities to trust for a usage, an OID in DER such as `pki.pem.CLIENT_AUTH`.

    A certificate that cannot be read does not keep the others from being trusted; the log says which it is.

    Raises:
        ConfigError: The file holds no certificate that can be used.
    """
    bundle = read_bundle(path, usage)
    for sentence in bundle.problems:
        log.warn("{sentence}", event="authority-skipped", sentence=sentence)
    return bundle.certificates
