"""The table of options of the IP-HTTPS client, and their values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...core.iphttps.client_handshake import RequestLength
from ...core.iphttps.request import DEFAULT_PATH
from ...net.connect.endpoints import URI
from .clients.tunnel_config import TunnelConfig, server_uri
from .kinds import File, Flag, Many, Maybe, Parsed, Word
from .option import option


def _server(name: str, text: str) -> URI:
    return server_uri(name, text, partial(URI.parse, default_path=DEFAULT_PATH))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig(TunnelConfig):
    """The configuration of an IP-HTTPS client."""

    uri: tuple[URI, ...] = option(
        Many(Parsed(_server)),
        None,
        "server to connect to, such as https://vpn.example.org/IPHTTPS; may be repeated",
        missing="name the server, such as https://vpn.example.org/IPHTTPS",
    )
    """The servers, at least one."""
    certificate: Path | None = option(
        Maybe(File()), None, "PEM file: the client's certificate, if the server requires one"
    )
    """The client's certificate chain; None if it has none."""
    private_key: Path | None = option(Maybe(File()), None, "PEM file: the private key of the certificate")
    """The key of the certificate."""
    request_length: RequestLength = option(
        Word({length.value: length for length in RequestLength}),
        "max",
        "length that the request announces: max, or 2^63-1 or chunked for proxies that reject max",
    )
    """The length announced in the request."""
    default_route: bool = option(
        Word({"yes": True, "no": False}),
        "yes",
        "accept a default route from the server: yes or no",
    )
    """True if the client accepts a default route from the server."""
    allow_renegotiation: bool = option(
        Flag(), None, "present the certificate also to a TLS 1.2 server that requests it after the handshake"
    )
    """True if the client presents its certificate also after the TLS 1.2 handshake."""
