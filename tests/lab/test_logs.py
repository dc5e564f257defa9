"""The daemons' logs: for people and for programs, with what a peer says in them."""

import json
import os
import signal
from pathlib import Path
from typing import Any

from iphttps.lab.laboratory import LINK_UP
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab.case import LabCase

HOSTILE = "x\n2026-01-01T00:00:00 [x#info] client 9 connected\x1b[2J\u202egro"
LISTENING = '"after": "LISTEN"'


def objects(text: str) -> list[dict[str, Any]]:
    """Return the objects of a log that has nothing else in it."""
    assert text.isascii(), ascii(text)
    assert text.replace("\n", "").isprintable(), ascii(text)
    return [json.loads(line) for line in text.splitlines()]


class JsonTests(LabCase):
    """--log-format json."""

    def test_sessions(self) -> None:
        """Each line is an object, whatever a client's name is, and each session ends in a record with its totals."""
        server = self.lab.server("--log-format", "json")
        server.wait_for(LISTENING)
        identity = self.lab.authority.client(HOSTILE, names=("alice@example.org",))
        client = self.lab.client(1, "--log-format", "json", identity=identity)
        client.wait_for('"after": "LINK_UP"')
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        self.assertEqual(0, ping(self.lab.clients[0], PRIVATE_HOST, 5, 0.1).lost)
        client.stop()
        server.wait_for("session-ended")
        server.stop()
        (ours,) = (found for found in objects(client.text) if found["event"] == "session-ended")
        (theirs,) = (found for found in objects(server.text) if found["event"] == "session-ended")
        self.assertEqual("client shutting down", ours["reason"])
        self.assertIn(r"CN=x\0A2026-01-01T00:00:00 [x#info] client 9 connected", theirs["identity"])
        self.assertIn(r"\1B[2J\E2\80\AEgro [alice@example.org]", theirs["identity"])
        self.assertEqual(1, theirs["client"])
        for record in (ours, theirs):
            self.assertLess(5, record["packets_in"])
            self.assertLess(500, record["bytes_out"])
            self.assertLess(0, record["seconds"])
        self.assertEqual("twisted", objects(server.text)[0]["event"])

    def test_file(self) -> None:
        """With --logfile the objects stand in that file, and nothing else does; SIGUSR1 begins a new one."""
        path = self.lab.directory / "server.log"
        command = ["-n", "--pidfile=", f"--logfile={path}", "iphttps-server", "--log-format", "json"]
        command += ["--uri", "http://127.0.0.1:8080", "--authentication", "none", "--prefix", "2001:db8:2::/64"]
        server = self.lab.program(self.lab.gateway, "server", self.lab.twistd[0], *command)
        wait_until(lambda: path.exists() and LISTENING in path.read_text(), "a listening server")
        os.kill(server.pid, signal.SIGUSR1)
        first = wait_until(lambda: next(iter(path.parent.glob("server.log.*")), None), "the file before")
        server.stop()
        self.assertIn(LISTENING, Path(first).read_text())
        objects(first.read_text())
        self.assertEqual("Server Shut Down.", objects(path.read_text())[-1]["message"])
        self.assertEqual("", server.text)

    def test_other_observer(self) -> None:
        """An observer of one's own, by --logger, makes the log; with --log-format json that is a contradiction."""
        command = ["-n", "--pidfile=", "--logger=twisted.logger.LogPublisher", "iphttps-server", "--log-format", "json"]
        command += ["--uri", "http://127.0.0.1:8080", "--authentication", "none", "--prefix", "2001:db8:2::/64"]
        server = self.lab.program(self.lab.gateway, "server", self.lab.twistd[0], *command)
        self.assertEqual(2, server.wait_ended())
        self.assertIn("--log-format json and twistd's --logger exclude each other", server.text)

    def test_wrong(self) -> None:
        """Another format is rejected, with those there are."""
        server = self.lab.server("--log-format", "xml")
        self.assertEqual(2, server.wait_ended())
        self.assertIn("--log-format is text or json, not 'xml'", server.text)


class TextTests(LabCase):
    """The default."""

    def test_totals(self) -> None:
        """A line for people says what a session came to; a hostile name stays in its line."""
        server = self.server()
        self.client(1, identity=self.lab.authority.client(HOSTILE, names=())).stop()
        line = server.wait_for(" disconnected: ")
        self.assertRegex(line, r" in, \d+ \(\d+ bytes\) out, \d+ dropped, [\d.]+ seconds$")
        self.assertNotIn("\x1b", server.text)
        self.assertNotIn("\u202e", server.text)
        self.assertEqual([], [line for line in server.text.splitlines() if line.startswith("2026-01-01T00:00:00 ")])

    def test_logger(self) -> None:
        """An observer of one's own gets the events with their fields."""
        module = self.lab.directory / "observer.py"
        module.write_text(
            "import os\ndef make():\n    return lambda event: os.write(1, event.get('event', '').encode() + b'\\n')\n"
        )
        command = ["-n", "--pidfile=", "--logger=observer.make", "iphttps-server"]
        command += ["--uri", "http://127.0.0.1:8080", "--authentication", "none", "--prefix", "2001:db8:2::/64"]
        server = self.lab.program(
            self.lab.gateway, "server", "env", f"PYTHONPATH={self.lab.directory}", self.lab.twistd[0], *command
        )
        server.wait_for("state-changed")
        self.assertNotIn(LINK_UP, server.text)
