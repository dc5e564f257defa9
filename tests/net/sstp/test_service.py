"""The service: what each client gets, and what the log says."""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted.logger import capturedLogs

from iphttps.core.errors import DropReason
from iphttps.core.ip import ipv4, ipv6
from iphttps.core.ip.ndp import recognise
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.core.sstp.ppp.ipcp import ClientIPCP
from iphttps.net.listen.rejections import LINES
from iphttps.net.sstp import service
from iphttps.net.sstp.login import Denied
from tests.net.sstp.support import FAR, FAR_IPV6, SSTPCase, from_far, from_far_ipv6, leave, said, to_far
from tests.net.support import PREFIX, SERVER_LINK_LOCAL
from tests.sstp_client import CALL_DISCONNECT, CALL_DISCONNECT_ACK, message, packet


class UserTests(SSTPCase):
    """Users, their sessions and their addresses."""

    def test_newest_wins(self) -> None:
        """One session more than a user may have ends the oldest one, whose address is free for it at once."""
        first, second, third = self.connected(), self.connected(), self.connected()
        first.take()
        self.assertEqual((first.kinds, second.kinds), ([CALL_DISCONNECT], []))
        self.assertEqual(third.ipcp.address, first.ipcp.address)
        sent = from_far(third)
        self.from_host(sent)
        third.take()
        first.send(message(CALL_DISCONNECT_ACK))
        self.from_host(sent)
        third.take()
        self.assertEqual(third.packets, [sent, sent])

    def test_exhausted(self) -> None:
        """A client for whom no address is left is told so by Protocol-Reject, and has IPv6 (RFC 1661 section 5.7)."""
        self.per_user = 0
        self.table.per_user = 0
        for _ in range(5):
            self.connected()
        with capturedLogs() as events:
            caller = self.caller()
            caller.call()
        self.assertEqual(caller.up & set(caller.networks), {0x8057})
        self.assertEqual(len(said(events, "no-address")), 1)
        self.assertIn("all addresses of the pool are in use", said(events, "no-address")[0])

    def test_fixed_identifier(self) -> None:
        """A user with a fixed IPv6 address gets its interface identifier, whatever the client asks for (RFC 5072 4.1).

        Neither another client's interface identifier nor an address that it forms may be that.
        """
        fixed = PREFIX[7]
        self.service.reserved.reserve({"alice": fixed})
        identifier = fixed.packed[8:]
        bob = self.caller("bob")
        bob.ipv6cp.identifier = identifier
        bob.call()
        self.assertTrue(bob.ready)
        self.assertNotEqual(bob.ipv6cp.identifier, identifier)
        sent = ipv6.packet(fixed.packed, FAR_IPV6, ipv6.UDP, bytes(8), 64)
        bob.send(packet(sent))
        self.assertEqual((self.device.taken, bob.entry.counters.drops), ([], {DropReason.SOURCE_HELD: 1}))
        alice = self.connected()
        self.assertEqual(alice.ipv6cp.identifier, identifier)
        alice.send(packet(sent))
        self.assertEqual(self.device.taken, [sent])

    def test_fixed_insisting(self) -> None:
        """A client that takes no other interface identifier than its own does without, and has the fixed one."""
        self.service.reserved.reserve({"alice": PREFIX[7]})
        caller = self.caller()
        caller.ipv6cp._yielding = False
        caller.call()
        self.assertTrue(caller.ready)
        self.assertEqual(caller.entry.sources.link_local[8:], PREFIX[7].packed[8:])

    def test_fixed_twice(self) -> None:
        """A user with a fixed address of either family has one session: the newest, as the older may be dead."""
        self.service.reserved.reserve({"alice": PREFIX[7]})
        self.pool.reserve({"bob": IPv4Address("10.99.0.5")})
        for user in ("alice", "bob", "carol"):
            older, newer = self.connected(user), self.connected(user)
            self.assertEqual(older.entry.ending, user != "carol")
            self.assertFalse(newer.entry.ending)
            if user == "alice":
                self.assertEqual(newer.ipv6cp.identifier, PREFIX[7].packed[8:])
            if user == "bob":
                self.assertEqual(newer.ipcp.address, bytes((10, 99, 0, 5)))

    def test_roaming(self) -> None:
        """A client that requests the address of an older session of its user has it, and the older session ends.

        Nobody gets the address of another user, or of nobody (RFC 1332 section 3.3).
        """
        self.table.per_user = 0
        older, other = self.connected(), self.connected("bob")
        for wanted, given in (
            (other.ipcp.address, False),
            (bytes((10, 99, 0, 200)), False),
            (older.ipcp.address, True),
        ):
            newer = self.caller()
            newer.ipcp = ClientIPCP(wanted)
            newer.networks[ProtocolNumber.IPCP] = newer.ipcp
            newer.call()
            self.assertTrue(newer.ready)
            self.assertEqual((newer.ipcp.address == wanted, older.entry.ending), (given, given))
            self.assertEqual(newer.entry.address, newer.ipcp.address)
        self.assertFalse(other.entry.ending)
        held = [each.entry.address for each in (other, newer)]
        self.assertEqual(len(set(held)), 2)

    def test_outside(self) -> None:
        """When a client gets an address outside the pool, and when it has it no longer, the owner is told."""
        held: list[tuple[IPv4Address, ...]] = []
        self.service.outside_changed = lambda: held.append(self.pool.outside)
        address = IPv4Address("198.51.100.7")
        self.pool.reserve({"alice": address})
        caller = self.connected()
        self.connected("bob")
        self.assertEqual((caller.ipcp.address, held), (address.packed, [(address,)]))
        leave(caller)
        self.assertEqual(held, [(address,), ()])

    def test_failed_login(self) -> None:
        """A failed login is logged with the user's name and no password; the end of its call is no record."""
        self.users.denied = Denied(691, "'alice': the name or the password is wrong")
        with capturedLogs() as events:
            caller = self.caller()
            caller.call()
            leave(caller)
        self.assertEqual(len(said(events, "login-failed")), 1)
        self.assertIn("login failed: 'alice': the name or the password is wrong", said(events, "login-failed")[0])
        self.assertEqual(said(events, "session-opened") + said(events, "session-ended"), [])

    def test_storm(self) -> None:
        """Many failed logins fill no log: so many lines, then one with their number."""
        self.users.denied = Denied(691, "wrong")
        self.patch(service, "FAILURES", 5.0)
        self.service._failures._burst = self.service._failures._tokens = 5.0
        with capturedLogs() as events:
            for _ in range(40):
                caller = self.caller()
                caller.call()
                leave(caller)
            self.service.stop()
        self.assertEqual(len(said(events, "login-failed")), 5)
        self.assertEqual(len(said(events, "refused")), LINES)
        self.assertIn("login failed", said(events, "refused-more")[0])

    def test_records(self) -> None:
        """A connected client has a line at its begin and a record at its end, with its user as identity."""
        with capturedLogs() as events:
            caller = self.connected()
            caller.send(packet(to_far(caller)))
            leave(caller)
        (opened,), (ended,) = (
            [each for each in events if each.get("event") == name] for name in ("session-opened", "session-ended")
        )
        self.assertEqual((opened["identity"], ended["identity"]), ("alice", "alice"))
        self.assertEqual((ended["packets_in"], ended["dropped"]), (1, 0))
        self.assertGreaterEqual(ended["packets_out"], 1)
        self.assertEqual(self.service.past.packets_in, 1)

    def test_many_records(self) -> None:
        """Many sessions of one user leave a bounded number of lines, begin and end alike."""
        with capturedLogs() as events:
            for _ in range(70):
                leave(self.connected())
            self.service.stop()
        self.assertEqual((len(said(events, "session-opened")), len(said(events, "session-ended"))), (64, 64))
        self.assertIn("6 more sessions of alice", said(events, "sessions-more")[0])


