"""Readers for the single files of an authority's directory: its key, its certificate, its settings."""

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
    """Read an RSA or ECDSA private key from an unencrypted PEM file.

    Raises:
        ConfigError: The file cannot be read or holds no such key.
    """
    try:
        key = load_pem_private_key(read(path), password=None)
    except (TypeError, *UNREADABLE) as error:
        raise ConfigError(f"{path} holds no unencrypted private key in PEM form") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ConfigError(f"the key in {path} is neither RSA nor ECDSA")
    return key


def may_sign(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is a CA certificate (RFC 5280 section 4.2.1.9)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *UNREADABLE):
        return False


def crl_uris_of(path: Path) -> tuple[str, ...]:
    """Return the CRL distribution points in an authority's settings file; none if there is no file.

    Raises:
        ConfigError: The file cannot be read or is damaged.
    """
    if not path.exists():
        return ()
    try:
        return tuple(names.distribution_point(uri) for uri in json.loads(read(path))["crl_uris"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f'{path} is damaged: it must look like {{"crl_uris": []}}') from error
