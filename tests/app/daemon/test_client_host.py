"""The client as a service, and what its host has to do with it: routes, names, scripts, news."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import capturedLogs, formatEvent

from iphttps.app.config.client_options import Options
from iphttps.app.daemon import running_client as module
from iphttps.app.daemon.hooks.dns_settings import DNSSettings
from iphttps.app.daemon.watch.host_watch import PAUSE, HostWatch
from iphttps.core.client import ClientState
from iphttps.core.errors import ConfigError
from iphttps.host.kernel.monitor import News
from tests.app.daemon import test_client
from tests.core.ip.test_rdnss import domains, servers

URI = ("--uri", "https://vpn.example.org/")


class HostTests(test_client.ClientDaemonCase):
    """The daemon between its connection and its host."""

    def happen(self, news: News) -> None:
        """Let something happen on the host."""
        self.monitors[0].happen(news)
        for reader in self.reactor.getReaders():
            if isinstance(reader, HostWatch):
                cast(IReadDescriptor, reader).doRead()

    def test_default_route(self) -> None:
        """A default route is taken as the operator says."""
        for word, value in (("yes", 1), ("no", 0)):
            daemon = self.daemon("--default-route", word)
            daemon.privilegedStartService()
            self.assertEqual(self.link.settings["accept_ra_defrtr"], value)
            self.assertEqual(self.link.settings["ra_defrtr_metric"], 50)

    def test_pinned(self) -> None:
        """The connection is pinned before the link comes up."""
        pinned: list[object] = []
        self.patch(module, "underlying_socket", lambda transport: "connection")
        self.patch(
            module, "pin", lambda connection, tunnel, **which: pinned.append((connection, tunnel, which, self.link.up))
        )
        self.start()
        self.connect()
        self.assertEqual((pinned, self.link.up), ([("connection", "iphttps0", {"ipv4": False}, False)], True))

    def test_not_pinned(self) -> None:
        """If it cannot be, the link stays down, and the session ends with the reason."""

        def refuse(connection: object, tunnel: str, *, ipv4: bool) -> None:
            raise ConfigError("it is reached through itself")

        self.patch(module, "underlying_socket", lambda transport: "connection")
        self.patch(module, "pin", refuse)
        daemon = self.start()
        _, transport = self.connect()
        self.assertFalse(self.link.up)
        self.reactor.advance(0)
        self.assertTrue(transport.disconnecting)
        client = self.running(daemon).client
        assert client.tunnel
        self.assertEqual(client.tunnel.ending, "it is reached through itself")
        self.assertIs(client.state, ClientState.LINK_UP)  # until the connection has ended

    def test_names(self) -> None:
        """DNS settings announced on the link are passed on; without systemd-resolved, to the log."""
        self.patch(module, "dns_settings", DNSSettings)
        self.start()
        self.connect()
        with capturedLogs() as events:
            self.happen(News(options=(servers("2001:db8:1::53"), domains("example.org"))))
        self.assertRegex(
            str(formatEvent(events[0])),
            "^the link has DNS servers 2001:db8:1::53 and search domains example.org; ",
        )

    def change(self) -> None:
        """Let the network change, and the client notice."""
        self.happen(News(others=True))
        self.reactor.advance(PAUSE)

    def test_changes(self) -> None:
        """A change of a path to the server reaches the client in any state, but not after the end."""
        heard: list[str] = []
        self.patch(module.RunningClient, "_host_changed", lambda daemon, what: heard.append(what))
        daemon = self.start()
        self.patch(self.running(daemon)._servers.paths, "changed", lambda outside: True)
        self.change()
        self.assertEqual(heard, ["the host's network has changed"])
        self.refuse()
        self.happen(News(others=True))
        self.successResultOf(daemon.stopService())
        self.reactor.advance(60)
        self.assertEqual(len(heard), 1)

    def test_unrelated_changes(self) -> None:
        """Other changes lead to no attempt; if the link is up the router is probed."""
        daemon = self.start()
        client = self.running(daemon).client
        self.patch(self.running(daemon)._servers.paths, "changed", lambda outside: False)
        probes: list[None] = []
        self.patch(client.liveness, "check", lambda: probes.append(None))
        attempts = len(self.reactor.tcpClients)
        self.refuse()
        self.reactor.advance(1.0)
        due = client.next_attempt
        self.change()
        self.assertEqual((attempts, due, []), (len(self.reactor.tcpClients), client.next_attempt, probes))
        assert due
        self.reactor.advance(due - self.reactor.seconds())
        self.connect()
        self.change()
        self.assertEqual(1, len(probes))


class HostFlagTests(test_client.ClientDaemonCase):
    """The flags about routes and scripts."""

    def test_default_route(self) -> None:
        """Yes or no, and yes where nothing is said."""
        for words, expected in (((), True), (("--default-route", "yes"), True), (("--default-route", "no"), False)):
            options = Options()
            options.parseOptions([*URI, *words])
            self.assertEqual(options.config.default_route, expected)
        refusal = self.refusal(Options(), *URI, "--default-route", "maybe")
        self.assertEqual(refusal, "--default-route is yes or no, not 'maybe'")

    def test_scripts(self) -> None:
        """A script that cannot be run is rejected before anything is touched."""
        script = Path(self.mktemp()).absolute()
        for flag in ("--up-script", "--down-script"):
            refusal = self.refusal(Options(), *URI, flag, str(script))
            self.assertEqual(refusal, f"{flag} {script}: no such file")
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        options = Options()
        options.parseOptions([*URI, "--up-script", str(script)])
        self.assertEqual({event.value: path for event, path in options.config.scripts.items()}, {"up": script})
