"""The common part of both daemons: start with privileges, report errors in one sentence, and clean up."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from time import time
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.python.components import Componentized
from twisted.python.log import ILogObserver

from ...core.errors import ConfigError
from ...core.identity import printable
from ...host.device.offload import open_tun
from ...host.device.tap import TapDevice
from ...host.device.tun import TunDevice
from ...host.kernel.network import LinuxNetwork, NetworkConfig, undo
from ...host.kernel.own_interface import InterfaceMonitor
from ...host.kernel.undo import Note, UnreadableNote
from ...host.process import privileges
from ...host.process.descriptors import raise_limit
from ...host.process.systemd import ServiceManager
from ...host.process.unix import PrivateSocket
from ...net.interfaces import IReactor, PacketDevice
from ...net.log import logger, set_level
from ..config.effective import effective
from ..config.options import DaemonOptions, complain
from ..config.secrets.key_exposure import exposed
from ..control.resource import Control, Route
from ..control.status import Now, Value, interface_change
from . import log_file
from .json_log import json_observer
from .process.stop_signals import StopSignals
from .process.supervision import Supervision
from .state import DaemonState
from .watch.interface_keeper import Change, InterfaceKeeper

DEVICES: Mapping[tuple[str, bool], Callable[[str], PacketDevice]] = {
    ("tun", True): open_tun,
    ("tun", False): TunDevice,
    ("tap", True): TapDevice,
    ("tap", False): TapDevice,
}
"""Constructors of devices by kind and segmentation offload; a TAP device never offloads."""


def note_beside(control: Path) -> Path:
    """Return the path of the file in which a daemon records the host settings to restore should it be killed."""
    return control.with_suffix(".undo")


class HostNetwork(Protocol):
    """The host's network configuration."""

    def apply(self, config: NetworkConfig) -> None:
        """Apply a configuration; applying the same one again changes nothing. Raises ConfigError."""

    def restore(self) -> None:
        """Restore settings that outlive the device: forwarding, and those that enabling it required."""


class Running(Protocol):
    """The parts of a daemon that has been prepared."""

    @property
    def options(self) -> DaemonOptions:
        """The options in force."""

    def routes(self) -> Iterable[Route]:
        """Return what the control socket offers."""

    def condition(self) -> DaemonState:
        """Return the state of the daemon, with one line of text."""

    def start(self) -> None:
        """Start operation, after privileges have been dropped."""

    def solicit(self) -> None:
        """Send a Router Solicitation, if the daemon relies on routers."""

    def quit(self) -> Deferred[Any]:
        """End all sessions; fires when they have ended."""


class NotPrepared:
    """A placeholder for the parts of a daemon that is not yet prepared."""

    def __init__(self, options: DaemonOptions) -> None:
        self.options = options

    def routes(self) -> Iterable[Route]:
        """Return no routes."""
        return ()

    def condition(self) -> DaemonState:
        """Return that the daemon is starting."""
        return DaemonState(up=False, text="starting")

    def start(self) -> None:
        """Do nothing."""

    def solicit(self) -> None:
        """Do nothing."""

    def quit(self) -> Deferred[Any]:
        """Return a Deferred that has already fired."""
        return succeed(None)


