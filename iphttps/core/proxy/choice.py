"""The choice of the web proxy: the values of the options `--proxy` and `--pac`."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from urllib.parse import unquote, urlsplit

from ..errors import ConfigError
from .url import Proxy


class ProxySource(Enum):
    """The source of the proxy's address; the value is the word of the option."""

    NONE = "none"
    FIXED = "a URL"
    ENVIRONMENT = "environment"
    AUTO = "auto"


_WORDS = {source.value: source for source in ProxySource if source is not ProxySource.FIXED}


@dataclass(frozen=True, slots=True)
class ProxyChoice:
    """The value of `--proxy`; `proxy` is set for a fixed proxy."""

    source: ProxySource
    proxy: Proxy | None = None

    @classmethod
    def parse(cls, text: str) -> ProxyChoice:
        """Parse the words environment, auto and none, or a URL.

        Raises:
            ConfigError: The text is neither such a word nor the URL of a proxy. The error quotes no password.
        """
        if source := _WORDS.get(text):
            return cls(source)
        # A text without any of these is a word, not a host: a misspelt word must not become a proxy's name.
        if any(mark in text for mark in ":.@"):
            return cls(ProxySource.FIXED, Proxy.parse(text))
        near = get_close_matches(text.lower(), _WORDS)
        raise ConfigError(
            f"{text!r} does not say how to find the proxy: it must be environment, auto, none, or a URL such as "
            "http://proxy.example.org:3128" + (f"; did you mean {near[0]}?" if near else "")
        )

    def __str__(self) -> str:
        return str(self.proxy) if self.proxy else self.source.value


@dataclass(frozen=True, slots=True)
class PACLocation:
    """The location of a proxy auto-configuration file; exactly one of `url` and `path` is not empty."""

    url: str = ""
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> PACLocation:
        """Parse a path, or an http, https or file URL.

        Raises:
            ConfigError: The text is none of these. The error quotes no password.
        """
        like = "it must be a file, or a URL such as http://proxy.example.org/proxy.pac"
        if "://" not in text and not text.startswith("file:"):
            if not text or "\0" in text:
                raise ConfigError(f"{text!r} is not a proxy auto-configuration file: {like}")
            return cls(path=text)
        shown = repr(text) if "@" not in text else "a URL with a user in it"
        wrong = f"{shown} is not the URL of a proxy auto-configuration file: {like}"
        try:
            parts = urlsplit(text)
            parts.port  # noqa: B018  # raises
        except ValueError as error:
            raise ConfigError(wrong) from error
        if parts.scheme == "file":
            path = unquote(parts.path)
            if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
                raise ConfigError(f"{shown} is not the URL of a file on this host, such as file:///etc/proxy.pac")
            return cls(path=path)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ConfigError(wrong)
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ConfigError(wrong)
        return cls(url=parts._replace(fragment="").geturl())

    def __str__(self) -> str:
        return self.url or self.path
