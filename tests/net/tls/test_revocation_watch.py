"""The watch over the revocation lists: when it reads again, what it says, and how often."""

from __future__ import annotations

import errno
import os
import time
from datetime import timedelta
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.lab.authority import DAY, Authority
from iphttps.net.tls.contexts import ServerTLS, TLSSettings
from iphttps.net.tls.revocation_watch import INTERVAL, RevocationWatch
from iphttps.pki import certificates
from iphttps.pki.revocation import RevocationLists, now_of

from ..certificates import Certificates, credentials

ONE_DAY = DAY.total_seconds()


class WatchCase(SynchronousTestCase):
    """A watch, with an authority that renews its list."""

    def setUp(self) -> None:
        """Start with a good list, at the time that it is."""
        self.clock = Clock()
        self.clock.advance(time.time())
        self.certificates = Certificates(Path(self.mktemp()))
        self.authority = self.certificates.authority
        self.path = self.authority.revoke()
        self.changes = 0
        self.ahead = 0.0

    def watch(self) -> RevocationWatch:
        """Start the watch over what the file holds now."""
        lists = RevocationLists.load(self.path, self.certificates.trusted, now_of(self.clock.seconds()))
        settings = TLSSettings(credentials(self.certificates.server), self.certificates.trusted, lists)
        self.tls = ServerTLS(settings)
        self.tls.changed = self._changed
        watch = RevocationWatch(self.clock, self.tls, day=lambda: self.clock.seconds() + self.ahead)
        watch.start()
        self.addCleanup(watch.stop)
        return watch

    def _changed(self) -> None:
        self.changes += 1

    def said(self, seconds: float, step: float = INTERVAL) -> list[tuple[LogLevel, str]]:
        """Return what is said while so much time passes."""
        with capturedLogs() as events:
            self.clock.pump([step] * round(seconds / step))
        return [(event["log_level"], formatEvent(event).replace(str(self.path), "FILE")) for event in events]

    @property
    def revoked(self) -> int:
        """The number of certificates revoked for new connections."""
        assert self.tls.settings.revocation
        return self.tls.settings.revocation.count


