"""The choice of the service that a request is for, by path and method."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Protocol, TypeVar

from ..errors import ProtocolError
from ..text import shortened
from .request_head import RequestHead


class Resource(Protocol):
    """The properties of a service used for dispatch."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods that it accepts."""

    @property
    def wrong_method(self) -> str:
        """The sentence for a request by another method."""

    def serves(self, path: str) -> bool:
        """Tell whether this path is one of its own; paths compare without regard to case."""


R = TypeVar("R", bound=Resource)


def dispatch(request: RequestHead, resources: Iterable[R]) -> R:
    """Return the first of the resources that takes the request.

    Raises:
        ProtocolError: 404 if none has the path, 405 if none that has it takes the method (RFC 9110 section 15.5).
    """
    resources = tuple(resources)
    if request.method == "CONNECT":  # its target is no path: RFC 9110 section 9.3.6
        raise _wrong_method("this server is no proxy: CONNECT is rejected", resources)
    here = [resource for resource in resources if resource.serves(request.path)]
    if not here:
        raise ProtocolError(f"there is no such path as {shortened(request.path)!r} here", HTTPStatus.NOT_FOUND)
    for resource in here:
        if request.method in resource.methods:
            return resource
    raise _wrong_method(here[0].wrong_method, here)


def _wrong_method(sentence: str, resources: Iterable[Resource]) -> ProtocolError:
    allow = dict.fromkeys(method for resource in resources for method in resource.methods)
    return ProtocolError(sentence, HTTPStatus.METHOD_NOT_ALLOWED, allow=tuple(allow))
