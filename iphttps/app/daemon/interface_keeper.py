"""Keeps our own interface as the daemon has configured it when other programs change it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv6Network
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from ...core.errors import ConfigError
from ...core.ip.ipv6 import MINIMUM_MTU
from ...host.kernel.network import NetworkConfig
from ...host.kernel.own_interface import LinkState
from ...net.interfaces import IReactor
from ...net.log import logger

REPAIRS = 5
"""How often at most the interface is put right within PERIOD.

Past that another program is at work on it. The daemon does not end then: that would end every session, and the next
one would meet the same program.
"""

PERIOD = 60.0
"""Seconds. Also how long the same change is not logged again."""

PAUSE = 0.1
"""Seconds from the first of several changes until all are looked at: few programs make only one."""


SOLICITATIONS = 3
"""How often the router is solicited for what has been lost (RFC 4861 section 10: MAX_RTR_SOLICITATIONS)."""

SOLICITATION_INTERVAL = 4.0
"""Seconds between two of them (RFC 4861 section 10: RTR_SOLICITATION_INTERVAL)."""


class StateMonitor(Protocol):
    """What hears that the interface may have changed."""

    def fileno(self) -> int:
        """Return the descriptor that is readable then."""

    def changed(self) -> bool:
        """Take what waits, and tell whether the interface may have changed; raises OSError if there is no more."""

    def state(self) -> LinkState | None:
        """Return what the interface is like, or None if it is gone."""

    def close(self) -> None:
        """Listen no more."""


@dataclass(slots=True)
class Change:
    """What another program has changed: a sentence; when, by the reactor's clock; whether it has been put right."""

    sentence: str
    time: float
    put_right: bool = False


@implementer(IReadDescriptor)
class InterfaceKeeper:
    """Compares the interface with what was last expected of it.

    `apply` configures the interface, `solicit` asks the routers on the link to advertise themselves again, and `fatal`
    ends the daemon with a sentence.
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
        """What the link was like at the last look; None since it came up."""
        self._repairs: deque[float] = deque(maxlen=REPAIRS)
        self._said: dict[str, float] = {}
        self._lost: set[str] = set()
        """What is to come back with the next advertisement, unless the router has withdrawn it."""
        self._asked: list[float] = []
        """When the router was solicited for that."""
        self._failures = 0
        self._next: IDelayedCall | None = None

    @property
    def change(self) -> Change | None:
        """The latest change by another program."""
        # The latest repair does not put a change right that keeps coming back.
        change = self._change
        return change and replace(change, put_right=change.put_right and not self._fights())

    def expect(self, config: NetworkConfig) -> None:
        """Keep the interface like this from now on; the daemon is about to make it so."""
        self._config = config
        self._before = None
        self._lost.clear()

    def start(self) -> None:
        """Watch from now on."""
        self._reactor.addReader(self)
        self._look_in(0.0)  # the reactor may not run yet, and what is fatal stops it

    def stop(self) -> None:
        """Watch no more."""
        self._reactor.removeReader(self)
        self._cancel()

    def close(self) -> None:
        """Give the monitor back."""
        self._monitor.close()

    def doRead(self) -> None:
        """Hear of a change."""
        try:
            changed = self._monitor.changed()
        except OSError as error:
            self._blind(str(error.strerror))
        else:
            if changed:
                self._look_in(PAUSE)

    def _look_in(self, seconds: float) -> None:
        """Look in so many seconds, or earlier if that is planned already."""
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
        """Put right what others have changed, or end the daemon where that cannot be."""
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
        """Call the change put right when all is back, or is not to come any more."""
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
            # The interface may be gone since, as the next look finds; or the other program was faster.
            self._failures += 1
            if self._failures == REPAIRS:
                self._fatal(f"{self._change.sentence}; this cannot be reverted: {error}")
            return
        self._failures = 0
        if not state.up or not state.addresses:
            self._before = None  # the kernel begins anew, and solicits routers by itself
        if lost:
            self._before = state
            self._lost.update(lost)
            self._asked.clear()
            self._ask()

    def _ask(self) -> None:
        self._asked.append(self._reactor.seconds())
        self._solicit()

    def _again(self, config: NetworkConfig, state: LinkState) -> NetworkConfig:
        """Return what is to be applied again: what is the interface's, but not the host's forwarding as a whole.

        What routers announce comes back with their advertisement; not so the link-local address that the kernel made
        when the link came up, without which there is no Neighbor Discovery.
        """
        settings = {**config.settings, "forwarding": 1} if config.forwarding else config.settings
        there = _prefixes(state) & set(state.routes)
        stayed = config.up and state.up and state.mtu >= MINIMUM_MTU  # or else the kernel makes a new one
        before = self._before.addresses if self._before and stayed else ()
        own = tuple(address for address in before if address.ip.is_link_local and address.network not in there)
        return replace(config, forwarding=False, settings=settings, addresses=config.addresses or own)

    def _fights(self) -> bool:
        return len(self._repairs) == REPAIRS and self._reactor.seconds() - self._repairs[0] < PERIOD

    def _is_new(self, sentence: str) -> bool:
        """Tell whether a sentence has not been logged within the period, and note that it is now."""
        now = self._reactor.seconds()
        self._said = {said: when for said, when in self._said.items() if now - when < PERIOD}
        if sentence in self._said:
            return False
        self._said[sentence] = now
        return True

    def _blind(self, reason: str) -> None:
        self._reactor.removeReader(self)
        self.log.error(
            "the kernel no longer reports changes of the interface: {reason}", event="kernel-silent", reason=reason
        )

    def fileno(self) -> int:
        """Return the monitor's descriptor."""
        return self._monitor.fileno()

    def connectionLost(self, reason: Failure) -> None:
        """The descriptor has failed."""
        self._blind(reason.getErrorMessage())

    def logPrefix(self) -> str:
        """Name it in the log."""
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


def _kept(state: LinkState) -> set[str]:
    """Return what routers have the kernel make.

    Not each address by itself: another of the prefix may take its place, as temporary ones do every day (RFC 8981).
    """
    return {f"the addresses in {it}" for it in _prefixes(state)} | {f"the route {it}" for it in state.routes}


def _prefixes(state: LinkState) -> set[IPv6Network]:
    return {address.network for address in state.addresses}
