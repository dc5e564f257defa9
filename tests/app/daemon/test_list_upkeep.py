"""The upkeep of our authority's revocation list: when it is written anew, and what keeps it from that."""

from __future__ import annotations

import os
import resource
import time
from datetime import timedelta

from cryptography import x509
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent

from iphttps.app.daemon.list_upkeep import INTERVAL, RENEWED_AFTER, ListUpkeep
from iphttps.core.http.document import Document
from iphttps.pki.authority.issuing import LIST_LIFETIME, KeyKind
from iphttps.pki.revocation import RevocationLists, now_of
from tests.pki.authority.support import AuthorityCase

HOUR = 3600.0
DAY = 24 * HOUR
WRITTEN = LogLevel.info, "there was no usable revocation list"


class UpkeepTests(AuthorityCase):
    """An upkeep, whose time passes as the test wants it."""

    def setUp(self) -> None:
        """Begin, at the time that it is."""
        super().setUp()
        self.clock = Clock()
        self.clock.advance(time.time())
        self.ahead = self.clock.seconds()
        self.documents: list[tuple[Document, ...]] = []
        self.upkeep = ListUpkeep(
            self.clock, self.place, self.documents.append, lambda: self.clock.seconds() - self.ahead, self.clock.seconds
        )
        self.upkeep.start()
        self.addCleanup(self.upkeep.stop)

    def test_damaged_settings(self) -> None:
        """The server starts, and renews the list, with settings that only matter to new certificates."""
        (self.place / "authority.json").write_bytes(b"{")
        self.authority.list_path.unlink()
        upkeep = ListUpkeep(self.clock, self.place, self.documents.append)
        upkeep.look()
        self.assertIsNone(upkeep.problem)
        self.assertTrue(self.authority.list_path.exists())

    def said(self, seconds: float = INTERVAL, step: float = INTERVAL) -> list[tuple[LogLevel, str]]:
        """Return what is said while so much time passes."""
        with capturedLogs() as events:
            self.clock.pump([step] * round(seconds / step))
        return [(event["log_level"], formatEvent(event).replace(str(self.place), "CA")) for event in events]

    def jump(self, seconds: float) -> None:
        """Set the clock, while no time passes; who waits by the clock has waited."""
        self.ahead += seconds
        self.clock.rightNow += seconds
        for call in self.clock.getDelayedCalls():
            call.delay(seconds)

    def left(self) -> timedelta:
        """Return how long the list is valid still; it must be one that can be enforced now."""
        now = now_of(self.clock.seconds())
        lists = RevocationLists.load(self.authority.list_path, [self.authority.issuer.certificate], now)
        until = lists.next_expiry(now)
        assert until is not None
        return until - now

    def test_renewed(self) -> None:
        """A list is a week old at most, so it has three weeks left at any time; that a new one is there is said."""
        for _ in range(5):
            lines = self.said(RENEWED_AFTER.total_seconds() + HOUR, HOUR)
            self.assertEqual([(LogLevel.info, "wrote CA/crl.pem: the old one was a week old")], lines)
            self.assertGreater(self.left(), LIST_LIFETIME - RENEWED_AFTER)

    def test_published(self) -> None:
        """Each list is published as it is written, by whomever."""
        first = x509.load_der_x509_crl(self.documents[-1][0].content)
        self.assertEqual(0, len(first))
        issued = self.authority.issue_client("alice", key=KeyKind.ECDSA)
        self.authority.revoke("alice")
        self.assertEqual([], self.said())
        (document,) = self.documents[-1]
        self.assertEqual(("/iphttps.crl", "application/pkix-crl"), (document.path, document.kind))
        self.assertEqual([issued.serial], [entry.serial_number for entry in x509.load_der_x509_crl(document.content)])
        self.assertEqual(2, len(self.documents))

    def test_mended(self) -> None:
        """A list that is lost or damaged, or lacks somebody because a command was cut off, is written at once."""
        self.authority.issue_client("alice", key=KeyKind.ECDSA)
        before = self.authority.list_path.read_bytes()
        self.authority.revoke("alice")
        for content, reason in (
            (None, "there was no usable revocation list"),
            (b"rubbish", "there was no usable revocation list"),
            (before, "the old one lacks a revoked certificate"),
        ):
            self.authority.list_path.unlink()
            if content:
                self.authority.list_path.write_bytes(content)
            self.assertEqual([(LogLevel.info, f"wrote CA/crl.pem: {reason}")], self.said())
            self.assertEqual(1, len(x509.load_pem_x509_crl(self.authority.list_path.read_bytes())))

    def test_no_descriptors(self) -> None:
        """Without a descriptor it complains in one sentence, and loses no revocation; with one again it goes on."""
        self.authority.issue_client("alice", key=KeyKind.ECDSA)
        self.authority.revoke("alice")
        _, hard = limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.said()
        for count in (0, 1, 2):  # none, and one or two that others will have taken
            self.authority.list_path.unlink()
            lowest = os.dup(0)
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, hard))
            try:
                lines = self.said(), self.said()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for level, line in (line for said in lines for line in said):
                self.assertIn((level, line.rpartition(": ")[2]), ((LogLevel.error, "Too many open files"), WRITTEN))
            self.said()
            self.assertEqual(1, len(x509.load_pem_x509_crl(self.authority.list_path.read_bytes())))

    def test_clock_forward(self) -> None:
        """When the clock is set forward, beyond the list's end, a new one is there at once."""
        self.jump(100 * DAY)
        (level, jumped), (_, written) = self.said()
        self.assertEqual(LogLevel.warn, level)
        self.assertIn("the clock was set forward by 8640000 seconds", jumped)
        self.assertEqual("wrote CA/crl.pem: the old one had expired", written)
        self.assertGreater(self.left(), timedelta(days=29))

    def test_clock_back(self) -> None:
        """When the clock is set back, before the list's beginning, a new one with a greater number is there at once."""
        self.said(8 * DAY, HOUR)
        before = self.number()
        self.jump(-2 * DAY)
        (level, jumped), (_, written) = self.said()
        self.assertEqual(LogLevel.warn, level)
        self.assertIn("the clock was set back by 172800 seconds", jumped)
        self.assertIn("; the clock was set back", written)
        self.assertGreater(self.left(), timedelta(days=29))
        self.assertGreater(self.number(), before)

    def test_clock_impossible(self) -> None:
        """A clock before the authority's beginning is said once, and shown; nothing is written until it is right."""
        before = self.authority.list_path.read_bytes()
        self.jump(-400 * DAY)
        lines = [sentence for level, sentence in self.said(100 * INTERVAL) if level is LogLevel.error]
        self.assertEqual(1, len(lines))
        self.assertIn("check the clock", lines[0])
        self.assertEqual(lines[0], self.upkeep.problem)
        self.assertEqual(before, self.authority.list_path.read_bytes())
        self.jump(400 * DAY)
        self.said()
        self.assertIsNone(self.upkeep.problem)

    def number(self) -> int:
        """Return the number of the list."""
        current = self.authority.current_list()
        assert current is not None
        return current.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    def test_busy(self) -> None:
        """While a command is at work nothing is done or said, and nobody waits; it is done afterwards."""
        self.authority.list_path.unlink()
        with self.authority.locked():
            self.assertEqual([], self.said(3 * INTERVAL))
        self.assertEqual([LogLevel.info], [level for level, _ in self.said()])

    def test_unwritable(self) -> None:
        """A directory that cannot be written to is said once, shown as long as it lasts, and then forgotten."""
        if os.geteuid() == 0:
            os.seteuid(65534)
            self.addCleanup(os.seteuid, 0)
        else:
            self.place.chmod(0o500)
            self.addCleanup(self.place.chmod, 0o700)
        ((level, sentence),) = self.said(100 * INTERVAL)
        self.assertEqual(LogLevel.error, level)
        self.assertIn("the server's user must own it", sentence)
        self.assertEqual(sentence.replace("CA", str(self.place)), self.upkeep.problem)

    def test_use(self) -> None:
        """A certificate of the authority's is noted to be in use; one of another's, with the same number, is not."""
        issued = self.authority.issue_client("alice", key=KeyKind.ECDSA)
        self.upkeep.use(x509.Name([]), issued.serial)
        self.assertEqual([None], [record.used for record in self.authority.certificates()])
        self.upkeep.use(self.authority.issuer.certificate.subject, issued.serial)
        self.assertNotEqual([None], [record.used for record in self.authority.certificates()])
