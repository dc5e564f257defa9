"""The option that says what the tunnel's interface is, the same for both daemons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from iphttps.app.config import client_options, server_options
from iphttps.app.config.options import DaemonOptions
from iphttps.app.daemon.client import ClientDaemon
from iphttps.app.daemon.service import DEVICES
from iphttps.host.device.offload import open_tun
from iphttps.host.device.tap import TapDevice
from iphttps.host.device.tun import TunDevice
from iphttps.net.interfaces import IReactor

from .support import DaemonCase


class DeviceOptionTests(DaemonCase):
    """--device."""

    def both(self) -> Iterator[tuple[DaemonOptions, tuple[str, ...]]]:
        """Yield the options of each daemon, and a command line that will do."""
        plain = ("--uri", "http://127.0.0.1/")
        yield client_options.Options(), plain
        yield server_options.Options(), (*plain, "--prefix", "2001:db8:2::/64", "--authentication", "none")

    def test_kinds(self) -> None:
        """It is a TUN device, with offload if that can be, unless something else is asked for."""
        for given, expected in (
            ((), open_tun),
            (("--device", "tun"), open_tun),
            (("--offload", "off"), TunDevice),
            (("--device=tap",), TapDevice),
            (("--device=tap", "--offload=off"), TapDevice),
        ):
            for options, plain in self.both():
                options.parseOptions([*plain, *given])
                config = options.config
                self.assertIs(DEVICES[config.device, config.offload], expected)

    def test_wrong(self) -> None:
        """Anything else is rejected before anything is touched."""
        for options, plain in self.both():
            self.assertEqual(self.refusal(options, *plain, "--device", "TAP"), "--device is tun or tap, not 'TAP'")
            self.assertEqual(self.refusal(options, *plain, "--offload", "1"), "--offload is auto or off, not '1'")

    def test_daemon(self) -> None:
        """A daemon opens what the option says, where it is not handed something else."""
        options, plain = next(self.both())
        options.parseOptions([*plain, "--device", "tap"])
        daemon = ClientDaemon(cast(client_options.Options, options), cast(IReactor, self.reactor), self.network)
        self.assertIs(daemon.open_device, TapDevice)
