"""The client's options about a web proxy, and where the login for it comes from."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from ..core.errors import ConfigError
from ..core.proxy import Login, Proxy
from ..core.proxylogin import ProxyCredentials
from ..net.certificates import load_certificates
from ..net.proxy import ProxySettings
from ..net.spnego import tokens
from ..net.tls import ClientTLS
from .options import DaemonOptions

NONE = "none"

USER = "IPHTTPS_PROXY_USER"
PASSWORD = "IPHTTPS_PROXY_PASSWORD"
"""Variables of the environment that hold a login."""

KEYS = {"user", "password", "domain"}
"""What stands in a file of credentials; the last may be missing."""

PROXY_PARAMETERS = (
    ("proxy", None, NONE, "the web proxy on the way, such as http://proxy.example.org:3128, or none"),
    ("proxy-credentials", None, None, "TOML file, of mode 0600, with `user`, `password` and perhaps `domain`"),
    ("proxy-ca", None, None, "PEM file: the authorities to trust for a proxy at https://, not the system's"),
)
PROXY_FLAGS = (("proxy-basic", None, "send the password in clear to a proxy at http:// that offers only Basic"),)


def proxy_settings(options: DaemonOptions, environment: Mapping[str, str] = os.environ) -> ProxySettings | None:
    """Return the proxy to go through, or None for the direct way; raises ConfigError.

    What must be readable is read once here, while the daemon still may.
    """
    proxy = named_proxy(options)
    if proxy is None:
        return None
    path, ca = options.path("proxy-credentials"), options.path("proxy-ca")
    source = CredentialsFile(path).login if path else lambda: environment_login(environment)
    source()
    credentials = ProxyCredentials(source, basic_in_clear=bool(options["proxy-basic"]))
    tls = ClientTLS(proxy.host, load_certificates(ca) if ca else None, None) if proxy.secure else None
    return ProxySettings(proxy, credentials, tokens, tls)


def named_proxy(options: DaemonOptions) -> Proxy | None:
    """Return the proxy that --proxy names; raises ConfigError if it is none, or if others could read its password."""
    text = options["proxy"]
    if text == NONE:
        return None
    proxy = Proxy.parse(text)
    if proxy.login:
        instead = f"put them into a file for --proxy-credentials, or into {USER} and {PASSWORD}"
        if options.typed("proxy"):
            raise ConfigError(f"--proxy has a user in its URL, and everybody can read a command line: {instead}")
        path = options.path("config")
        if path and (others := _others(path)):
            raise ConfigError(f"{path} has a user in the URL of `proxy`, and {others}, or {instead}")
    return proxy


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
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
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