class PacketTests(SSTPCase):
    """Packets between clients and the host."""

    def test_ipv6(self) -> None:
        """A client gets a Router Advertisement when IPV6CP opens (RFC 4861 section 6.2.4)."""
        caller = self.caller()
        caller.call()
        advertised = [each for each in caller.packets if each[0] >> 4 == 6]
        self.assertEqual([each[ipv6.SOURCE : ipv6.DESTINATION] for each in advertised], [SERVER_LINK_LOCAL.packed])
        self.assertIn(PREFIX.network_address.packed, advertised[0])

    def test_bound(self) -> None:
        """An address of the prefix is bound to the client that sends from it; another may not."""
        one, two = self.connected(), self.connected()
        address = PREFIX.network_address.packed[:8] + b"\x02" + bytes(6) + b"\x11"
        sent = ipv6.packet(address, FAR_IPV6, ipv6.UDP, bytes(8), 64)
        one.send(packet(sent))
        two.send(packet(sent))
        self.assertEqual((self.device.taken, two.entry.counters.drops), ([sent], {DropReason.SOURCE_HELD: 1}))
        back = from_far_ipv6(address)
        self.from_host(back)
        one.take()
        two.take()
        self.assertEqual((one.packets, two.packets), ([back], []))

    def test_spoofed(self) -> None:
        """A source that is not the client's is dropped and counted, in both families."""
        one, two = self.connected(), self.connected()
        two.send(packet(to_far(one)), packet(ipv6.packet(FAR_IPV6, FAR_IPV6, ipv6.UDP, bytes(8), 64)))
        self.assertEqual((self.device.taken, two.entry.counters.drops), ([], {DropReason.SOURCE_FOREIGN: 2}))

    def test_multicast(self) -> None:
        """Multicast of the kernel goes to nobody."""
        caller = self.connected()
        self.from_host(from_far_ipv6(bytes.fromhex("ff02") + bytes(13) + b"\x16"))
        caller.take()
        self.assertEqual((caller.packets, self.service.counters.drops), ([], {DropReason.MULTICAST: 1}))

    def test_advertisements(self) -> None:
        """All clients with IPv6 hear advertisements from time to time, and the last one at the end (RFC 4861 6.2.5)."""
        caller = self.connected()
        self.clock.pump([1.0] * 60)
        caller.take()
        self.assertGreaterEqual(len(caller.packets), 2)
        self.assertTrue(all(recognise(each) for each in caller.packets))
        caller.packets.clear()
        self.service.advertise()
        caller.take()
        self.assertEqual(len(caller.packets), 1)
        caller.packets.clear()
        self.listener.stop()
        caller.take()
        self.assertEqual([each[46:48] for each in caller.packets], [b"\0\0"])  # Router Lifetime
        caller.packets.clear()
        self.clock.pump([1.0] * 60)
        caller.take()
        self.assertEqual(caller.packets, [])

    def test_own_identifier(self) -> None:
        """A client that asks for its interface identifier again keeps it (RFC 5072 section 4.1)."""
        caller = self.connected()
        before = caller.ipv6cp.identifier
        again = [*caller.ipv6cp.down(0.0), *caller.ipv6cp.up(0.0)]
        caller.up.discard(0x8057)
        caller.send(
            *(
                bytes.fromhex("1000") + (8 + len(each)).to_bytes(2) + b"\xff\x03\x80\x57" + each
                for each in again
                if isinstance(each, bytes)
            )
        )
        self.assertEqual((caller.ipv6cp.identifier, caller.ready, caller.kinds), (before, True, []))

    def test_others_identifier(self) -> None:
        """One that another client has is rejected with a better one (RFC 5072 section 4.1)."""
        one, two = self.connected(), self.caller()
        two.ipv6cp.identifier = one.ipv6cp.identifier
        two.call()
        self.assertTrue(two.ready)
        self.assertNotEqual(two.ipv6cp.identifier, one.ipv6cp.identifier)

    def test_same_time(self) -> None:
        """Of two that were granted the same identifier at the same time, the later one to be connected must go."""
        one, two = self.caller(), self.caller()
        for each in (one, two):
            each.ipv6cp.identifier = bytes(7) + b"\x99"
            each.bind = lambda: b""
            each.call()
        one.send(one.bound())
        two.send(two.bound())
        self.assertEqual((one.kinds[1:], two.kinds[1:]), ([], [CALL_DISCONNECT]))

    def test_nobody(self) -> None:
        """A packet for an address that nobody holds is dropped and counted, and its sender hears of it, by family."""
        self.from_host(from_far_ipv6(PREFIX[9].packed), ipv4.packet(FAR, bytes((10, 99, 0, 6)), ipv6.UDP, bytes(8)))
        self.assertEqual(self.service.counters.drops, {DropReason.NO_NEIGHBOR: 2})
        unreachable, host_unreachable = self.device.taken
        self.assertEqual((unreachable[40:42], unreachable[24:40]), (b"\x01\x03", FAR_IPV6))
        self.assertEqual((host_unreachable[20:22], host_unreachable[16:20]), (b"\x03\x01", FAR))

    def test_too_long(self) -> None:
        """A packet longer than the client's MRU gets an ICMP error of its family, and shorter packets pass."""
        caller = self.caller()
        caller.lcp._mru = 1300
        caller.call()
        caller.packets.clear()
        short, long_ipv4 = from_far(caller, 1300), from_far(caller, 1301)
        link_local = b"\xfe\x80" + bytes(6) + caller.ipv6cp.identifier
        self.from_host(short, long_ipv4, from_far_ipv6(link_local, 1301))
        self.from_host(long_ipv4)
        caller.take()
        self.assertEqual((caller.packets, caller.entry.counters.drops), ([short], {DropReason.OVERSIZE: 3}))
        kinds = [each[20:22] if each[0] >> 4 == 4 else each[40:42] for each in self.device.taken]
        self.assertEqual(kinds, [b"\x03\x04", b"\x02\x00", b"\x03\x04"])

    def test_limits(self) -> None:
        """Limits can be changed while clients are there."""
        self.service.limit(3, 1)
        self.assertEqual((self.table.seats.maximum, self.table.per_user), (3, 1))