class WatchTests(WatchCase):
    """The handling of the file."""

    def test_unchanged(self) -> None:
        """While the file stays as it is, nothing is read and nothing said."""
        self.watch()
        self.assertEqual(([], 0), (self.said(100 * INTERVAL), self.changes))

    def test_pipe(self) -> None:
        """A pipe in the file's place does not stop the daemon, nor a directory; the list behind it is taken later."""
        watch = self.watch()
        self.path.unlink()
        os.mkfifo(self.path)
        self.assertEqual(1, len(self.said(5 * INTERVAL)))
        self.assertEqual(f"cannot read {self.path}: it is not a regular file", watch.problem)
        self.path.unlink()
        self.path.mkdir()
        self.assertEqual(1, len(self.said(5 * INTERVAL)))
        self.path.rmdir()
        self.authority.revoke(self.certificates.client)
        self.said(INTERVAL)
        self.assertEqual((1, None), (self.revoked, watch.problem))

    def test_changed(self) -> None:
        """A changed file is in force within the interval, and said to be."""
        self.watch()
        self.authority.revoke(self.certificates.client)
        self.assertEqual([], self.said(INTERVAL - 1, step=INTERVAL - 1))
        self.assertEqual([(LogLevel.info, "FILE reloaded: 1 certificate revoked")], self.said(1, step=1))
        self.assertEqual((1, 1), (self.revoked, self.changes))

    def test_bad_file(self) -> None:
        """Of a file that cannot serve it is said once what is wrong, and what was read before stays in force."""
        self.authority.revoke(self.certificates.client)
        self.watch()
        other = Authority(self.certificates.directory / "other", "Other CA").revoke().read_bytes()
        whole = self.path.read_bytes()
        for content, wrong in (
            (None, "cannot read FILE: No such file or directory"),
            (b"", "FILE holds no certificate revocation list in PEM or DER form"),
            (whole[:-40], "FILE holds a damaged certificate revocation list: it may be truncated"),
            (other, "FILE holds no revocation list of CN=Laboratory CA, only of CN=Other CA"),
        ):
            self.path.unlink() if content is None else self.path.write_bytes(content)
            ((level, sentence),) = self.said(100 * INTERVAL)
            self.assertEqual(LogLevel.error, level)
            self.assertTrue(sentence.startswith(wrong), sentence)
            self.assertTrue(sentence.endswith("; the revocation lists read before stay in force"), sentence)
        self.assertEqual((1, 0), (self.revoked, self.changes))

    def test_early(self) -> None:
        """A list dated ahead of the clock is complained of once, and taken when its time has come."""
        watch = self.watch()
        self.authority.revoke(self.certificates.client, begin=timedelta(seconds=30))
        ((level, sentence),) = self.said(20)
        self.assertEqual(LogLevel.error, level)
        self.assertIn("is valid only from", sentence)
        self.assertEqual(sentence.partition(";")[0], (watch.problem or "").replace(str(self.path), "FILE"))
        self.assertEqual([(LogLevel.info, "FILE reloaded: 1 certificate revoked")], self.said(20))
        self.assertEqual((1, None), (self.revoked, watch.problem))

    def test_bad_moment(self) -> None:
        """A list that could not be read once, while its file stays as it is, is taken as soon as it can be."""
        for number in (errno.EMFILE, errno.ENFILE, errno.EIO, errno.EACCES):
            self.authority.revoke()
            watch = self.watch()
            self.authority.revoke(self.certificates.client)

            def fails(path: str, flags: int, number: int = number) -> int:
                raise OSError(number, os.strerror(number))

            patch = self.patch(certificates, "opener", fails)
            ((level, sentence),) = self.said(10 * INTERVAL)
            self.assertEqual((LogLevel.error, 0), (level, self.revoked))
            self.assertIn(os.strerror(number), sentence)
            patch.restore()
            self.assertIn((LogLevel.info, "FILE reloaded: 1 certificate revoked"), self.said(INTERVAL))
            self.assertEqual(1, self.revoked)
            watch.stop()

    def test_same_again(self) -> None:
        """When the file that was in force is back after a bad one, that is said, and no context is made."""
        watch = self.watch()
        content = self.path.read_bytes()
        self.path.write_bytes(b"")
        self.said(INTERVAL)
        self.path.write_bytes(content)
        self.assertEqual([(LogLevel.info, "FILE reloaded: 0 certificates revoked")], self.said(10 * INTERVAL))
        self.assertEqual((0, None), (self.changes, watch.problem))

    def test_touched(self) -> None:
        """A file that is only touched is not spoken of."""
        self.watch()
        self.path.touch()
        self.assertEqual(([], 0), (self.said(10 * INTERVAL), self.changes))

    def test_good_again(self) -> None:
        """After a bad file a good one is taken."""
        self.watch()
        self.path.write_bytes(b"")
        self.said(INTERVAL)
        self.authority.revoke(self.certificates.client)
        self.assertEqual([(LogLevel.info, "FILE reloaded: 1 certificate revoked")], self.said(INTERVAL))
        self.assertEqual(1, self.revoked)

    def test_expired_replacement(self) -> None:
        """A list that has expired does not replace a good one."""
        self.watch()
        self.authority.revoke(end=-timedelta(hours=1))
        ((level, sentence),) = self.said(INTERVAL)
        self.assertEqual(LogLevel.error, level)
        self.assertIn("expired on", sentence)
        self.assertEqual(0, self.changes)

    def test_warnings(self) -> None:
        """Two weeks before a list expires there is a warning each day, and errors from the moment it has."""
        self.authority.revoke(end=14.5 * DAY)
        with capturedLogs() as events:
            self.watch()
        self.assertEqual([], events)
        per_day = [[level for level, _ in self.said(ONE_DAY, ONE_DAY / 24)] for _ in range(17)]
        self.assertEqual([[LogLevel.warn]] * 14, per_day[:14])
        self.assertEqual([[LogLevel.error]] * 3, per_day[14:])

    def test_expiry_at_once(self) -> None:
        """The moment a list expires is not waited for till the next day."""
        self.authority.revoke(end=timedelta(hours=1))
        self.watch()
        self.assertEqual([], self.said(3500))
        self.assertEqual([LogLevel.error], [level for level, _ in self.said(200)])

    def test_clock_set(self) -> None:
        """When the clock is set, a list is judged by the new time at the next look, whichever way it was set."""
        self.authority.revoke(end=13 * DAY)
        self.watch()
        for ahead, level in ((365, LogLevel.error), (0, LogLevel.warn), (20, LogLevel.error), (1, LogLevel.warn)):
            self.ahead = ahead * ONE_DAY
            self.assertEqual([level], [level for level, _ in self.said(INTERVAL)], ahead)
            self.assertEqual([], self.said(3600))

    def test_warning_at_start(self) -> None:
        """A list that expires soon, or has, is warned of at the start."""
        for end, level in ((13 * DAY, LogLevel.warn), (-timedelta(hours=1), LogLevel.error)):
            self.authority.revoke(end=end)
            with capturedLogs() as events:
                self.watch()
            self.assertEqual([level], [event["log_level"] for event in events])

    def test_unreadable_from_now_on(self) -> None:
        """A file that can be read no more, since the daemon is another user, is reported at the start."""
        watch = self.watch()
        watch.stop()
        self.path.unlink()
        with capturedLogs() as events:
            watch.start()
        self.assertEqual(
            f"cannot read {self.path} any longer (No such file or directory): give the user of --uid read permission",
            formatEvent(events[0]),
        )

    def test_warning_after_a_change(self) -> None:
        """A new list that expires soon is warned of when it is read."""
        self.watch()
        self.authority.revoke(end=13 * DAY)
        self.assertEqual([LogLevel.info, LogLevel.warn], [level for level, _ in self.said(INTERVAL)])

    def test_other_settings(self) -> None:
        """The watch looks after the lists in force, also where others have changed them, and rests without any."""
        self.watch()
        self.tls.change(TLSSettings(credentials(self.certificates.server)))
        self.path.write_bytes(b"")
        self.assertEqual([], self.said(10 * INTERVAL))

    def test_stop(self) -> None:
        """Stopped, it leaves nothing behind."""
        self.watch().stop()
        self.assertEqual([], self.clock.getDelayedCalls())
