"""Names that another process looks up for a proxy auto-configuration file."""

from __future__ import annotations

import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from iphttps.host.pac import names as pacnames
from iphttps.host.pac.functions import MAXIMUM_NAMES, SystemNames


class AskedNamesTests(SynchronousTestCase):
    """Both ends, in two processes."""

    def started(self) -> int:
        """Start the process, and return what it is asked over."""
        descriptor, pid = pacnames.start(lambda: None)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.close, descriptor)
        self.pid = pid
        return descriptor

    def test_answers(self) -> None:
        """Names, addresses and what is none of both; the host's own addresses; each is asked for once."""
        names = pacnames.AskedNames(self.started())
        self.assertIn("127.0.0.1", names.addresses("localhost"))
        self.assertEqual(names.addresses("2001:db8::1"), ["2001:db8::1"])
        for none in ("", "a\0b", "x" * 70, "x" * 100_000, "\udcff", "no such name.invalid", "ä" * 250):
            self.assertEqual(names.addresses(none), [])
        self.assertEqual(names.own(), SystemNames().own())

    def test_bound(self) -> None:
        """The process that looks up counts the names itself: that which asks may be another's."""
        descriptor = self.started()
        for number in range(MAXIMUM_NAMES):
            os.write(descriptor, b'"192.0.2.%d"' % number)
            self.assertEqual(os.read(descriptor, 100), b'["192.0.2.%d"]' % number)
        os.write(descriptor, b'"192.0.2.200"')
        self.assertEqual(os.read(descriptor, 100), b"[]")

    def test_hostile(self) -> None:
        """Questions that are none get an empty answer."""
        descriptor = self.started()
        for question in (b"\xff", b"{}", b"[" * 4096, b'"' + b"x" * 8000 + b'"', b"1e999", b'"\\ud800"', b"[null]"):
            os.write(descriptor, question)
            self.assertEqual(os.read(descriptor, 100), b"[]", question)

    def test_alone(self) -> None:
        """It holds none of the standard streams, so it keeps nobody waiting for the end of a pipe."""
        pacnames.AskedNames(self.started()).addresses("127.0.0.1")  # it is ready
        self.assertFalse({"0", "1", "2"} & set(os.listdir(f"/proc/{self.pid}/fd")))

    def test_gone(self) -> None:
        """If the other process has ended, names have no addresses."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(ours.close)
        its.close()
        self.assertEqual(pacnames.AskedNames(ours.fileno()).addresses("localhost"), [])
