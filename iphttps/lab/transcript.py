"""The output of the demo: numbered steps, commands with their output, a table at the end."""

import enum
import os
import shlex
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

WIDTH = 110


class Result(enum.Enum):
    """The result of a step; the value is the word shown."""

    DONE = "ok"
    FAILED = "FAILED"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a step: its result, and the figure or finding for the table."""

    title: str
    result: Result
    finding: str = ""


class Transcript:
    """Writes plain text, coloured on a terminal unless NO_COLOR is set."""

    _COLOURS = {Result.DONE: "32", Result.FAILED: "1;31", Result.NOT_REACHED: "33"}

    def __init__(self, stream: TextIO) -> None:
        """Write to a stream."""
        self._stream = stream
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR")

    def step(self, number: int, title: str) -> None:
        """Begin a step."""
        self.line()
        self.line(self._paint(f"{number}. {title}", "1"))

    def say(self, text: str) -> None:
        """Write a remark."""
        for line in textwrap.wrap(text, WIDTH, initial_indent="   ", subsequent_indent="   "):
            self.line(line)

    def command(self, host: str, command: Sequence[str]) -> None:
        """Write a command as typed on a host; long ones are wrapped before options."""
        prompt = f"   {host}# "
        lines = [prompt]
        for word in map(shlex.quote, command):
            if len(lines[-1]) + len(word) > WIDTH - 2 and word.startswith("--"):
                lines[-1] += "\\"
                lines.append(" " * (len(prompt) + 2))
            lines[-1] += word + " "
        for line in lines:
            self.line(self._paint(line.rstrip(), "36"))

    def output(self, lines: Iterable[str]) -> None:
        """Write what a command printed."""
        for line in lines:
            self.line(f"      {line.rstrip()}")

    def result(self, outcome: Outcome) -> None:
        """Write the result of a step."""
        mark = self._paint(outcome.result.value, self._COLOURS[outcome.result])
        self.line(f"   {mark}: {outcome.finding}" if outcome.finding else f"   {mark}")

    def table(self, outcomes: Sequence[Outcome]) -> None:
        """Write all steps with their results and findings."""
        first = max(len(outcome.title) for outcome in outcomes)
        second = max(len(outcome.result.value) for outcome in outcomes)
        self.line()
        self.line(self._paint(f"    {'step':{first}}  {'result':{second}}  found", "1"))
        for number, outcome in enumerate(outcomes, start=1):
            mark = self._paint(f"{outcome.result.value:{second}}", self._COLOURS[outcome.result])
            finding = outcome.finding.partition("\n")[0]
            self.line(f"{number:2}  {outcome.title:{first}}  {mark}  {finding}".rstrip())

    def line(self, text: str = "") -> None:
        """Write a line and flush, also for a pipe."""
        print(text, file=self._stream, flush=True)

    def _paint(self, text: str, colour: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._coloured else text
