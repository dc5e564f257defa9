"""The log of rejections, which nobody can fill by being refused over and over."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

LINES = 10
WINDOW = 60.0
"""So many lines for each kind of refusal in so many seconds; what is left out is counted."""


@dataclass(slots=True)
class _Window:
    end: float
    lines: int = 0
    left_out: int = 0
    last: str = ""
    report: IDelayedCall | None = None


class RejectionLog:
    """Writes a line for each refusal while there are few of its kind, and then how many more there were.

    A kind is a word of ours, never the peer's: there are as many as this program has reasons.
    """

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        self._clock = clock
        self._log = log
        self._windows: dict[str, _Window] = {}

    def note(self, peer: str, sentence: str, kind: str) -> None:
        """Note that a connection does not become a session."""
        now = self._clock.seconds()
        window = self._windows.get(kind)
        if window is None or now >= window.end:
            if window:
                self._report_now(kind, window)  # the time has come, but this call was first
            window = self._windows[kind] = _Window(now + WINDOW)
        if window.lines < LINES:
            window.lines += 1
            self._log.info("refused {peer}: {sentence}", event="refused", peer=peer, sentence=sentence, kind=kind)
            return
        window.left_out += 1
        window.last = peer
        if window.report is None:
            window.report = self._clock.callLater(window.end - now, self._report, kind, window)

    def _report(self, kind: str, window: _Window) -> None:
        window.report = None
        self._log.warn(
            "refused {count} more within {seconds:g} s, the last of them {peer}: {kind}",
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
        """Tell now what would have been told later."""
        for kind, window in self._windows.items():
            self._report_now(kind, window)
        self._windows.clear()
