"""Tests for iphttps.app.config.secrets.key_exposure, and for whom iphttps.pki.atomic_files gives what root writes."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.app.config import client_options, server_options
from iphttps.app.config.secrets import key_exposure
from iphttps.app.config.secrets.key_exposure import exposed
from iphttps.app.daemon.service import Daemon, Running
from iphttps.host.process import privileges
from iphttps.net.interfaces import IReactor
from iphttps.pki import atomic_files

NOBODY = 65534
PLAIN = ("--uri", "http://127.0.0.1:8080/")
SERVER = ("--prefix", "2001:db8:2::/64", "--authentication", "none")


class ExposureTests(SynchronousTestCase):
    """A private key, and who can read it."""

    def setUp(self) -> None:
        """Make one."""
        self.key = Path(self.mktemp()).absolute()
        self.key.write_text("key")

    def test_modes(self) -> None:
        """Everybody and the group are named; a group that the daemons have is none of others."""
        group = self.key.stat().st_gid
        for mode, words in (
            (0o600, ""),
            (0o400, ""),
            (0o640, "its group"),
            (0o644, "every user"),
            (0o602, "every user"),
        ):
            self.key.chmod(mode)
            self.assertIn(words, exposed(self.key) or "")
            self.assertEqual(bool(words), bool(exposed(self.key)), oct(mode))
        self.key.chmod(0o640)
        self.assertIsNone(exposed(self.key, group))
        self.patch(key_exposure, "_daemons_group", lambda: group)
        self.assertIsNone(exposed(self.key))
        self.assertIsNone(exposed(Path("/nowhere")))

    def test_daemons(self) -> None:
        """Both daemons warn at their start."""
        self.patch(privileges, "keep", lambda: None)  # it would change this very process
        kinds: tuple[Callable[[], server_options.Options | client_options.Options], ...]
        kinds = server_options.Options, client_options.Options
        for kind in kinds:
            plain = PLAIN if kind is client_options.Options else (*PLAIN, *SERVER)
            for mode, wanted in ((0o644, ["key-exposed"]), (0o600, [])):
                self.key.chmod(mode)
                options = kind()
                options.parse([*plain, "--certificate", str(self.key), "--private-key", str(self.key)])
                daemon = Started(options, cast(IReactor, Clock()))
                with capturedLogs() as events:
                    daemon.privilegedStartService()
                self.assertEqual(wanted, [event["event"] for event in events])


class Started(Daemon):
    """A daemon that has nothing to prepare."""

    def prepare(self) -> Running:
        """Prepare nothing."""
        return self.running_parts


class OwnerTests(SynchronousTestCase):
    """What root writes in the directory of another user."""

    def test_given(self) -> None:
        """It is given to the user of the daemons, and stays root's where somebody else has the directory."""
        if os.geteuid() != 0:
            raise SkipTest("It takes root.")
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            os.chown(directory, NOBODY, NOBODY)
            atomic_files.create(directory / "key", b"", atomic_files.PRIVATE)
            atomic_files.make_directory(directory / "below")
            self.assertEqual([0, 0], [(directory / one).stat().st_uid for one in ("key", "below")])
            self.patch(atomic_files, "SERVICE_USERS", (pwd.getpwuid(NOBODY).pw_name,))
            atomic_files.write(directory / "key", b"", atomic_files.PRIVATE)
            atomic_files.make_directory(directory / "other")
            self.assertEqual([NOBODY, NOBODY], [(directory / one).stat().st_uid for one in ("key", "other")])