class Daemon(Service):
    """A service whose privileged part runs before `twistd` drops to the user given by --uid."""

    log = logger()

    def __init__(
        self,
        options: DaemonOptions,
        reactor: IReactor,
        network: HostNetwork | None = None,
        open_device: Callable[[str], PacketDevice] | None = None,
    ) -> None:
        config = options.config
        set_level(config.log_level)
        self.command = options.command
        self.running_parts: Running = NotPrepared(options)
        self._log_format = config.log_format
        self._twistd: MutableMapping[str, Any] = {} if options.parent is None else options.parent
        self.foreground = bool(self._twistd and self._twistd["nodaemon"])
        self.reactor = reactor
        self.open_device = open_device or DEVICES[config.device, config.offload]
        self._opened = ExitStack()
        """Resources to close at the end."""
        self.descriptors = 0
        """The limit on open file descriptors, set at the start."""
        self._keepers: dict[str, InterfaceKeeper] = {}
        parent = self._twistd or {"uid": None, "gid": None}
        self._control_path = config.control
        self._control_owner = parent["uid"], parent["gid"]
        self._control: Control | None = None
        self._note = Note(note_beside(self._control_path), *self._control_owner) if self._control_path else None
        self.network = network or LinuxNetwork(self._note)
        self._pid_file = options.pid_file
        self._manager = ServiceManager.of(os.environ)
        self.supervision = Supervision(reactor, self._manager, self.condition)
        self._failed = False
        self.signals: StopSignals | None = None
        """The handling of stop signals, if the daemon is a process of its own."""

    def setServiceParent(self, parent: object) -> None:
        """Attach to the application, and set its log observer as configured."""
        if isinstance(parent, Componentized):
            log_file.heed_signal()
            try:
                observer = (json_observer if self._log_format == "json" else log_file.text_observer)(self._twistd)
            except ConfigError as error:
                complain(self.command, str(error))
            if observer:
                parent.setComponent(ILogObserver, observer)
        super().setServiceParent(parent)

    def configure(self, config: NetworkConfig) -> None:
        """Apply an interface configuration, and keep it in force while the daemon runs; raises ConfigError."""
        keeper = self._keepers.get(config.interface)
        if keeper:
            keeper.expect(config)
        self.network.apply(config)
        if not keeper:
            self._keepers[config.interface] = InterfaceKeeper(
                self.reactor,
                InterfaceMonitor(config.interface),
                config,
                apply=self.network.apply,
                solicit=lambda: self.running_parts.solicit(),
                fatal=self.fatal,
            )

    def interface_changed(self) -> Value | None:
        """Return the latest change of an interface by another program, for the status."""
        latest = max(self._changes(), key=lambda change: change.time, default=None)
        return interface_change(latest, Now(self.reactor.seconds(), time())) if latest else None

    def interface_trouble(self) -> list[str]:
        """Return a sentence for each interface that another program has changed, if the change is not reverted."""
        return [change.sentence for change in self._changes() if not change.put_right]

    def _changes(self) -> list[Change]:
        return [change for keeper in self._keepers.values() if (change := keeper.change)]

    def prepare(self) -> Running:
        """Do everything that needs privileges, and return the running parts; raises ConfigError. Abstract."""
        raise NotImplementedError

    def opened(self, interface: str, open_device: Callable[[str], PacketDevice] | None = None) -> PacketDevice:
        """Open a device and register it to be closed when the daemon ends; raises ConfigError."""
        device = (open_device or self.open_device)(interface)
        self._opened.callback(device.close)
        return device

    def condition(self) -> DaemonState:
        """Return the state of the daemon."""
        return self.running_parts.condition()

    def device_lost(self, error: OSError) -> None:
        """Stop the daemon, which cannot work without the device."""
        self.fatal(f"the interface was removed ({error.strerror})")

    def fatal(self, sentence: str) -> None:
        """Stop the daemon after an error that retrying does not fix; later calls do nothing."""
        if self.running and not self._failed:
            self._failed = True
            if self.signals:
                self.signals.disregard()
            self.log.critical("{sentence}; stopping", event="fatal", sentence=sentence)
            self.reactor.stop()

    def exit_as_failed(self) -> None:
        """Exit with status 1 after a fatal error, so that systemd applies `Restart=on-failure`.

        atexit calls this last, because twistd always exits with status 0 once the reactor has run.
        """
        if self._failed:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)

    def privilegedStartService(self) -> None:
        """Prepare the daemon; on failure clean up, report the reason, and exit."""
        try:
            self.descriptors = raise_limit()
            if self._pid_file and (aside := self._pid_file.write()):
                self.log.warn("{sentence}", event="pid-file-aside", sentence=aside)
            self._open_control()
            self.running_parts = self.prepare()
            self._warn_of_key()
            privileges.keep()
        except ConfigError as found:
            error = self.running_parts.options.placed(found)
            self._clean_up()
            self._manager.tell(STATUS=printable(str(error)))
            # In the background standard error is lost.
            if not self.foreground:
                self.log.critical("{error}", event="not-started", error=str(error))
            complain(self.command, str(error))

    def _warn_of_key(self) -> None:
        """Warn if other users can read the private key."""
        key = self.running_parts.options.config.path("private-key")
        if key and (sentence := exposed(key, self._control_owner[1])):
            self.log.warn("--private-key: {sentence}", event="key-exposed", sentence=sentence)

    def startService(self) -> None:
        """Drop the privileges that are no longer needed, and start operation."""
        privileges.narrow()
        super().startService()
        for keeper in self._keepers.values():
            keeper.start()
        if self._control:
            self._control.start()
        self.supervision.start()
        self.running_parts.start()

    def stopService(self) -> Deferred[object]:
        """End all sessions, then restore the host's settings."""
        if self.signals:
            self.signals.disregard()
        super().stopService()
        for keeper in self._keepers.values():
            keeper.stop()
        self.supervision.stopping()
        self._close_control()
        return self.running_parts.quit().addBoth(lambda result: self._clean_up())

    def _open_control(self) -> None:
        """Create the control socket first: if another daemon holds it, nothing else is changed."""
        if self._control_path:
            private = PrivateSocket(self._control_path, *self._control_owner)
            self._control = Control(self.reactor, private, self._offered, self.running_parts.options.role)
        if self._note:
            self._restore_host(self._note)

    def _restore_host(self, note: Note) -> None:
        """Restore the host settings left by a killed daemon; an unreadable note does not prevent the start."""
        try:
            if undo(note):
                self.log.info("restored the host settings that a killed daemon had changed", event="put-back")
        except UnreadableNote as error:
            self.log.warn(
                "{error}: renamed to {aside}; if a daemon was killed, check net.ipv6.conf.all.forwarding,"
                " after SSTP also net.ipv4.conf.all.forwarding, and correct them if necessary",
                event="note-unreadable",
                error=str(error),
                aside=str(note.set_aside()),
            )

    def _offered(self) -> Iterable[Route]:
        configuration = Route("GET", "/configuration", lambda asked: effective(self.running_parts.options))
        return (*self.running_parts.routes(), configuration)

    def _close_control(self) -> None:
        if self._control:
            self._control.stop()
            self._control = None

    def _clean_up(self) -> None:
        self.supervision.stop()
        self._close_control()
        for keeper in self._keepers.values():
            keeper.close()
        self._keepers.clear()
        try:
            self.network.restore()
        except ConfigError as error:
            self.log.error("{error}", event="not-restored", error=str(error))
        self._opened.close()
        if self._pid_file:
            self._pid_file.remove()
