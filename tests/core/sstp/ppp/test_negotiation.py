"""Both sides of each control protocol against each other, and each against whatever a peer may send."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.automaton import MAX_CONFIGURE, RESTART, TIMED, State
from iphttps.core.sstp.ppp.commands import Finished, Layer, Reason
from iphttps.core.sstp.ppp.control import MAX_REFUSALS, MAX_REQUESTS, ControlProtocol
from iphttps.core.sstp.ppp.ipcp import ClientIPCP, ServerIPCP
from iphttps.core.sstp.ppp.ipv6cp import IPV6CP
from iphttps.core.sstp.ppp.lcp import LCP, Authentication
from iphttps.core.sstp.ppp.options import parse
from tests.core.sstp.ppp.support import (
    CODE_REJECT,
    REJECT,
    REQUEST,
    TERMINATE_ACK,
    TERMINATE_REQUEST,
    Wire,
    configure,
    dissected,
    magic_numbers,
    opened,
    plain,
)

MSCHAPV2, PAP = Authentication.MSCHAPV2, Authentication.PAP
OWN, ASSIGNED, DNS = (bytes((10, 0, 0, last)) for last in (1, 2, 53))
ONE, TWO, THREE = (bytes(7) + bytes((last,)) for last in (1, 2, 3))


def server() -> LCP:
    """Return the server's side of LCP."""
    return LCP(magic_numbers(1000), demanded=(MSCHAPV2, PAP))


def client() -> LCP:
    """Return the client's side of LCP."""
    return LCP(magic_numbers(2000), 4091, offered=(PAP,))


def losing(*numbers: int) -> Callable[[int, bytes], bool]:
    """Return what loses the packets of these numbers."""
    return lambda number, packet: number in numbers


PAIRS: dict[str, Callable[[], tuple[ControlProtocol, ControlProtocol]]] = {
    "LCP": lambda: (server(), client()),
    "IPCP": lambda: (ServerIPCP(OWN, ASSIGNED, (DNS,)), ClientIPCP()),
    "IPV6CP, a collision": lambda: (IPV6CP(ONE, TWO), IPV6CP(ONE, THREE, yielding=True)),
    "IPV6CP, both suggest the same": lambda: (IPV6CP(ONE, TWO), IPV6CP(ONE, TWO, yielding=True)),
}

SIDES: dict[str, Callable[[], ControlProtocol]] = {
    "LCP server": server,
    "LCP client": client,
    "IPCP server": lambda: ServerIPCP(OWN, ASSIGNED, (DNS,)),
    "IPCP client": ClientIPCP,
    "IPV6CP server": lambda: IPV6CP(ONE, TWO),
    "IPV6CP client": lambda: IPV6CP(THREE, TWO, yielding=True),
}


