"""Tests for iphttps.app.instances.instances: which daemon is meant."""

from __future__ import annotations

import json
import os
import socket
from http import HTTPStatus

from iphttps.app.control import ask
from iphttps.app.instances.instances import file_or_named
from iphttps.app.instances.paths import Places

from ..command import Answering, CommandCase
from ..schema import documented


class FindTests(CommandCase):
    """Which daemon is meant."""

    def setUp(self) -> None:
        """Have the daemon answer, and make a machine on which nothing runs."""
        super().setUp()
        Answering.prepared = HTTPStatus.OK, json.dumps(documented("server")).encode()
        self.places = Places(self.directory / "root")
        self.places.run.mkdir(parents=True)

    def find(self, *arguments: str) -> tuple[int, str, str]:
        """Ask for the status of a daemon of that machine."""
        return self.run_bare("status", *arguments, "--root", str(self.places.root))

    def configure(self, role: str, name: str, text: str = "") -> None:
        """Write the configuration of an instance."""
        path = self.places.config(role, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def test_environment(self) -> None:
        """The environment names the socket; the command line prevails."""
        os.environ[ask.VARIABLE] = str(self.path)
        self.assertEqual(0, self.find()[0])
        self.assertIn("b.sock", self.complaint(self.find("--control", "b.sock")))
        self.assertIn("no configuration 'x'", self.complaint(self.find("x")))

    def test_only_one(self) -> None:
        """Else it is the only one there is; the socket of a dead daemon does not count."""
        self.serve(self.places.control("server", "a"))
        self.assertEqual(0, self.find()[0])
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(self.places.control("server", "b")))
        self.assertEqual(0, self.find()[0])

    def test_several(self) -> None:
        """Of several one must be named, as server/a or just a where that is enough."""
        for place in (("server", "a"), ("client", "b"), ("client", "a")):
            self.serve(self.places.control(*place))
        self.assertIn("name one of client/a, client/b, server/a", self.complaint(self.find(), 2))
        self.assertEqual([0, 0, 0], [self.find(name)[0] for name in ("b", "client/a", "server/a")])
        for place in (("server", "a"), ("client", "a")):
            self.configure(*place)
        self.assertIn("use server/a or client/a", self.complaint(self.find("a"), 2))
        self.assertIn("give only one", self.complaint(self.find("a", "--control", "x"), 2))

    def test_sstp(self) -> None:
        """A client of SSTP is a third kind, which a file shows by its directory, or by the user that it names."""
        for place in (("client", "a"), ("sstp-client", "a")):
            self.configure(*place)
        self.assertIn("use client/a or sstp-client/a", self.complaint(self.find("a"), 2))
        self.serve(self.places.control("sstp-client", "a"))
        self.serve(self.places.control("client", "a"))
        self.assertIn("name one of client/a, sstp-client/a", self.complaint(self.find(), 2))
        self.assertEqual(0, self.find("sstp-client/a")[0])
        for text, role in (
            ('uri = "https://vpn.example.org"\nuser = "alice"\n', "sstp-client"),
            ('uri = "https://vpn.example.org"\n', "client"),
        ):
            path = self.directory / "x.toml"
            path.write_text(text)
            self.assertEqual(role, file_or_named(self.places, str(path)).role)
        file = self.places.config("sstp-client", "a")
        self.assertEqual("sstp-client/a", str(file_or_named(self.places, str(file))))
        self.assertEqual("sstp-client/a", str(file_or_named(self.places, "sstp-client/a")))

    def test_none(self) -> None:
        """Without any it is said how to get one."""
        self.assertIn("start a daemon, or give its socket with --control", self.complaint(self.find()))

    def test_configured(self) -> None:
        """The configuration of an instance can name another socket; of what does not run it is said so."""
        self.configure("server", "a", 'control = "/elsewhere/a.sock"\n')
        self.configure("client", "b", "not TOML")
        sentence = self.complaint(self.find("a"))
        self.assertEqual(f"{self.places.root}/elsewhere/a.sock", sentence.partition(":")[0])
        self.assertTrue(self.complaint(self.find("b")).startswith(str(self.places.control("client", "b"))))
        self.assertIn("choose from server/a, client/b", self.complaint(self.find("server/b")))
        self.assertIn("is not a valid instance name", self.complaint(self.find("../a")))
