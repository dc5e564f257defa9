"""The laboratory as a test case: made for each test, removed after it, its logs shown where the test failed."""

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.lab import privilege
from iphttps.lab.errors import LabUnavailable
from iphttps.lab.laboratory import LINK_UP, LISTENING, Laboratory
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable

# No daemon may log one of these, whatever is done to it: looked for after every test.
TRACEBACKS = ("Traceback (most recent call last)", "Unhandled Error", "Unhandled error in Deferred")


class LabCase(SynchronousTestCase):
    """A test in a laboratory of its own."""

    # How many clients the network has; a subclass may want more.
    clients = 1

    # What the daemons' devices are; a subclass may have others.
    server_device = client_device = "tun"

    # Whether the clients' kernels probe for duplicates of their addresses, which takes a second for each of two. Who
    # tests the tunnel itself, or what kernels do on the link, has it so; where a tunnel is only needed, it is not.
    probing = False

    # So that no test waits for half a minute, where the delay is not its subject.
    reconnect: tuple[str, ...] = ("--reconnect-initial", "0.2", "--reconnect-maximum", "1")

    def setUp(self) -> None:
        """Make the network, or skip the test with the reason why there can be none."""
        if reason := _obstacle():
            raise SkipTest(reason)
        self.lab = Laboratory(self.clients)
        self.lab.server_device, self.lab.client_device = self.server_device, self.client_device
        self.addCleanup(self.lab.remove)
        self.lab.create()
        if not self.probing:
            for host in self.lab.clients:
                host.setting("ipv6.conf.default.dad_transmits", "0")
        # Cleanups run last to first: this one while everything is still there.
        self.addCleanup(self._check_logs)
        # Nothing tells a cleanup whether the test has failed.
        name = self._testMethodName
        setattr(self, name, self._showing_logs(getattr(self, name)))

    def prefer(self) -> None:
        """Give this test, and the programs that it starts from now on, the processor before others of the machine."""
        before = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, -10)
        self.addCleanup(os.setpriority, os.PRIO_PROCESS, 0, before)

    def server(self, *flags: str, **choices: Any) -> Program:
        """Start a server as Laboratory.server does, and wait until it listens."""
        server = self.lab.server(*flags, **choices)
        server.wait_for(LISTENING)
        return server

    def client(self, number: int = 1, *flags: str, **choices: Any) -> Program:
        """Start a client as Laboratory.client does, and wait until its link is up."""
        client = self.lab.client(number, *self.reconnect, *flags, **choices)
        client.wait_for(LINK_UP)
        return client

    def tunnel(self) -> tuple[Program, Program]:
        """Start a server and the first client, and wait until that client reaches the private host."""
        server, client = self.server(), self.client()
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        return server, client

    def _showing_logs(self, test: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(test)
        def shown() -> None:
            try:
                test()
            except SkipTest:
                raise
            except BaseException:
                print(f"\n{self.lab.logs()}", file=sys.stderr, flush=True)
                raise

        return shown

    def _check_logs(self) -> None:
        for program in self.lab.programs:
            if any(words in program.text for words in TRACEBACKS):
                self.fail(f"{program.name} logged a traceback\n{program.tail()}")


def _obstacle() -> str | None:
    try:
        if privilege.prefix():
            return "This takes root or a user namespace: type 'make test', which enters one."
    except LabUnavailable as reason:
        return str(reason)
    return None
