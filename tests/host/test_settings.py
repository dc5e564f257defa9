"""The interface's settings on hosts that are hardened, or where /proc/sys is read-only."""

from __future__ import annotations

from collections.abc import Mapping

from iphttps.app.config.interface_settings import CLIENT as SETTINGS
from iphttps.core.errors import ConfigError
from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel.network import LINK, LinuxNetwork, NetworkConfig, Wanted, unsettled

from .support import NamespaceCase, in_child, read_only_settings, setting

TUNNEL = "iphttps-test"
CLIENT = NetworkConfig(TUNNEL, up=True, settings=SETTINGS)
HARDENED = {
    "accept_dad": 2, "accept_ra": 0, "accept_ra_min_lft": 65535, "accept_ra_pinfo": 0, "accept_ra_rt_info_max_plen": 0,
    "accept_ra_rt_info_min_plen": 128, "accept_ra_rtr_pref": 0, "accept_redirects": 1, "addr_gen_mode": 1,
    "autoconf": 0, "disable_ipv6": 1, "keep_addr_on_down": 1, "max_addresses": 1, "ra_defrtr_metric": 1024,
    "router_solicitation_delay": 60, "router_solicitation_interval": 600, "router_solicitation_max_interval": 86400,
    "router_solicitations": 0,
}  # fmt: skip
"""Default settings of hardening guides, or worse ones."""

CHOICES = {
    "accept_ra_min_hop_limit": 255, "addr_gen_mode": 3, "dad_transmits": 0, "max_addresses": 64,
    "router_solicitation_delay": 0, "router_solicitations": 3,
}  # fmt: skip
"""Settings that also work, and are the administrator's choice."""


class SettingsTests(NamespaceCase):
    """A TUN on a host with settings of its own."""

    def device(self, defaults: Mapping[str, int]) -> None:
        """Make the device where new interfaces begin with these settings."""
        for name, value in defaults.items():
            setting("default", name, value)
        device = TunDevice(TUNNEL)
        self.addCleanup(device.close)

    def test_hardened(self) -> None:
        """The required settings are made on the tunnel's own interface, and nothing else changes."""
        self.device(HARDENED)
        LinuxNetwork().apply(CLIENT)
        self.assertEqual([], [name for name, value in HARDENED.items() if setting(TUNNEL, name) == value])
        self.assertEqual({}, unsettled(TUNNEL, LINK | SETTINGS))
        self.assertEqual(HARDENED, {name: setting("default", name) for name in HARDENED})

    def test_choices(self) -> None:
        """Settings that also work stay unchanged."""
        self.device(CHOICES)
        LinuxNetwork().apply(CLIENT)
        self.assertEqual(CHOICES, {name: setting(TUNNEL, name) for name in CHOICES})

    def test_router(self) -> None:
        """On a router whose new interfaces begin as hosts, the server's is a router's."""
        setting("all", "forwarding", 1)
        self.device({"forwarding": 0})
        LinuxNetwork().apply(NetworkConfig(TUNNEL, up=True, forwarding=True))
        self.assertEqual(1, setting(TUNNEL, "forwarding"))

    def test_changed_in_between(self) -> None:
        """A changed setting is repaired at the next link-up."""
        self.device({})
        LinuxNetwork().apply(CLIENT)
        setting(TUNNEL, "accept_ra", 0)
        LinuxNetwork().apply(CLIENT)
        self.assertEqual(2, setting(TUNNEL, "accept_ra"))

    def test_read_only(self) -> None:
        """A host that is prepared works where /proc/sys is read-only, also a TUN."""
        self.device({name: value.value if isinstance(value, Wanted) else value for name, value in SETTINGS.items()})
        self.assertLess(setting(TUNNEL, "accept_dad"), 1)
        self.assertEqual("", in_child(lambda: applied(CLIENT)))
        self.assertEqual(1, setting(TUNNEL, "accept_dad"))

    def test_read_only_as_it_comes(self) -> None:
        """If a host is not prepared, one sentence names all that is wrong, and what to do."""
        self.device({"max_addresses": 1})
        sentence = in_child(lambda: applied(CLIENT))
        for words in (
            f"cannot set net.ipv6.conf.{TUNNEL}.accept_ra to 2, net.ipv6.conf.{TUNNEL}.max_addresses to 16, ",
            ": /proc/sys is mounted read-only; ",
            " --sysctl net.ipv6.conf.default.accept_ra=2 --sysctl net.ipv6.conf.default.max_addresses=16 ",
        ):
            self.assertIn(words, sentence)
        self.assertNotIn("autoconf", sentence)

    def test_read_only_router(self) -> None:
        """A server names the host's own setting."""
        self.device({"accept_dad": 1})
        sentence = in_child(lambda: applied(NetworkConfig(TUNNEL, up=True, forwarding=True)))
        self.assertIn("cannot set net.ipv6.conf.all.forwarding to 1: ", sentence)
        self.assertIn("/proc/sys is mounted read-only; set it before the start", sentence)

    def test_read_only_prepared_router(self) -> None:
        """A server works on a host that forwards, and whose new interfaces begin with its settings."""
        setting("all", "forwarding", 1)
        settings = {"accept_ra": 0, "addr_gen_mode": 1}
        self.device({"accept_dad": 1, **settings})
        config = NetworkConfig(TUNNEL, up=True, settings=settings, forwarding=True)
        self.assertEqual("", in_child(lambda: applied(config)))


def applied(config: NetworkConfig) -> str:
    """Apply with /proc/sys read-only; return the rejection, or nothing. For a child process."""
    read_only_settings()
    try:
        LinuxNetwork().apply(config)
    except ConfigError as error:
        return str(error)
    return ""
