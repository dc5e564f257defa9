"""The SSTP service: sessions, logins and addresses of users on a shared link ([MS-SSTP] 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from time import time

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ...core.admission import HandshakeLimiter
from ...core.counters import Counters
from ...core.http.answer import DEFAULT_SERVER
from ...core.http.request_head import RequestHead
from ...core.ip.address import IPAddress
from ...core.ip.router import Router
from ...core.limits import TokenBucket
from ...core.queues.memory import SharedMemory
from ...core.sources import Sources
from ...core.sstp.call import Call, Command
from ...core.sstp.crypto_binding import HashProtocol, certificate_hash
from ...core.sstp.ppp.ipv6cp import nobodys
from ...core.sstp.ppp.lcp import Authentication
from ...core.sstp.ppp.pool import AddressFault, AddressPool
from ...core.sstp.ppp.server import Credentials, Offer
from ...core.sstp.request import METHODS, WRONG_METHOD, accept, is_path, open_call
from ...core.sstp.sessions import SessionEntry, SessionTable
from ...pki.verification import CheckedConnection
from ..downlink import Downlink
from ..interfaces import PacketDevice
from ..listen.rejections import WINDOW, RejectionLog
from ..listen.service import CertificatePolicy, Peer
from ..log import logger
from ..rate import RateLimits
from ..session_log import SessionLog, named
from ..stream.read_scheduler import ReadScheduler
from .link import SSTPLink
from .login import Denied, End, Granted, Logins, Record
from .session import SSTPSession

__all__ = ["FAILURES", "FULL", "LOGIN_FAILED", "UNCONNECTED", "Binding", "SSTPService"]

LOGIN_FAILED, UNCONNECTED, FULL = "login failed", "call not connected", "no room"
"""The kinds of SSTP rejections."""

FAILURES = 64.0
"""Maximum number of failed logins logged individually per WINDOW; the others are only counted."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The parameters of the crypto binding: the hash protocols offered, and the PPP authentication protocols.

    `certificate_hashes` are the hashes of the certificates of a TLS terminator in front of this server; if empty, the
    certificate of each connection's own handshake is used.
    """

    hashes: Sequence[HashProtocol] = tuple(HashProtocol)
    certificate_hashes: tuple[bytes, ...] = ()
    authentication: Sequence[Authentication] = (Authentication.MSCHAPV2,)


class SSTPService(SSTPLink):
    """Admits clients, checks their logins, and forwards their packets.

    `random(n)` returns n random bytes, `day` the time of day for the Date header; `name` is the Server header.
    Without a `pool` clients get no IPv4, without a `router` no IPv6.
    """

    log = logger()
    methods = METHODS
    wrong_method = WRONG_METHOD
    certificate = CertificatePolicy.OPTIONAL

    def __init__(
        self,
        clock: IReactorTime,
        logins: Logins,
        table: SessionTable,
        device: PacketDevice,
        random: Callable[[int], bytes],
        *,
        own: frozenset[bytes],
        pool: AddressPool | None = None,
        prefix: bytes = b"",
        router: Router | None = None,
        dns: Sequence[bytes] = (),
        binding: Binding = Binding(),
        limiter: HandshakeLimiter[SSTPSession] | None = None,
        reads: ReadScheduler | None = None,
        name: str = DEFAULT_SERVER,
        day: Callable[[], float] = time,
        downlink: Downlink | None = None,
    ) -> None:
        super().__init__(clock, table, device, own, prefix, router, downlink)
        self.memory = SharedMemory()
        """The memory queued for all clients together."""
        self.reads = ReadScheduler(clock) if reads is None else reads
        """The reader of the clients' connections; services of one reactor share it."""
        self.rates = RateLimits(clock, self.memory)
        """The maximum rates of users."""
        self.sources = Sources()
        """The number of users' sessions per source."""
        self.past = Counters()
        """The total counters of former clients."""
        self.pool = pool
        self.outside_changed: Callable[[], None] = _nothing
        """Called when a client gets or frees an address outside the pool's network."""
        self.binding = binding
        self.dns = tuple(dns)
        self.stopping = False
        self._logins = logins
        self._random = random
        self.limiter = HandshakeLimiter[SSTPSession]() if limiter is None else limiter
        """The limiter of the sessions that are not connected yet."""
        self._name = name
        self._day = day
        self._outer: dict[SessionEntry, IPAddress | None] = {}
        self._records: dict[SessionEntry, Record] = {}
        self._sessions = SessionLog(clock, self.log)
        self._unconnected: dict[SessionEntry, str] = {}
        """The clients whose calls are not connected yet, with the kind of rejection to log if they end now."""
        self._failures = TokenBucket(FAILURES / WINDOW, FAILURES)
        self._rejections = RejectionLog(clock, self.log)

    def serves(self, path: str) -> bool:
        """Return True if this path opens calls."""
        return is_path(path)

    def start(self) -> None:
        """Start advertising."""
        self.stopping = False
        self.start_advertising()

    def stop(self) -> None:
        """Stop advertising; the sessions are disconnected next."""
        self.stopping = True
        self._sessions.close()
        self._rejections.close()
        self.stop_advertising()

    def limit(self, sessions: int, per_user: int) -> None:
        """Change the limits; no session ends."""
        self.table.seats.maximum, self.table.per_user = sessions, per_user

    # The life of a client, in order.

    def admit(self, peer: Peer, request: RequestHead) -> SSTPSession:
        """Return a session for the client, whose user is unknown so far.

        It takes no seat until its user is authenticated; the limiter bounds the number of these sessions.

        Raises:
            ProtocolError: The request opens no call.
        """
        rest = open_call(request)
        hashes = self.binding.certificate_hashes or _hashes(peer.tls)
        call = Call(self._random, b"iphttps", hashes, self.binding.hashes, self.binding.authentication)
        session = SSTPSession(self, call, accept(self._name, self._day()), rest)
        entry = self.table.add(session, peer.name, self.clock.seconds(), peer.suite)
        session.begin(entry)
        self._outer[entry] = peer.address
        self._unconnected[entry] = UNCONNECTED
        if displaced := self.limiter.add(session, peer.address):
            displaced.give_way("displaced by a newer connection: too many calls are not connected yet")
        return session

    def login(self, entry: SessionEntry, credentials: Credentials) -> Deferred[Granted | Denied]:
        """Check a client's credentials."""
        return self._logins.check(credentials, self._outer.get(entry))

    def decided(self, entry: SessionEntry, call: Call, verdict: Granted | Denied) -> list[Command]:
        """Apply the verdict on a call's credentials; return the commands to perform."""
        now = self.clock.seconds()
        if isinstance(verdict, Denied):
            self._unconnected[entry] = LOGIN_FAILED
            if self._failures.take(now):
                self.log.info(
                    "{who}: login failed: {reason}",
                    event="login-failed",
                    reason=verdict.sentence,
                    **named(entry, entry.user or None),
                )
            return call.reject(f"login failed: {verdict.sentence}", verdict.code, now)
        if not call.awaits_verdict:
            return []
        for old in self.table.surplus(verdict.user):
            limit = self.table.per_user
            old.connection.disconnect(f"{verdict.user} logged in again, and may have only {limit} sessions at a time")
        for old in self._holders(verdict):
            old.connection.disconnect(f"{verdict.user} logged in again, and only one session can have a fixed address")
        if obstacle := self._seat(entry, verdict.user):
            self._unconnected[entry] = FULL
            return call.disconnect(f"there is no room for {verdict.user}: {obstacle}", now)
        session = entry.connection
        assert isinstance(session, SSTPSession)
        self.limiter.heard(session)  # unauthenticated sessions no longer displace it
        entry.max_rate = verdict.max_rate
        if verdict.record:
            self._records[entry] = verdict.record
        return call.accept(self._offer(entry, verdict), now, verdict.success, verdict.hlak)

    def _holders(self, verdict: Granted) -> list[SessionEntry]:
        """Return the user's sessions that hold the fixed addresses of the user: after roaming they may be dead."""
        fixed = (self.pool and self.pool.fixed(verdict.user)) or verdict.address
        identifier = self.reserved.identifier(verdict.user)
        return [
            each
            for each in self.table.of_user(verdict.user)
            if (fixed and each.address == fixed.packed) or (identifier and each.sources.link_local[8:] == identifier)
        ]

    def _seat(self, entry: SessionEntry, user: str) -> str | None:
        """Give a user's session a seat; return the reason if there is none."""
        address = self._outer[entry]
        if source := self.sources.full(address):
            return f"{source} has reached --max-sessions-per-source"
        if not self.table.seat(entry, user):
            return f"the server has reached --max-clients, {self.table.seats.maximum}"
        self.sources.add(address)
        return None

    def _offer(self, entry: SessionEntry, verdict: Granted) -> Offer:
        identifier, taken = self._identifier(entry)
        if self.pool is None:
            return Offer(identifier=identifier, taken=taken)
        address = self.pool.take(verdict.user, verdict.address)
        if isinstance(address, AddressFault):
            self.log.warn(
                "{who} gets no IPv4 address: {reason}",
                event="no-address",
                reason=address.value,
                **named(entry, entry.user or None),
            )
            return Offer(identifier=identifier, taken=taken)
        entry.address = address.packed
        if address not in self.pool.network:
            self.outside_changed()
        claim = partial(self._claim, entry.number)
        return Offer(self.pool.server.packed, address.packed, self.dns, identifier, taken, claim)

    def _claim(self, number: int, wanted: bytes) -> bool:
        """Give a session the address that it requests if an older session of its user has it; that session ends.

        A client that has moved to another network requests its address of before (RFC 1332 section 3.3), which its old
        session holds until the server notices that it is dead.
        """
        entry = self.table.get(number)
        if not entry or not entry.address or not self.pool:
            return False
        for old in self.table.of_user(entry.user):
            if old is not entry and old.address == wanted:
                old.connection.disconnect(f"{entry.user} logged in again, and requests its address")
                break
        else:
            return False
        address = self.pool.take(entry.user, IPv4Address(wanted))
        if isinstance(address, AddressFault):
            return False
        self.pool.free(IPv4Address(entry.address))
        entry.address = wanted
        self.outside_changed()
        return True

    def _identifier(self, entry: SessionEntry) -> tuple[bytes, Callable[[bytes], bool]]:
        """Return the interface identifier for a client, empty without IPv6, and a test for identifiers it may not have.

        With a fixed address only its identifier is allowed, unless another session of the user has it.
        """
        if not self._router:
            return b"", nobodys
        taken = partial(self.taken, entry.number)  # not the entry: it would refer to itself
        fixed = self.reserved.identifier(entry.user)
        return (fixed, fixed.__ne__) if fixed and not taken(fixed) else (self._random(8), taken)

    def connected(self, entry: SessionEntry) -> None:
        """Log a client with a valid crypto binding, whose packets pass from now on."""
        session = self._established(entry)
        self.rates.join(session, entry.user, (entry.user,), entry.max_rate)
        self._sessions.opened(entry, self._outer[entry], entry.user)
        if record := self._records.get(entry):
            record.begin(entry)

    def _established(self, entry: SessionEntry) -> SSTPSession:
        session = entry.connection
        assert isinstance(session, SSTPSession)
        self.limiter.remove(session)
        self._unconnected.pop(entry, None)
        return session

    def released(self, entry: SessionEntry) -> None:
        """Free the addresses of a client whose call ends; a repeated call has no effect."""
        super().released(entry)
        self.rates.leave(entry.connection)
        if self.pool and entry.address:
            address = IPv4Address(entry.address)
            self.pool.free(address)
            if address not in self.pool.network:
                self.outside_changed()
        entry.address = b""
        if entry.seated:
            self.sources.remove(self._outer[entry])
            self.table.vacate(entry)
        entry.ending = True

    def left(self, entry: SessionEntry, sentence: str) -> None:
        """Tear down the state of a client."""
        self.released(entry)
        kind = self._unconnected.get(entry)
        self._established(entry)
        self.table.remove(entry)
        session = entry.connection
        assert isinstance(session, SSTPSession)
        if record := self._records.pop(entry, None):
            record.end(entry, self._end(session))
        del self._outer[entry]
        self.past.add(entry.counters)
        if kind:
            self._rejections.note(entry.peer, sentence, kind)
            return
        self._sessions.ended(entry, entry.user, sentence)

    def _end(self, session: SSTPSession) -> End:
        by_client = session.call.ended_by_client
        if by_client is None:
            return End.LOST
        return End.CLIENT if by_client else End.STOPPING if self.stopping else End.SERVER


def _hashes(tls: CheckedConnection | None) -> tuple[bytes, ...]:
    """Return the hashes of the certificate in the client's TLS handshake ([MS-SSTP] 3.2.5.2.1)."""
    certificate = tls and tls.get_certificate(as_cryptography=True)
    if not certificate:
        return ()
    return tuple(certificate_hash(certificate.public_bytes(Encoding.DER), each) for each in HashProtocol)


def _nothing() -> None:
    """Do nothing."""