class PairTests(SynchronousTestCase):
    """A server and a client."""

    def test_lossless(self) -> None:
        """Both are open without a time-out, and agree on what there is to agree on."""
        for name, pair in PAIRS.items():
            wire = Wire(*pair())
            wire.start()
            wire.run()
            self.assertEqual([State.OPENED] * 2, wire.states, name)
            self.assertEqual(([Layer.UP], [Layer.UP], 0.0), (*wire.heard, wire.now), name)
            self.agreed(*wire.ends)

    def agreed(self, server: ControlProtocol, client: ControlProtocol) -> None:
        """Assert that both have the same opinion."""
        if isinstance(server, LCP) and isinstance(client, LCP):
            self.assertEqual((PAP, PAP), (server.authentication, client.authentication))
            self.assertEqual((4087, 1400), (server.peer_mru, client.peer_mru))
        if isinstance(client, ClientIPCP):
            self.assertEqual((ASSIGNED, OWN, [DNS]), (client.address, client.peer_address, client.dns))
        if isinstance(server, IPV6CP) and isinstance(client, IPV6CP):
            self.assertEqual((TWO, ONE), (client.identifier, server.identifier))
            self.assertEqual(client.identifier, server.peer_identifier)
            # Told by Naks that its identifier collides, the server can end up by not telling it any more.
            self.assertIn(client.peer_identifier, (server.identifier, None))

    def test_each_packet_lost(self) -> None:
        """Whichever packet is lost, and whichever two are, both are open in the end."""
        for (name, pair), first, second in product(PAIRS.items(), range(1, 15), range(1, 15)):
            wire = Wire(*pair(), losing(first, second))
            wire.start()
            wire.run()
            self.assertEqual([State.OPENED] * 2, wire.states, (name, first, second))
            self.agreed(*wire.ends)

    @given(st.sampled_from(sorted(PAIRS)), st.lists(st.booleans(), max_size=40))
    def test_lossy(self, name: str, losses: list[bool]) -> None:
        """On any wire both are open in the end or finished, with a reason, within a bounded time."""
        wire = Wire(*PAIRS[name](), lambda number, _: number <= len(losses) and losses[number - 1])
        wire.start()
        wire.run(1000.0)
        for protocol, heard in zip(wire.ends, wire.heard, strict=True):
            if protocol.state is not State.OPENED:
                self.assertIsInstance(heard[-1], Finished)
            self.assertIn(protocol.state, (State.OPENED, State.STOPPED, State.CLOSED))
        if not any(losses):
            self.agreed(*wire.ends)

    def test_dead(self) -> None:
        """On a wire that loses everything both give up after thirty seconds."""
        for pair in PAIRS.values():
            wire = Wire(*pair(), lambda number, packet: True)
            wire.start()
            wire.run()
            self.assertEqual(([Finished(Reason.NO_ANSWER)],) * 2, wire.heard)
            self.assertEqual((MAX_CONFIGURE * RESTART, 2 * MAX_CONFIGURE), (wire.now, wire.sent))

    def test_terminate(self) -> None:
        """A close by either side finishes both, even if every answer is lost."""
        for (name, pair), end, lossy in product(PAIRS.items(), (0, 1), (False, True)):
            wire = Wire(*pair())
            wire.start()
            wire.run()
            if lossy:
                wire.lost = lambda number, packet: packet[0] == TERMINATE_ACK
            wire.take(end, wire.ends[end].close(wire.now))
            wire.run()
            self.assertEqual([Layer.UP, Layer.DOWN, Finished(Reason.CLOSED)], wire.heard[end], name)
            self.assertEqual([Layer.UP, Layer.DOWN, Finished(Reason.PEER_TERMINATED)], wire.heard[1 - end][:3], name)

    def test_no_common_authentication(self) -> None:
        """A client that has no credentials of the right kind is told apart from one that is silent."""
        wire = Wire(LCP(magic_numbers(1), demanded=(MSCHAPV2,)), LCP(magic_numbers(9), offered=(PAP,)))
        wire.start()
        wire.run()
        self.assertIn(Finished(Reason.AUTHENTICATION_REFUSED), wire.heard[0])
        self.assertNotIn(Layer.UP, [*wire.heard[0], *wire.heard[1]])

    def test_looped_back(self) -> None:
        """A peer that sends our own packets back is found out by the magic number (RFC 1661 6.4)."""
        wire = Wire(server(), client())
        wire.ends = (wire.ends[0], wire.ends[0])
        wire.take(0, wire.ends[0].up(0.0))
        wire.take(0, wire.ends[0].open(0.0))
        wire.run()
        self.assertNotIn(Layer.UP, [*wire.heard[0], *wire.heard[1]])
        self.assertIsInstance([*wire.heard[0], *wire.heard[1]][-1], Finished)

    def test_two_servers(self) -> None:
        """Two servers, each of which assigns the other its address, do not go on for ever."""
        wire = Wire(ServerIPCP(OWN, ASSIGNED), ServerIPCP(OWN, ASSIGNED))
        wire.start()
        wire.run()
        self.assertLess(wire.sent, 4 * MAX_REQUESTS)
        self.assertNotIn(State.REQ_SENT, wire.states)


packets = st.one_of(
    st.binary(max_size=40),
    st.builds(plain, st.integers(0, 16), st.integers(0, 4), st.binary(max_size=12)),
    st.builds(
        lambda code, identifier, options: configure(code, identifier, *options),
        st.integers(1, 4),
        st.integers(0, 4),
        st.lists(
            st.one_of(
                st.tuples(st.integers(0, 20), st.binary(max_size=9)),
                st.sampled_from(
                    [
                        (1, b"\x05\x78"),
                        (1, ONE),
                        (1, TWO),
                        (3, MSCHAPV2.value),
                        (3, PAP.value),
                        (3, OWN),
                        (3, ASSIGNED),
                        (5, (1000).to_bytes(4, "big")),
                        (129, DNS),
                        (129, bytes(4)),
                    ]
                ),
            ),
            max_size=4,
        ),
    ),
)
steps = st.one_of(packets, st.sampled_from(["answer", "expire", "close", "open", "reject"]))


