"""The client's options about a web proxy, and where the login for it comes from."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...core.errors import ConfigError
from ...core.proxy.choice import PACLocation, ProxyChoice, ProxySource
from ...core.proxy.environment import proxy_of
from ...core.proxy.headers import harmless, read_headers
from ...core.proxy.login import ProxyCredentials
from ...core.proxy.url import Login, Proxy
from ...core.text import text_of
from ...net.connect.endpoints import URI
from ...net.connect.proxy import ProxySettings
from ...net.connect.spnego import tokens
from ...net.tls.authorities import load_authorities
from ...net.tls.contexts import ClientTLS
from ...pki.authorities import SERVER_AUTH
from .options import DaemonOptions

USER = "IPHTTPS_PROXY_USER"
PASSWORD = "IPHTTPS_PROXY_PASSWORD"
"""Variables of the environment that hold a login."""

KEYS = {"user", "password", "domain"}
"""What stands in a file of credentials; the last may be missing."""

PROXY_PARAMETERS = (
    ("proxy", None, "none", "web proxy: none, environment, auto, or a URL such as http://proxy.example.org:3128"),
    ("pac", None, None, "for --proxy auto: file or URL of the proxy auto-configuration (PAC), instead of WPAD"),
    ("proxy-credentials", None, None, "TOML file, mode 0600, with `user`, `password` and optionally `domain`"),
    ("proxy-ca", None, None, "PEM file: authorities to trust for an https:// proxy instead of the system's"),
)
PROXY_FLAGS = (
    ("proxy-basic", None, "send the password unencrypted to an http:// proxy that offers only Basic"),
    ("proxy-trust-network", None, "also log in to a proxy named by WPAD or a PAC file at http:// (not authenticated)"),
)


def proxy_choice(options: DaemonOptions) -> ProxyChoice:
    """Return how the proxy is found; raises ConfigError if that is not understood, or others could read a password."""
    choice = ProxyChoice.parse(options["proxy"])
    if choice.proxy and choice.proxy.login:
        instead = f"put them into a file for --proxy-credentials, or into {USER} and {PASSWORD}"
        if options.typed("proxy"):
            raise ConfigError(f"--proxy has a user in its URL, and everybody can read a command line: {instead}")
        path = options.path("config")
        if path and (others := _others(path)):
            raise ConfigError(f"{path} has a user in the URL of `proxy`, and {others}, or {instead}")
    return choice


def pac_location(options: DaemonOptions) -> PACLocation | None:
    """Return where the proxy auto-configuration file is, if that is said; raises ConfigError."""
    if not options["pac"]:
        return None
    if options["proxy"] != ProxySource.AUTO.value:
        raise ConfigError("--pac says where the proxies are written down that --proxy auto looks for: give both")
    location = PACLocation.parse(options["pac"])
    # A daemon changes its directory.
    return PACLocation(path=str(options.beneath(Path(location.path)))) if location.path else location


def check_proxy(options: DaemonOptions, uris: Iterable[URI], environment: Mapping[str, str] = os.environ) -> None:
    """Check what can be checked before anything is touched; raises ConfigError."""
    choice = proxy_choice(options)
    pac_location(options)
    for name in ("proxy-credentials", "proxy-ca", "proxy-basic", "proxy-header"):
        if options[name] and choice.source is ProxySource.NONE:
            raise ConfigError(f"--{name} is about a proxy, and --proxy names none: give both")
    if options["proxy-trust-network"] and choice.source is not ProxySource.AUTO:
        raise ConfigError("--proxy-trust-network is about proxies that the network names for --proxy auto: give both")
    if choice.source is ProxySource.ENVIRONMENT:
        for uri in uris:
            proxy_of(environment, uri.secure, uri.host, uri.port)


class ProxyAccess:
    """How a proxy is spoken to, whichever it is; what must be readable is read once, and ConfigError raised."""

    def __init__(self, options: DaemonOptions, environment: Mapping[str, str] = os.environ) -> None:
        path, ca = options.file("proxy-credentials"), options.file("proxy-ca")
        source = CredentialsFile(path).login if path else lambda: environment_login(environment)
        source()
        # Without a file of the operator's own, whoever answers for the network names the proxy.
        pac = pac_location(options)
        named = bool(options["proxy-trust-network"]) or (
            options["proxy"] != ProxySource.AUTO.value or (pac is not None and not pac.url.startswith("http:"))
        )
        self._credentials = ProxyCredentials(source, basic_in_clear=bool(options["proxy-basic"]), named=named)
        self._headers = read_headers(options["proxy-header"])
        self._authorities = load_authorities(ca, SERVER_AUTH) if ca else None

    def settings(self, proxy: Proxy) -> ProxySettings:
        """Return what it takes to get through a proxy."""
        tls = ClientTLS(proxy.host, self._authorities, None, ca_option="--proxy-ca") if proxy.secure else None
        headers = self._headers if self._credentials.trusts(proxy) else harmless(self._headers)
        return ProxySettings(proxy, self._credentials, tokens, tls, headers)


def environment_login(environment: Mapping[str, str]) -> Login | None:
    """Return the login in the environment, or None; raises ConfigError for half of one."""
    user, password = environment.get(USER), environment.get(PASSWORD)
    if user is None and password is None:
        return None
    if not user or password is None:
        raise ConfigError(f"{USER} and {PASSWORD} go together: set both or neither")
    return _checked(Login(user, password), "the environment")


class CredentialsFile:
    """A file that holds a login, read again for each attempt, so that a password can be corrected."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: Login | None = None

    def login(self) -> Login:
        """Return what the file holds now, or if that is no login any more, what it held last; raises ConfigError."""
        try:
            self._last = self._read()
        except ConfigError:
            # Half-written, or out of reach since `twistd` gave up its privileges.
            if self._last is None:
                raise
        return self._last

    def _read(self) -> Login:
        path = self._path
        if others := _others(path):
            raise ConfigError(f"{path} holds a password, and {others}")
        try:
            values = tomllib.loads(text_of(path.read_bytes()))
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, RecursionError):
            # What TOML says of a mistake may quote the password.
            raise ConfigError(f'{path} is not TOML: it must hold user = "..." and password = "..."') from None
        for key in values.keys() - KEYS:
            raise ConfigError(f"{path}: unknown key {key!r}: it takes user, password and domain")
        if not all(isinstance(value, str) for value in values.values()) or not KEYS - {"domain"} <= values.keys():
            raise ConfigError(f'{path} must hold user = "..." and password = "...", both strings')
        return _checked(Login(values["user"], values["password"], values.get("domain", "")), str(path))


def _checked(login: Login, where: str) -> Login:
    if not all(text.isprintable() for text in (login.user, login.password, login.domain)) or not login.user:
        raise ConfigError(f"the user or the password in {where} is empty or holds characters that cannot be shown")
    return login


def _others(path: Path) -> str:
    """Say that a file's owner is not the only one who can read it; empty if he is, or there is no such file."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return ""
    return f"its mode is {mode:04o}: make it 0600" if mode & 0o077 else ""
