"""Restores the configuration of our interface when other programs change it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv6Network
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from ....core.errors import ConfigError
from ....core.ip.ipv6 import MINIMUM_MTU
from ....host.kernel.network import NetworkConfig
from ....host.kernel.own_interface import LinkState
from ....net.interfaces import IReactor
from ....net.log import logger

REPAIRS = 5
"""Maximum number of repairs of the interface within PERIOD.

More mean that another program keeps changing it. The daemon does not exit then: that would end every session, and the
restarted daemon would meet the same program.
"""

PERIOD = 60.0
"""Seconds; also the time during which the same change is not logged again."""

PAUSE = 0.1
"""Seconds from the first of several changes to the check of all of them: few programs make only one."""


SOLICITATIONS = 3
"""Router Solicitations sent to restore lost addresses and routes (RFC 4861 section 10: MAX_RTR_SOLICITATIONS)."""

SOLICITATION_INTERVAL = 4.0
"""Seconds between two solicitations (RFC 4861 section 10: RTR_SOLICITATION_INTERVAL)."""


class StateMonitor(Protocol):
    """A source of notifications about the interface."""

    def fileno(self) -> int:
        """Return the descriptor, readable while notifications are pending."""

    def changed(self) -> bool:
        """Read pending notifications; return whether the interface may have changed. Raises OSError on failure."""

    def state(self) -> LinkState | None:
        """Return the current state of the interface, or None if it is gone."""

    def close(self) -> None:
        """Close the source."""


@dataclass(slots=True)
class Change:
    """A change by another program: a sentence, its time by the reactor's clock, and whether it has been reverted."""

    sentence: str
    time: float
    put_right: bool = False


