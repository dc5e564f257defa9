"""The log of connections that become no session, rate-limited so that repeated rejections cannot fill it."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

LINES = 10
WINDOW = 60.0
"""Maximum number of lines per kind of rejection within WINDOW seconds; further ones are only counted."""

REJECTED = "rejected {peer}: {sentence}"
FAILED = "connection from {peer} failed: {sentence}"
"""The line for a decision of this end, and for one of the client or an error."""


@dataclass(slots=True)
class _Window:
    end: float
    lines: int = 0
    left_out: int = 0
    last: str = ""
    report: IDelayedCall | None = None


class RejectionLog:
    """Logs each rejection up to a limit per kind, and then the number of further ones.

    A kind is a constant of this program and never depends on peer input, so the number of kinds is bounded.
    """

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        self._clock = clock
        self._log = log
        self._windows: dict[str, _Window] = {}

    def note(self, peer: str, sentence: str, kind: str, line: str = REJECTED) -> None:
        """Record that a connection was rejected, or that it failed."""
        now = self._clock.seconds()
        window = self._windows.get(kind)
        if window is None or now >= window.end:
            if window:
                self._report_now(kind, window)  # the report is due, but its timer has not run yet
            window = self._windows[kind] = _Window(now + WINDOW)
        if window.lines < LINES:
            window.lines += 1
            self._log.info(line, event="refused", peer=peer, sentence=sentence, kind=kind)
            return
        window.left_out += 1
        window.last = peer
        if window.report is None:
            window.report = self._clock.callLater(window.end - now, self._report, kind, window)

    def _report(self, kind: str, window: _Window) -> None:
        window.report = None
        self._log.warn(
            "{count} more rejected or failed connections within {seconds:g} s, the last from {peer}: {kind}",
            event="refused-more",
            count=window.left_out,
            seconds=WINDOW,
            peer=window.last,
            kind=kind,
        )

    def _report_now(self, kind: str, window: _Window) -> None:
        if window.report:
            window.report.cancel()
            self._report(kind, window)

    def close(self) -> None:
        """Write all pending reports now."""
        for kind, window in self._windows.items():
            self._report_now(kind, window)
        self._windows.clear()
