"""The log for programs, and what docs/logs.md says of it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.json_log import json_line, json_observer
from iphttps.core.errors import ConfigError, DropReason
from iphttps.net.log import logger

ROOT = Path(__file__).parents[3]
WEIGHTS = ("debug", "info", "warn", "error", "critical", "failure")


def said(message: str, /, **fields: object) -> LogEvent:
    """Return the event that a line of ours makes."""
    with capturedLogs() as events:
        logger().info(message, **fields)
    (event,) = events
    return event


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield each place in the program where something is logged: the file and line, and the call."""
    for path in sorted((ROOT / "iphttps").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            # Called, or given to somebody who calls it later.
            for function in (node.func, *node.args):
                if (
                    isinstance(function, ast.Attribute)
                    and function.attr in WEIGHTS
                    and isinstance(function.value, ast.Attribute | ast.Name)
                    and ast.unparse(function.value) in ("self.log", "self._log", "cls.log", "log")
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


class LineTests(SynchronousTestCase):
    """One event, one line."""

    def test_fields(self) -> None:
        """An object has time, level, event and message, and the event's own fields in JSON's terms."""
        event = said("{what} of {count}", event="tested", what="one", count=3, drops={"x": 1}, missing=None, us=("a",))
        event["log_time"] = 1_000_000_000.25
        self.assertEqual(
            {
                "time": "2001-09-09T01:46:40.250Z",
                "level": "info",
                "event": "tested",
                "message": "one of 3",
                "what": "one",
                "count": 3,
                "drops": {"x": 1},
                "missing": None,
                "us": ["a"],
            },
            json.loads(json_line(event)),
        )

    def test_others(self) -> None:
        """Other values are written as text, and numbers that JSON lacks do not occur."""
        found = json.loads(
            json_line(said("x", event="tested", path=Path("/x"), many=float("inf"), cause=DropReason.REDIRECT))
        )
        self.assertEqual(("/x", None, "DropReason.REDIRECT"), (found["path"], found["many"], found["cause"]))

    def test_fixed(self) -> None:
        """No field takes the place of those that every object has."""
        event = said("{{level}}", event="tested")
        event["level"] = event["message"] = event["time"] = "other"
        found = json.loads(json_line(event))
        self.assertEqual(("info", "{level}"), (found["level"], found["message"]))
        self.assertNotEqual("other", found["time"])

    def test_twisted(self) -> None:
        """Events of Twisted are objects too, and a failure has its traceback."""
        try:
            raise ValueError("x\ny")
        except ValueError:
            failure = Failure()
        event = {
            "log_format": "Unhandled\x7f",
            "log_namespace": "x",
            "log_level": LogLevel.critical,
            "log_failure": failure,
        }
        line = json_line(event | {"peer": object()})
        self.assertTrue(line.isprintable() and line.isascii())
        found = json.loads(line)
        self.assertEqual(("critical", "twisted", "Unhandled\x7f"), (found["level"], found["event"], found["message"]))
        self.assertIn("ValueError: x\ny", found["traceback"])
        self.assertNotIn("peer", found)

    @given(st.text(), st.text())
    def test_legible(self, word: str, other: str) -> None:
        """A peer's data in any field is escaped, and never starts a second line, in both formats."""
        event = said("{word} and {other}", event="tested", word=word, other=Path(other) if "\0" not in other else other)
        text = str(formatEvent(event))
        self.assertTrue(text.isprintable(), ascii(text))
        found = json.loads(json_line(event))
        for value in found.values():
            self.assertTrue(value.isprintable(), ascii(value))
        self.assertTrue(json_line(event).isprintable() and json_line(event).isascii())


class ObserverTests(SynchronousTestCase):
    """The destinations of log lines."""

    def test_file(self) -> None:
        """The file that --logfile names is the one that is written."""
        path = self.mktemp()
        observer = json_observer({"logfile": path, "nodaemon": True})
        observer(said("one", event="tested"))
        observer(said("two", event="tested"))
        lines = Path(path).read_text().splitlines()
        self.assertEqual(["one", "two"], [json.loads(line)["message"] for line in lines])

    def test_refused(self) -> None:
        """A file that cannot be written, and standard output in the background, end in a sentence."""
        for twistd, sentence in (
            ({"logfile": "/nowhere/x.log", "nodaemon": True}, "--logfile: cannot write /nowhere/x.log: No such file"),
            ({"logfile": "-", "nodaemon": False}, "--logfile - needs --nodaemon"),
        ):
            with self.assertRaisesRegex(ConfigError, re.escape(sentence)):
                json_observer(twistd)


class DocumentationTests(SynchronousTestCase):
    """docs/logs.md."""

    def test_events(self) -> None:
        """Each thing that is logged has an event of its own name, and docs/logs.md has each of them, and no others."""
        table = (ROOT / "docs" / "logs.md").read_text().split("## Events")[1]
        documented = set(re.findall(r"`([a-z-]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))))
        used = set()
        for place, call in calls():
            names = [keyword.value for keyword in call.keywords if keyword.arg == "event"]
            self.assertEqual(1, len(names), f"{place} logs something that has no event")
            assert isinstance(names[0], ast.Constant)
            used.add(names[0].value)
        self.assertEqual(documented - {"twisted"}, used)

    def test_examples(self) -> None:
        """The examples are lines as the program makes them."""
        for example in re.findall(
            r"^```json\n(.*?)\n```$", (ROOT / "docs" / "logs.md").read_text(), re.DOTALL | re.MULTILINE
        ):
            self.assertEqual(example, json.dumps(json.loads(example)))
