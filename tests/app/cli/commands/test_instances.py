"""`iphttps up`: what it says of a daemon that is not up in time."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from iphttps.app.cli.commands import instances
from iphttps.app.instances.instances import Instance
from iphttps.app.instances.paths import Places

from ...command import Answering, CommandCase


class Runs:
    """A supervisor whose daemon runs, whatever else it does."""

    def start(self, instance: Instance, variables: Mapping[str, str]) -> object:
        """Start nothing."""
        return lambda: None


class StartingTests(CommandCase):
    """A daemon that has been started."""

    def setUp(self) -> None:
        """Configure it."""
        super().setUp()
        self.patch(instances, "supervisor", lambda instance: Runs())
        places = Places(self.directory / "r")
        file = places.server_config("main")
        file.parent.mkdir(parents=True)
        file.write_text('uri = "https://*/"\n')
        self.control = places.control("server", "main")
        self.control.parent.mkdir(parents=True)
        self.up = ("up", "--root", str(places.root), "--timeout", "0")

    def lacks(self) -> str:
        """Return what the command says to be in its way."""
        sentence = self.complaint(self.run_bare(*self.up))
        beginning = "server/main is running but not up after 0 s: "
        self.assertTrue(sentence.startswith(beginning), sentence)
        return sentence[len(beginning) :]

    def test_about_to_start(self) -> None:
        """Before it has opened its control socket there is nothing to blame it for."""
        self.assertEqual("it is still starting", self.lacks())

    def test_nobody(self) -> None:
        """A control socket on which nobody listens."""
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.bind(str(self.control))
            self.assertEqual(f"{self.control}: no daemon listens there: it may have been killed", self.lacks())

    def test_other_version(self) -> None:
        """An incomplete answer is reported as that of another version, and is not waited for."""
        self.serve(self.control)
        for answer in (b"{}", b'{"role": "x", "state": "y"}', b'{"role": "client", "state": "LINK_UP"}'):
            Answering.prepared = 200, answer
            sentence = self.complaint(self.run_bare(*self.up))
            self.assertEqual("unexpected answer from the daemon: it may be of another version", sentence)

    def test_not_yet(self) -> None:
        """A daemon that answers, and does not work yet."""
        Answering.prepared = 200, b'{"role": "server", "state": "STARTING", "waiting": null}'
        self.serve(self.control)
        self.assertEqual("STARTING; see `iphttps status server/main`", self.lacks())
