"""The client's options for web proxies, and the source of the proxy login."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from twisted.internet.defer import DeferredLock

from ...core.errors import ConfigError
from ...core.proxy.choice import ProxyChoice, ProxySource
from ...core.proxy.environment import proxy_of
from ...core.proxy.headers import harmless
from ...core.proxy.login import ProxyCredentials
from ...core.proxy.url import Login, Proxy
from ...core.text import text_of
from ...net.connect.proxy import ProxySettings
from ...net.connect.spnego import tokens
from ...net.tls.authorities import load_authorities
from ...net.tls.contexts import ClientTLS
from ...pki.authorities import SERVER_AUTH
from .clients.tunnel_config import ProxyConfig, TunnelConfig
from .options import DaemonOptions
from .secrets.secret_file import SecretFile, readable_by_others
from .tomlfile import loads

USER = "IPHTTPS_PROXY_USER"
PASSWORD = "IPHTTPS_PROXY_PASSWORD"
"""Environment variables that hold a login."""

KEYS = {"user", "password", "domain"}
"""The keys of a credentials file; the last is optional."""


def check_login(options: DaemonOptions) -> None:
    """Check that other users cannot read a password in the proxy's URL. Raises ConfigError."""
    choice: ProxyChoice = options.value("proxy")
    if choice.proxy and choice.proxy.login:
        instead = f"put them into a file for --proxy-credentials, or into {USER} and {PASSWORD}"
        if options.typed("proxy"):
            raise ConfigError(
                f"--proxy has a user in its URL, and every local user can read the command line: {instead}"
            )
        path = options.file
        if path and (others := readable_by_others(path)):
            raise ConfigError(f"{path} has a user in the URL of `proxy`, and {others}, or {instead}")


def check_proxy(config: TunnelConfig, environment: Mapping[str, str] = os.environ) -> None:
    """Check the proxy options for consistency. Raises ConfigError."""
    source = config.proxy.source
    if config.pac and source is not ProxySource.AUTO:
        raise ConfigError("--pac needs --proxy auto: it replaces WPAD as the source of the proxy configuration")
    for name, given in (
        ("proxy-credentials", config.proxy_credentials),
        ("proxy-ca", config.proxy_ca),
        ("proxy-basic", config.proxy_basic),
        ("proxy-header", config.proxy_header),
    ):
        if given and source is ProxySource.NONE:
            raise ConfigError(f"--{name} needs --proxy: without a proxy it has no effect")
    if config.proxy_trust_network and source is not ProxySource.AUTO:
        raise ConfigError("--proxy-trust-network needs --proxy auto: it applies to proxies that the network names")
    if source is ProxySource.ENVIRONMENT:
        for uri in config.uri:
            proxy_of(environment, uri.secure, uri.host, uri.port)


class ProxyAccess:
    """The settings for connecting through any proxy; the constructor reads all files once, and raises ConfigError."""

    def __init__(self, config: ProxyConfig, environment: Mapping[str, str] = os.environ) -> None:
        path, ca = config.file("proxy-credentials"), config.file("proxy-ca")
        source = CredentialsFile(path).login if path else lambda: environment_login(environment)
        source()
        named = not config.network_names_proxy
        self._credentials = ProxyCredentials(source, basic_in_clear=config.proxy_basic, named=named)
        self._turn = DeferredLock()
        self.headers = config.proxy_header
        """The headers of the configuration."""
        self._authorities = load_authorities(ca, SERVER_AUTH) if ca else None

    def settings(self, proxy: Proxy) -> ProxySettings:
        """Return the settings for one proxy."""
        tls = ClientTLS(proxy.host, self._authorities, None, ca_option="--proxy-ca") if proxy.secure else None
        headers = self.headers if self._credentials.trusts(proxy) else harmless(self.headers)
        return ProxySettings(proxy, self._credentials, tokens, tls, headers, self._turn)


def environment_login(environment: Mapping[str, str]) -> Login | None:
    """Return the login in the environment, or None; raises ConfigError if it is incomplete."""
    user, password = environment.get(USER), environment.get(PASSWORD)
    if user is None and password is None:
        return None
    if not user or password is None:
        raise ConfigError(f"{USER} and {PASSWORD} go together: set both or neither")
    return _checked(Login(user, password), "the environment")


class CredentialsFile:
    """A file with a login, read again for each attempt so that a password can be corrected."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = SecretFile(path, self._parse)

    def login(self) -> Login:
        """Return the current login in the file, or the last one if it is no longer valid; raises ConfigError."""
        return self._file.read()

    def _parse(self, content: bytes) -> Login:
        path = self._path
        try:
            values = loads(text_of(content))
        except ValueError:
            # The parser's error message may quote the password.
            raise ConfigError(f'{path} is not TOML: it must hold user = "..." and password = "..."') from None
        for key in values.keys() - KEYS:
            raise ConfigError(f"{path}: unknown key {key!r}: it takes user, password and domain")
        if not all(isinstance(value, str) for value in values.values()) or not KEYS - {"domain"} <= values.keys():
            raise ConfigError(f'{path} must hold user = "..." and password = "...", both strings')
        return _checked(Login(values["user"], values["password"], values.get("domain", "")), str(path))


def _checked(login: Login, where: str) -> Login:
    if not all(text.isprintable() for text in (login.user, login.password, login.domain)) or not login.user:
        raise ConfigError(f"the user or the password in {where} is empty or contains unprintable characters")
    return login