@implementer(IReadDescriptor)
class InterfaceKeeper:
    """Compares the interface with its expected configuration, and repairs it.

    `apply` configures the interface, `solicit` sends a Router Solicitation, and `fatal` stops the daemon with a
    sentence.
    """

    log = logger()

    def __init__(
        self,
        reactor: IReactor,
        monitor: StateMonitor,
        config: NetworkConfig,
        *,
        apply: Callable[[NetworkConfig], None],
        solicit: Callable[[], None],
        fatal: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._monitor = monitor
        self._config = config
        self._apply = apply
        self._solicit = solicit
        self._fatal = fatal
        self._change: Change | None = None
        self._before: LinkState | None = None
        """The state of the link at the last check; None since it came up."""
        self._repairs: deque[float] = deque(maxlen=REPAIRS)
        self._said: dict[str, float] = {}
        self._lost: set[str] = set()
        """Addresses and routes that the next advertisement restores, unless the router has withdrawn them."""
        self._asked: list[float] = []
        """The times of the solicitations sent for them."""
        self._failures = 0
        self._next: IDelayedCall | None = None

    @property
    def change(self) -> Change | None:
        """The latest change by another program."""
        # A change that keeps recurring is not reverted, even if the latest repair succeeded.
        change = self._change
        return change and replace(change, put_right=change.put_right and not self._fights())

    def expect(self, config: NetworkConfig) -> None:
        """Set the expected configuration, which the daemon is about to apply."""
        self._config = config
        self._before = None
        self._lost.clear()

    def start(self) -> None:
        """Start watching."""
        self._reactor.addReader(self)
        self._look_in(0.0)  # not now: the reactor may not run yet, and a fatal error stops it

    def stop(self) -> None:
        """Stop watching."""
        self._reactor.removeReader(self)
        self._cancel()

    def close(self) -> None:
        """Close the monitor."""
        self._monitor.close()

    def doRead(self) -> None:
        """Read pending notifications."""
        try:
            changed = self._monitor.changed()
        except OSError as error:
            self._monitor_failed(str(error.strerror))
        else:
            if changed:
                self._look_in(PAUSE)

    def _look_in(self, seconds: float) -> None:
        """Schedule a check in `seconds`, unless an earlier one is scheduled."""
        if self._next and self._next.active():
            if self._next.getTime() <= self._reactor.seconds() + seconds:
                return
            self._next.cancel()
        self._next = self._reactor.callLater(seconds, self._look)

    def _cancel(self) -> None:
        if self._next and self._next.active():
            self._next.cancel()
        self._next = None

    def _look(self) -> None:
        """Repair the interface, or stop the daemon if the interface is gone or renamed."""
        config, state = self._config, self._monitor.state()
        if state is None:
            self._fatal("the interface was removed, or moved to another network namespace")
        elif state.name != config.interface:
            self._fatal(f"the interface {config.interface} was renamed to {state.name}")
        else:
            self._compare(config, state)

    def _compare(self, config: NetworkConfig, state: LinkState) -> None:
        wrong = list(_differences(config, state))
        announced = config.up and not config.addresses and not wrong
        lost = _kept(self._before) - _kept(state) if announced and self._before else set()
        if wrong or lost:
            self._repair(self._again(config, state), state, wrong, sorted(lost))
        else:
            self._before = state
            if self._change:
                self._await(self._change, _kept(state))

    def _await(self, change: Change, present: set[str]) -> None:
        """Mark the change as reverted once everything lost is restored, or PERIOD has passed."""
        self._lost -= present
        now = self._reactor.seconds()
        left = change.time + PERIOD - now
        if self._lost and left > 0:
            if len(self._asked) < SOLICITATIONS and now - self._asked[-1] >= SOLICITATION_INTERVAL:
                self._ask()
            self._look_in(SOLICITATION_INTERVAL)
        else:
            self._lost.clear()
            change.put_right = True

    def _repair(self, config: NetworkConfig, state: LinkState, wrong: list[str], lost: list[str]) -> None:
        now = self._reactor.seconds()
        self._change = Change(_sentence(config.interface, wrong, lost), now)
        if self._fights():
            left = self._repairs[0] + PERIOD - now
            sentence = f"another program keeps changing the interface {config.interface}: stop it"
            if self._is_new(sentence):
                self.log.warn("{sentence}", event="interface-fight", sentence=sentence)
            self._look_in(max(left, PAUSE))
            return
        self._repairs.append(now)
        sentence = f"{self._change.sentence}; {'reverting the change' if wrong else 'soliciting the router'}"
        if self._is_new(sentence):
            self.log.warn("{sentence}", event="interface-changed", sentence=sentence)
        self._look_in(PAUSE)
        try:
            self._apply(config)
        except ConfigError as error:
            # Either the interface is gone, which the next check detects, or the other program changed it again.
            self._failures += 1
            if self._failures == REPAIRS:
                self._fatal(f"{self._change.sentence}; this cannot be reverted: {error}")
            return
        self._failures = 0
        if not state.up or not state.addresses:
            self._before = None  # the kernel configures the interface anew, and solicits routers itself
        if lost:
            self._before = state
            self._lost.update(lost)
            self._asked.clear()
            self._ask()

    def _ask(self) -> None:
        self._asked.append(self._reactor.seconds())
        self._solicit()

    def _again(self, config: NetworkConfig, state: LinkState) -> NetworkConfig:
        """Return the configuration to reapply: that of the interface, without the host's global forwarding.

        The next Router Advertisement restores advertised addresses and routes, but not the link-local address that the
        kernel formed when the link came up; without it Neighbor Discovery does not work.
        """
        settings = {**config.settings, "forwarding": 1} if config.forwarding else config.settings
        there = _prefixes(state) & set(state.routes)
        stayed = config.up and state.up and state.mtu >= MINIMUM_MTU  # otherwise the kernel forms a new one
        before = self._before.addresses if self._before and stayed else ()
        own = tuple(address for address in before if address.ip.is_link_local and address.network not in there)
        return replace(config, forwarding=False, settings=settings, addresses=config.addresses or own)

    def _fights(self) -> bool:
        return len(self._repairs) == REPAIRS and self._reactor.seconds() - self._repairs[0] < PERIOD

    def _is_new(self, sentence: str) -> bool:
        """Return whether a sentence has not been logged within PERIOD, and record it as logged now."""
        now = self._reactor.seconds()
        self._said = {said: when for said, when in self._said.items() if now - when < PERIOD}
        if sentence in self._said:
            return False
        self._said[sentence] = now
        return True

    def _monitor_failed(self, reason: str) -> None:
        self._reactor.removeReader(self)
        self.log.error(
            "the kernel no longer reports changes of the interface: {reason}", event="kernel-silent", reason=reason
        )

    def fileno(self) -> int:
        """Return the monitor's descriptor."""
        return self._monitor.fileno()

    def connectionLost(self, reason: Failure) -> None:
        """Report that the descriptor has failed."""
        self._monitor_failed(reason.getErrorMessage())

    def logPrefix(self) -> str:
        """Return the name used in the log."""
        return "interface"


def _sentence(interface: str, wrong: list[str], lost: list[str]) -> str:
    if wrong:
        return f"another program changed the interface {interface}: {', '.join(wrong)}"
    return (
        f"the interface {interface} has lost {', '.join(lost)}: another program removed it, or the router withdrew it"
    )


def _differences(config: NetworkConfig, state: LinkState) -> Iterator[str]:
    if state.up != config.up:
        yield "it is up" if state.up else "it is down"
    if state.mtu != config.mtu:
        yield f"its MTU is {state.mtu}"
    if not state.arp:
        yield "it has the flag NOARP"
    if not state.multicast:
        yield "it lacks the flag MULTICAST"
    if config.up and state.up:
        for address in config.addresses:
            if address not in state.addresses:
                yield f"its address {address} is missing"
            elif address.network not in state.routes:
                yield f"its route {address.network} is missing"
        for network in config.routes:
            if network not in state.routes:
                yield f"its route {network} is missing"


def _kept(state: LinkState) -> set[str]:
    """Return descriptions of the prefixes and routes configured from Router Advertisements.

    Single addresses do not count: another in the prefix may replace one, as temporary addresses do daily (RFC 8981).
    """
    return {f"the addresses in {it}" for it in _prefixes(state)} | {f"the route {it}" for it in state.routes}


def _prefixes(state: LinkState) -> set[IPv6Network]:
    return {address.network for address in state.addresses}
