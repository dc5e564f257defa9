"""A web proxy's address, login and URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ..errors import ConfigError


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and password, never shown; `domain` is for NTLM, unless `user` contains it."""

    user: str = field(repr=False)
    password: str = field(repr=False)
    domain: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A web proxy; `secure`: connections to it use TLS; `login`: the user and password in its URL."""

    secure: bool
    host: str
    port: int
    login: Login | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """Parse a URL such as http://proxy.example.org:3128.

        Raises:
            ConfigError: The text is not such a URL. The error quotes no password.
        """
        like = "it must look like http://proxy.example.org:3128"
        bare = text if "://" in text else f"http://{text}"  # as often in environment variables
        shown = repr(text) if "@" not in text else "a proxy's URL with a user in it"
        try:
            parts = urlsplit(bare)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"{shown} is not the URL of a proxy: {like}") from error
        host = parts.hostname
        if parts.scheme not in ("http", "https") or not host or not host.isascii():
            raise ConfigError(f"{shown} is not the URL of a proxy: {like}")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ConfigError(f"{shown} has more than scheme, host and port: {like}")
        login = None
        if parts.username is not None:
            login = Login(unquote(parts.username), unquote(parts.password or ""))
        secure = parts.scheme == "https"
        # The default ports of curl and browsers: 80 and 443, by scheme.
        return cls(secure, host, port if port is not None else (443 if secure else 80), login)

    @property
    def authority(self) -> str:
        """Host and port as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.authority}"
