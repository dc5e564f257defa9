"""What lies in an authority's directory, read and judged one file at a time."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ...core.errors import ConfigError
from ..certificates import UNREADABLE, read
from . import issuing, names


def load_key(path: Path) -> issuing.PrivateKey:
    """Read a private key that a certificate can be issued for.

    Raises:
        ConfigError: ???
    """
    try:
        key = load_pem_private_key(read(path), password=None)
    except (TypeError, *UNREADABLE) as error:
        raise ConfigError(f"{path} holds no private key in PEM form without a password") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path} holds a key of another kind than RSA or ECDSA")
    return key


def may_sign(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is that of an authority."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *UNREADABLE):
        return False


def crl_uris_of(path: Path) -> tuple[str, ...]:
    """Return where an authority's revocation list is to be had.

    Raises:
        ConfigError: If the file is damaged.
    """
    if not path.exists():
        return ()
    try:
        return tuple(names.distribution_point(uri) for uri in json.loads(read(path))["crl_uris"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f'{path} is damaged: it must look like {{"crl_uris": []}}') from error