class AnythingTests(SynchronousTestCase):
    """Any packets of a peer, with open and close at any time."""

    @given(st.sampled_from(sorted(SIDES)), st.booleans(), st.lists(steps, max_size=60))
    def test_anything(self, name: str, is_open: bool, script: list[bytes | str]) -> None:
        """Nothing raises, each packet brings at most one packet, or two where a negotiation begins, all well formed."""
        protocol = SIDES[name]()
        now = 0.0
        if is_open:
            options = {"LCP client": (), "IPCP server": ((3, ASSIGNED),), "IPCP client": ((3, OWN),)}.get(name, ())
            ready = ClientIPCP(ASSIGNED) if name == "IPCP client" else protocol
            protocol = opened(ready, *(((1, b"\x02" * 8),) if name.startswith("IPV6CP") else options))
        else:
            protocol.up(now)
            protocol.open(now)
        last = b"\x01\x01\x00\x04"
        for step in script:
            before = protocol.state
            if isinstance(step, bytes):
                commands = protocol.receive(step, now)
            elif step == "answer":
                commands = protocol.receive(b"\x02" + last[1:], now)
            elif step == "expire":
                now += RESTART
                commands = protocol.expired(now)
            elif step == "close":
                commands = protocol.close(now)
            elif step == "open":
                commands = protocol.open(now)
            else:
                commands = protocol.rejected(now)
            sent = [command for command in commands if isinstance(command, bytes)]
            self.assertLessEqual(len(sent), 2 if before in (State.STOPPED, State.OPENED) else 1)
            for packet in sent:
                self.assertEqual(len(packet), int.from_bytes(packet[2:4], "big"))
                if packet[0] <= REJECT:
                    self.assertIsNotNone(parse(packet[4:]))
                received = len(step) if isinstance(step, bytes) else 0
                self.assertLessEqual(len(packet), received + 40)
                last = packet if packet[0] == REQUEST else last
            self.assertEqual(protocol.state in TIMED, protocol.deadline is not None)

    def test_flood(self) -> None:
        """A peer that repeats one bad packet for ever gets at most one answer each, and is soon at the end."""
        for make in SIDES.values():
            protocol = make()
            protocol.up(0.0)
            protocol.open(0.0)
            answers = [protocol.receive(configure(REQUEST, n & 0xFF, (99, b"")), 0.0) for n in range(1000)]
            self.assertEqual(MAX_REFUSALS + 1, sum(map(len, answers)))
            self.assertIs(State.CLOSING, protocol.state)

    def test_longest(self) -> None:
        """A packet as long as SSTP can carry is answered by one that fits too."""
        for make, packet in product(
            SIDES.values(),
            (
                configure(REQUEST, 1, *[(99, bytes(253))] * 15),
                configure(REQUEST, 1, *[(7, b"")] * 64),
                plain(REQUEST, 1, b"\x07\x02" * 2040),
                plain(CODE_REJECT, 1, bytes(4080)),
                plain(TERMINATE_REQUEST, 1, bytes(4080)),
                plain(77, 1, bytes(4080)),
            ),
        ):
            protocol = make()
            protocol.up(0.0)
            protocol.open(0.0)
            for command in protocol.receive(packet, 0.0):
                self.assertLess(len(dissected(command)), 4091)


class MemoryTests(SynchronousTestCase):
    """The memory cost of a client."""

    def test_slots(self) -> None:
        """The objects of one client's three protocols take less than a kilobyte, and have no dictionaries."""
        total = 0
        for name in ("LCP server", "IPCP server", "IPV6CP server"):
            protocol = SIDES[name]()
            self.assertFalse(hasattr(protocol, "__dict__"))
            automaton = protocol._automaton
            self.assertFalse(hasattr(automaton, "__dict__"))
            total += sys.getsizeof(protocol) + sys.getsizeof(automaton)
        self.assertLess(total, 1024)
