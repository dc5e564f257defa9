"""Tests for iphttps.app.users.logins: logins against the file, their delays, and what a changed file ends."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.users import editing
from iphttps.app.users.logins import INTERVAL, FileLogins
from iphttps.app.users.users_file import Users, UsersFile
from iphttps.core.errors import ConfigError
from iphttps.core.ip.address import IPAddress
from iphttps.core.login_limits import FREE, LONGEST, LONGEST_FOR_USER, TOO_MANY
from iphttps.core.sstp.ppp.pap import AuthenticateRequest
from iphttps.net.sstp.login import Denied, Granted

HERE, THERE = ip_address("192.0.2.7"), ip_address("198.51.100.9")
Verdict = Deferred[Granted | Denied]


class LoginsCase(SynchronousTestCase):
    """A file with alice and bob, on a clock."""

    def setUp(self) -> None:
        """Make the file; the cheap PAP stands for both protocols."""
        self.path = Path(self.mktemp()).absolute()
        for name in ("alice", "bob"):
            editing.add(self.path, name, "secret")
        self.clock = Clock()
        self.logins = FileLogins(self.clock, UsersFile(self.path))
        self.ended: list[tuple[str, str]] = []
        self.logins.ended = lambda name, reason: self.ended.append((name, reason))

    def login(self, name: str = "alice", password: str = "secret", address: IPAddress | None = HERE) -> Verdict:
        """Try to log in."""
        return self.logins.check(AuthenticateRequest(1, name.encode(), password.encode()), address)

    def wrong(self, count: int, name: str = "alice", address: IPAddress | None = HERE) -> None:
        """Fail so often, and wait each time until that is told."""
        for _ in range(count):
            found = self.login(name, "wrong", address)
            self.clock.advance(LONGEST)
            self.assertIsInstance(self.successResultOf(found), Denied)

    def waits(self, found: Verdict) -> float:
        """Return for how many seconds a login has waited for its verdict."""
        before = self.clock.seconds()
        while not found.called:
            self.clock.advance(0.5)
        return self.clock.seconds() - before


class DelayTests(LoginsCase):
    """The delay of a verdict after failures."""

    def test_parallel(self) -> None:
        """Attempts of a source at the same time are judged one after the other; the rest is rejected unchecked."""
        self.wrong(FREE + 4)
        found = [self.login("bob", "wrong") for _ in range(4)] + [self.login("alice")]
        self.assertEqual([each.called for each in found], [False] * 3 + [True] * 2)
        verdict = self.successResultOf(found[4])
        assert isinstance(verdict, Denied)
        self.assertEqual((verdict.code, verdict.sentence), (691, f"'alice': {TOO_MANY}"))
        self.assertEqual([self.waits(each) for each in found[:3]], [8.0] * 3)

    def test_attacked(self) -> None:
        """A user whose password others guess from many sources gets in after some seconds ([MS-SSTP] allows 60)."""
        for number in range(50):
            self.login("alice", "wrong", ip_address(f"203.0.113.{number}"))
            self.clock.advance(1.0)
        found = self.login("alice", "secret", THERE)
        self.assertEqual(self.waits(found), LONGEST_FOR_USER)
        self.assertIsInstance(self.successResultOf(found), Granted)
        self.assertEqual(self.waits(self.login("alice", "secret", THERE)), 0.0)

    def test_unknown(self) -> None:
        """An unknown user is delayed as a known one, and gets the same answer."""
        seen = []
        for name, address in (("alice", HERE), ("nobody", THERE)):
            waited: list[object] = []
            for _ in range(FREE + 5):
                found = self.login(name, "wrong", address)
                waited.append(self.waits(found))
                verdict = self.successResultOf(found)
                assert isinstance(verdict, Denied)
                waited.append((verdict.code, verdict.sentence.replace(name, "X")))
            seen.append(waited)
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[0][::2], [0.0] * (FREE + 1) + [1.0, 2.0, 4.0, 8.0])

    def test_given_up(self) -> None:
        """A client that goes while it waits leaves its turn to the next one."""
        self.wrong(FREE + 4)
        found = self.login()
        found.cancel()
        self.failureResultOf(found)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.waits(self.login()), 8.0)


class ChangeTests(LoginsCase):
    """The effect of changes to the file on sessions."""

    def test_ended(self) -> None:
        """Removed and disabled users, and those with a new password, lose their sessions within a moment."""
        editing.add(self.path, "carol", "secret")
        self.logins.start()
        self.logins.look()
        self.assertEqual((self.ended, len(self.logins.users)), ([], 3))
        editing.remove(self.path, "alice")
        editing.set_password(self.path, "bob", "other")
        self.path.write_text(self.path.read_text() + "disabled = true\n")
        self.clock.advance(INTERVAL)
        self.assertEqual(
            sorted(self.ended),
            [
                ("alice", "the user was removed"),
                ("bob", "the user has a new password"),
                ("carol", "the user was disabled"),
            ],
        )
        self.logins.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_at_login(self) -> None:
        """A change holds for the next login at once."""
        editing.set_password(self.path, "alice", "other")
        self.assertIsInstance(self.successResultOf(self.login()), Denied)
        self.assertIsInstance(self.successResultOf(self.login(password="other")), Granted)
        self.assertEqual(self.ended, [("alice", "the user has a new password")])

    def test_while_waiting(self) -> None:
        """A login that waits is judged by the file as it is then."""
        self.wrong(FREE + 1)
        found = self.login()
        editing.remove(self.path, "alice")
        self.logins.look()
        self.clock.advance(1)
        self.assertIsInstance(self.successResultOf(found), Denied)

    def test_wrong_file(self) -> None:
        """A file that is wrong ends no session and changes no user; it is a problem until it is right again."""
        right = self.path.read_text()
        with capturedLogs() as events:
            self.path.write_text("[alice]\n")
            self.logins.look()
            self.logins.look()
        self.assertEqual([event["event"] for event in events], ["users-kept"])
        self.assertIn(str(self.path), self.logins.problem or "")
        self.assertIsInstance(self.successResultOf(self.login("bob")), Granted)
        self.path.write_text(right)
        self.logins.look()
        self.assertEqual((self.logins.problem, self.ended), (None, []))

    def test_refused(self) -> None:
        """Users that the owner cannot put in force, as for their addresses, change nothing either."""

        def refuse(users: Users) -> None:
            raise ConfigError(f"not {len(users)}")

        self.logins.changed = refuse
        editing.remove(self.path, "alice")
        self.logins.look()
        self.assertEqual((self.logins.problem, self.ended, len(self.logins.users)), ("not 1", [], 2))

    def test_replaced(self) -> None:
        """Another file ends the sessions of users that it does not have, or has with another password."""
        other = Path(self.mktemp()).absolute()
        editing.add(other, "bob", "secret")
        self.logins.replace(UsersFile(other))
        self.assertEqual((self.ended, self.logins.file.path), ([("alice", "the user was removed")], other))
        self.assertIsInstance(self.successResultOf(self.login("bob")), Granted)
