"""Finding the proxy: by choice, from the environment, by a file that is named, and by WPAD."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from iphttps.core.errors import ConfigError, DiscoveryError
from iphttps.core.proxy.choice import PACLocation, ProxyChoice
from iphttps.core.proxy.url import Proxy
from iphttps.net.connect import finder as proxyfinder
from iphttps.net.connect.endpoints import URI
from iphttps.net.connect.finder import DIRECT, Proxies, ProxyFinder

from ...app.programs import evaluate_pac
from ...host.support import need_another_user

SERVER = URI.parse("https://vpn.example.org/IPHTTPS")
A = Proxy(False, "a", 8080)
PAC = b"function FindProxyForURL(url, host) { return 'PROXY a:8080; DIRECT'; }"


@implementer(IStreamClientEndpoint)
class Nowhere:
    """A host whose name nobody knows, or which does not answer."""

    def __init__(self, outcome: Deferred[Any]) -> None:
        self._outcome = outcome

    def connect(self, protocolFactory: object) -> Deferred[Any]:
        """Fail, or wait."""
        return self._outcome


class Network:
    """Web servers by name, each with a file; asked in place of the Internet."""

    def __init__(self, port: int = 0, *names: str) -> None:
        self.port = port
        self.names = set(names)
        self.silent: set[str] = set()
        self.asked: list[str] = []

    def connect(self, uri: URI) -> IStreamClientEndpoint:
        """Lead to the one real port, if the name is known."""
        self.asked.append(f"{uri.host}:{uri.port}")
        if uri.host in self.names:
            return TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        return Nowhere(Deferred() if uri.host in self.silent else fail(DNSLookupError()))


class Evaluations:
    """Answers in place of a child process, in order; None does not answer."""

    def __init__(self, *answers: str | Exception | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, URI]] = []

    def __call__(self, pac: str, uri: URI) -> Deferred[str]:
        """Answer."""
        self.asked.append((pac, uri))
        match self.answers.pop(0):
            case str(answer):
                return succeed(answer)
            case Exception() as error:
                return fail(error)
            case _:
                return Deferred()


def said(events: Iterable[Any]) -> list[tuple[LogLevel, str]]:
    """Return what was logged."""
    return [(event["log_level"], formatEvent(event)) for event in events]


class ChoiceTests(SynchronousTestCase):
    """Proxies that need no search."""

    def find(self, word: str, uri: URI = SERVER, **environment: str) -> Deferred[Proxies]:
        """Find by the option's word."""
        return ProxyFinder(Clock(), ProxyChoice.parse(word), evaluate=Evaluations(), environment=environment).find(uri)

    def test_none_and_fixed(self) -> None:
        """None is a direct connection, a URL is that proxy; the environment is not asked."""
        self.assertEqual(self.successResultOf(self.find("none", https_proxy="a:8080")), DIRECT)
        self.assertEqual(self.successResultOf(self.find("http://a:8080", no_proxy="*")), (A,))

    def test_environment(self) -> None:
        """The environment's proxy for this scheme, host and port."""
        self.assertEqual(self.successResultOf(self.find("environment", https_proxy="a:8080")), (A,))
        self.assertEqual(self.successResultOf(self.find("environment", http_proxy="a:8080")), DIRECT)
        exempt = self.find("environment", https_proxy="a:8080", no_proxy="example.org:443")
        self.assertEqual(self.successResultOf(exempt), DIRECT)
        plain = URI.parse("http://vpn.example.org/IPHTTPS")
        self.assertEqual(self.successResultOf(self.find("environment", plain, http_proxy="a:8080")), (A,))

    def test_empty_environment(self) -> None:
        """An environment without a proxy is logged, once for each server."""
        with capturedLogs() as events:
            finder = ProxyFinder(Clock(), ProxyChoice.parse("environment"), evaluate=Evaluations(), environment={})
            self.assertEqual([self.successResultOf(finder.find(SERVER)) for _ in range(2)], [DIRECT] * 2)
        sentence = f"the environment names no proxy for {SERVER.authority}: connecting directly"
        self.assertEqual(said(events), [(LogLevel.info, sentence)])

    def test_wrong_environment(self) -> None:
        """An invalid proxy in the environment fails with the variable's name."""
        failure = self.failureResultOf(self.find("environment", https_proxy="socks5://a"), ConfigError)
        self.assertIn("https_proxy", str(failure.value))


