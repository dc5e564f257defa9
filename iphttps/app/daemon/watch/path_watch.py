"""Finds out whether a change of the host's network matters: only if the path to a server or proxy is another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ....host.kernel.paths import Path, paths

__all__ = ["ANYWHERE", "PathWatch"]

ANYWHERE = ("192.0.2.1", "2001:db8::1")
"""Stand for the addresses of a name that has not been resolved: addresses for documentation (RFC 5737, RFC 3849), to
which only a default route leads.
"""


class PathWatch:
    """The paths to the addresses of all servers and proxies, as they were when the names were resolved.

    `tunnel` is the client's own interface. `find` returns the path to each address, as `host.kernel.paths.paths` does.
    """

    def __init__(
        self,
        tunnel: str,
        find: Callable[[Sequence[str], str, str | None], Mapping[str, Path | None]] = paths,
    ) -> None:
        self._tunnel = tunnel
        self._find = find
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._known: dict[str, Path | None] = {}
        self.resolved("", ())

    def resolved(self, name: str, addresses: Sequence[str]) -> None:
        """Note the addresses of a name, none if it was not resolved, and the present paths to them."""
        self._addresses[name] = tuple(addresses) or ANYWHERE
        self._known |= self._now(self._addresses[name], None)

    def forget(self) -> None:
        """Forget all names, as the path to one of them has changed; the next attempt resolves them again."""
        self._addresses.clear()
        self._known.clear()
        self.resolved("", ())

    def changed(self, outside: str | None = None) -> bool:
        """Return whether a path has changed since the last call, or since its destination was noted.

        `outside` is the interface of the connection to the server, None if there is none.
        """
        addresses = dict.fromkeys(address for group in self._addresses.values() for address in group)
        before, self._known = self._known, self._now(tuple(addresses), outside)
        if not self._known:
            return True
        return any(path != before.get(address, path) for address, path in self._known.items())

    def _now(self, addresses: Sequence[str], outside: str | None) -> dict[str, Path | None]:
        """Return the present paths; an empty result means that the kernel could not be asked."""
        try:
            return dict(self._find(addresses, self._tunnel, outside))
        except OSError:
            return {}
