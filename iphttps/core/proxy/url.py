"""A web proxy: where it is, and how one is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ..errors import ConfigError


@dataclass(frozen=True, slots=True)
class Login:
    """A user's name and password; neither is ever shown. `domain` is for NTLM, if `user` does not hold it already."""

    user: str = field(repr=False)
    password: str = field(repr=False)
    domain: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A web proxy; `secure` if it is spoken to by TLS, `login` if its URL held one."""

    secure: bool
    host: str
    port: int
    login: Login | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """Read a URL such as http://proxy.example.org:3128.

        Raises:
            ConfigError: The text quotes no password.
        """
        like = "it must look like http://proxy.example.org:3128"
        bare = text if "://" in text else f"http://{text}"  # as the environment often has it
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
        # What curl and the browsers take where a port is missing: 80 and 443, by the scheme.
        return cls(secure, host, port if port is not None else (443 if secure else 80), login)

    @property
    def authority(self) -> str:
        """Host and port, as they stand in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.authority}"
