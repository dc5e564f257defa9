"""Loading of the trusted authorities, with a log line for each unusable certificate of a CA bundle."""

from pathlib import Path

from cryptography import x509

from ...pki.authorities import read_bundle
from ..log import logger

log = logger()


def load_authorities(path: Path, usage: bytes) -> list[x509.Certificate]:
    """Read the authorities to trust for an extended key usage, an OID in DER such as `pki.pem.CLIENT_AUTH`.

    A certificate that cannot be read is skipped and logged; the others are trusted.

    Raises:
        ConfigError: The file cannot be read or holds no usable certificate.
    """
    bundle = read_bundle(path, usage)
    for sentence in bundle.problems:
        log.warn("{sentence}", event="authority-skipped", sentence=sentence)
    return bundle.certificates