class NamedTests(SynchronousTestCase):
    """A file that --pac names."""

    def setUp(self) -> None:
        """Write a file."""
        self.path = Path(self.mktemp())
        self.path.write_bytes(PAC)

    def finder(self, evaluate: Evaluations, path: str = "") -> ProxyFinder:
        """Return a finder for that file."""
        location = PACLocation.parse(path or f"file://{self.path.absolute()}")
        return ProxyFinder(Clock(), ProxyChoice.parse("auto"), location, evaluate=evaluate)

    def refused(self, finder: ProxyFinder) -> str:
        """Return why nothing is found."""
        return str(self.failureResultOf(finder.find(SERVER), DiscoveryError).value)

    def test_kept_until_forgotten(self) -> None:
        """An answer is kept, for each server its own, until the network changes; then the file is read anew."""
        evaluate = Evaluations("PROXY a:8080; DIRECT", "DIRECT", "HTTPS b")
        finder = self.finder(evaluate)
        other = URI.parse("https://vpn.example.org:8443/")
        self.path.write_bytes(b"\xef\xbb\xbfone")
        for _ in range(3):
            self.assertEqual(self.successResultOf(finder.find(SERVER)), (A, None))
            self.assertEqual(self.successResultOf(finder.find(other)), (None,))
        self.path.write_bytes(b"two \xfc")
        finder.forget()
        self.assertEqual(self.successResultOf(finder.find(SERVER)), (Proxy(True, "b", 443),))
        self.assertEqual(evaluate.asked, [("one", SERVER), ("one", other), ("two ü", SERVER)])

    def test_forgotten_meanwhile(self) -> None:
        """A result for a former network is returned but not cached."""
        late: Deferred[str] = Deferred()
        answers = [late, succeed("HTTPS b")]
        finder = self.finder(lambda pac, uri: answers.pop(0))  # type: ignore[arg-type]  # as good as Evaluations
        first = finder.find(SERVER)
        finder.forget()
        late.callback("PROXY a:8080")
        self.assertEqual(self.successResultOf(first), (A,))
        self.assertEqual(self.successResultOf(finder.find(SERVER)), (Proxy(True, "b", 443),))

    def test_failure(self) -> None:
        """A file that gives no answer is a failure that names it; it is tried again the next time."""
        finder = self.finder(Evaluations(DiscoveryError("it fails"), "SOCKS c:1080", "DIRECT"))
        self.assertEqual(
            self.refused(finder), f"cannot use the PAC file {self.path.absolute()} given by --pac: it fails"
        )
        self.assertIn("SOCKS is not supported", self.refused(finder))
        self.assertEqual(self.successResultOf(finder.find(SERVER)), DIRECT)

    def test_unreadable(self) -> None:
        """A file that is not there, is none, would keep us waiting, or is too large, is not evaluated."""
        directory = Path(self.mktemp())
        directory.mkdir()
        os.mkfifo(directory / "fifo")
        (directory / "large").write_bytes(b"x" * (1 << 20 | 1))
        for path, words in (
            (directory / "none", "No such file"),
            (directory, "Is a directory"),
            (directory / "fifo", "it is not a regular file"),
            (Path("/dev/zero"), "it is not a regular file"),
            (directory / "large", "the file is larger than 1048576 bytes"),
        ):
            self.assertIn(words, self.refused(self.finder(Evaluations(), str(path))))

    def test_said(self) -> None:
        """The log says which way was found, and what was left out."""
        finder = self.finder(Evaluations("PROXY a:8080; SOCKS c; DIRECT"))
        with capturedLogs() as events:
            finder.find(SERVER)
            finder.find(SERVER)
        where = self.path.absolute()
        self.assertEqual(
            said(events),
            [
                (LogLevel.info, f"{where} says how to connect to vpn.example.org: http://a:8080, then directly"),
                (LogLevel.warn, f"ignored entries in the result of {where}: SOCKS c (SOCKS is not supported)"),
            ],
        )

    def test_cancel(self) -> None:
        """A cancelled search gives no result, to others neither."""
        finder = self.finder(Evaluations(None, "DIRECT"))
        found = finder.find(SERVER)
        found.cancel()
        self.failureResultOf(found, CancelledError)
        self.assertEqual(self.successResultOf(finder.find(SERVER)), DIRECT)


class DiscoveryTests(TestCase):
    """WPAD, with a real web server and a real child process where there is something to find."""

    def setUp(self) -> None:
        """Listen with a file, in a network where nobody's name is known."""
        root = Resource()
        self.file = Resource()
        self.content = PAC
        self.patch(self.file, "render", lambda request: self.content)
        root.putChild(b"wpad.dat", self.file)
        site: Any = Site(root)
        site.noisy = False
        port: Any = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.network = Network(port.getHost().port)
        self.resolv_conf = Path(self.mktemp())
        self.resolv_conf.write_text("search berlin.office.example com\n")
        self.clock: Any = reactor

    def finder(self, evaluate: Evaluations | None = None) -> ProxyFinder:
        """Return a finder on a host in that network."""
        return ProxyFinder(
            self.clock,
            ProxyChoice.parse("auto"),
            evaluate=evaluate or evaluate_pac,
            connect=self.network.connect,
            resolv_conf=self.resolv_conf,
            hostname=lambda: "host",
        )

    async def test_found(self) -> None:
        """The host `wpad` of the own domain, or of one above it, has the file; its name is not added to."""
        need_another_user()
        self.network.names = {"wpad.office.example."}
        finder = self.finder()
        self.assertEqual(await finder.find(SERVER), (A, None))
        self.assertEqual(self.network.asked, ["wpad.berlin.office.example.:80", "wpad.office.example.:80"])
        await finder.find(SERVER)
        self.assertEqual(len(self.network.asked), 2)

    async def test_unusable(self) -> None:
        """A file that gives no answer is a direct connection, with a warning, but not at each attempt."""
        need_another_user()
        self.network.names = {"wpad.berlin.office.example."}
        self.content = b"<html>Welcome to our hotel</html>"
        finder = self.finder()
        with capturedLogs() as events:
            self.assertEqual(await finder.find(SERVER), DIRECT)
            finder.forget()  # the direct way led nowhere
            self.assertEqual(await finder.find(SERVER), DIRECT)
        (only,) = [event for event in said(events) if "cannot be used" in event[1]]
        self.assertEqual(only[0], LogLevel.warn)
        self.assertIn("http://wpad.berlin.office.example/wpad.dat cannot be used: the file fails: SyntaxError", only[1])
        self.assertIn("connecting directly", only[1])
        self.content = PAC  # mended, or another network's
        with capturedLogs() as events:
            self.assertEqual(await finder.find(SERVER), (A, None))
            finder.forget()
            self.content = b"<html>Welcome to our hotel</html>"
            self.assertEqual(await finder.find(SERVER), DIRECT)
        levels = [level for level, sentence in said(events) if "wpad.dat says" in sentence or "wpad.dat c" in sentence]
        self.assertEqual([LogLevel.info, LogLevel.warn], levels)

    async def test_none(self) -> None:
        """If there is no such file, the connection is a direct one, and the search is repeated the next time."""
        finder = self.finder()
        with capturedLogs() as events:
            self.assertEqual(await finder.find(SERVER), DIRECT)
            self.assertEqual(await finder.find(SERVER), DIRECT)
        self.assertEqual(len(self.network.asked), 4)
        ((level, sentence),) = said(events)
        self.assertEqual(level, LogLevel.info)
        self.assertIn("http://wpad.office.example/wpad.dat: cannot connect: the name cannot be resolved", sentence)

    async def test_no_domain(self) -> None:
        """A host without a domain, or without resolv.conf(5), asks nobody."""
        self.resolv_conf.unlink()
        self.assertEqual(await self.finder().find(SERVER), DIRECT)
        self.assertEqual(self.network.asked, [])

    async def test_next(self) -> None:
        """A host `wpad` without the file is passed over."""
        self.network.names = {"wpad.berlin.office.example.", "wpad.office.example."}
        self.content = b""
        evaluate = Evaluations("PROXY a:8080")
        self.patch(self.file, "render", lambda request: self.content or request.setResponseCode(404) or b"none")
        finder = self.finder(evaluate)
        self.assertEqual(await finder.find(SERVER), DIRECT)
        self.assertEqual((len(self.network.asked), evaluate.asked), (2, []))

    def test_silence(self) -> None:
        """Hosts that do not answer cost a bounded time, all together."""
        self.clock = Clock()
        domains = [f"d{number}.example" for number in range(6)]
        self.resolv_conf.write_text(f"search {' '.join(domains)}\n")
        self.network.silent = {f"wpad.{domain}." for domain in domains}
        found = self.finder().find(SERVER)
        self.clock.pump([0.5] * 19)
        self.assertNoResult(found)
        self.clock.pump([0.5] * 2)
        self.assertEqual(self.successResultOf(found), DIRECT)
        self.assertEqual(len(self.network.asked), 3)

    def test_cancel(self) -> None:
        """Cancelling ends the search."""
        self.clock = Clock()
        self.network.silent = {"wpad.berlin.office.example."}
        found = self.finder().find(SERVER)
        found.cancel()
        self.failureResultOf(found, CancelledError)
        self.assertEqual(len(self.network.asked), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class EndpointTests(SynchronousTestCase):
    """The connection to a web server."""

    def test_full_name(self) -> None:
        """The resolver gets a full name as such, with its dot: else it would add this host's domains to it."""
        asked = []

        class Resolver:
            def resolveHostName(self, receiver: Any, name: str, *_: object, **__: object) -> Any:
                asked.append(name)
                receiver.resolutionBegan(self)
                receiver.resolutionComplete()

        memory = MemoryReactorClock()
        memory.nameResolver = Resolver()  # type: ignore[assignment]  # it answers
        for uri in (URI(False, "wpad.example.org.", 80, ""), URI(True, "proxy.example.org", 443, "")):
            endpoint = proxyfinder._endpoint(memory, uri)
            self.failureResultOf(endpoint.connect(Site(Resource())), DNSLookupError)
        self.assertEqual(asked, ["wpad.example.org.", "proxy.example.org"])
