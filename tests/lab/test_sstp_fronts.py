"""SSTP behind TLS terminators and web proxies, with sstpc; and clients of both protocols at once."""

from __future__ import annotations

import hashlib
import ssl
import sys

from twisted.trial.unittest import SkipTest

from iphttps.app.users import editing
from iphttps.lab.errors import LabError, LabUnavailable
from iphttps.lab.network import GATEWAY_NAME, PRIVATE_HOST, PROXY_NAME
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable
from tests.lab.proxies import BASIC, PASSWORD, USER, Proxies
from tests.lab.sstp_guest import TLS, SstpGuest
from tests.lab.sstpc import Sstpc
from tests.lab.test_fronts import OUTER_IPV4, STREAM_MODULE, FrontCase, find
from tests.lab.test_sstp import POOL, PREFIX, SERVER, SERVER_IPV6, SSTPCase

SITE = "2001:db8::/46"


OUTER_IPV6 = "2001:db8:ffff:1::2"


class SSTPFrontCase(FrontCase):
    """A server that serves SSTP behind a front, with a configuration of docs/behind.md."""

    def sstp_behind(self, name: str, *, known: bool = True, digest: str = "sha256") -> Program:
        """Start a server that is told the front's certificate, or another one's."""
        users = self.lab.directory / "users.toml"
        editing.add(users, "alice", "secret")
        certificate = ssl.PEM_cert_to_DER_cert(self.lab.server_identity.certificate.read_text())
        flags = ["--sstp-pool", POOL, "--sstp-prefix", PREFIX, "--sstp-users", str(users)]
        shown = certificate if known else b"another certificate"
        return self.configured(name, *flags, "--sstp-certificate-hash", hashlib.new(digest, shown).hexdigest())

    def assert_carries_sstp(self, server: Program) -> None:
        """Check that sstpc logs in through the front, from its own address, and that both families arrive."""
        client = Sstpc(self.lab, self.lab.clients[0])
        client.connect()
        connected = server.wait_for("(alice, ")
        self.assertTrue(OUTER_IPV4 in connected or OUTER_IPV6 in connected, connected)
        client.ping(SERVER)
        client.ping(SERVER_IPV6, source=str(client.global_address()))


class FrontTests(SSTPFrontCase):
    """Fronts that end TLS: the client binds to their certificate ([MS-SSTP] 4.6)."""

    def test_haproxy_tcp(self) -> None:
        """HAProxy in TCP mode."""
        server = self.sstp_behind("server-none")
        self.haproxy_none("tcp")
        self.assert_carries_sstp(server)

    def test_haproxy_http(self) -> None:
        """HAProxy in HTTP mode, which passes the method and the endless length."""
        server = self.sstp_behind("server-forwarded")
        self.haproxy("forwarded")
        self.assert_carries_sstp(server)

    def test_nginx(self) -> None:
        """The stream module of nginx."""
        find("nginx")
        if not STREAM_MODULE.exists():
            raise SkipTest("the stream module of nginx is not installed: see the packages in tools/setup")
        server = self.sstp_behind("server-none")
        options = f"daemon off; pid {self.lab.directory}/nginx.pid; error_log stderr;"
        self.front("nginx", "-c", self.config("stream"), "-g", options)
        self.assert_carries_sstp(server)

    def test_stunnel(self) -> None:
        """The program stunnel."""
        server = self.sstp_behind("server-none")
        self.front("stunnel", self.config("stunnel"))
        self.assert_carries_sstp(server)

    def test_hitch(self) -> None:
        """The program hitch."""
        server = self.sstp_behind("server-none")
        self.front("hitch", "--user", "nobody", "--config", self.config("hitch"))
        self.assert_carries_sstp(server)

    def test_unknown_certificate(self) -> None:
        """Where the server is told another certificate than the front's, the client is refused."""
        server = self.sstp_behind("server-none", known=False)
        self.front("stunnel", self.config("stunnel"))
        self.assert_refused(server)

    def test_sha1_hash_alone(self) -> None:
        """The hash must be of the function that the client binds with: sstpc takes SHA-256 where it is offered."""
        server = self.sstp_behind("server-none", digest="sha1")
        self.front("stunnel", self.config("stunnel"))
        self.assert_refused(server)

    def assert_refused(self, server: Program) -> None:
        """Check that a client logs in and gets no further: Call Abort for its Crypto Binding ([MS-SSTP] 3.3.5.2.3)."""
        client = Sstpc(self.lab, self.lab.clients[0])
        client.start()
        self.assertRaises(LabError, client.ppp.open, deadline=3)  # it has ended, or is silent
        aborted = "Connection was aborted, Value of attribute is incorrect"
        client.ppp.wait(lambda: aborted in client.program.text, f"{aborted!r} from sstpc", 8)
        self.assertFalse(client.ppp.refused)
        server.wait_for("the client saw another certificate")

    def haproxy_none(self, name: str) -> Program:
        """Start HAProxy with a configuration of the document, without certificates of clients."""
        path = self.config(name)
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace(f" ca-file {self.lab.directory}/ca.pem verify required", ""))
        return self.front("haproxy", "-db", "-f", path)


class ProxyTests(SSTPCase):
    """sstpc behind a web proxy that wants a password."""

    def test_squid_basic(self) -> None:
        """Squid with Basic, with TLS 1.2 and TLS 1.3."""
        server = self.sstp_server()
        try:
            proxies = Proxies(self.lab)
            proxies.squid()
        except LabUnavailable as reason:
            raise SkipTest(str(reason)) from reason
        url = f"http://{USER}:{PASSWORD}@{PROXY_NAME}:{BASIC}"
        for tls in TLS:
            mark = server.mark()
            client = Sstpc(self.lab, self.lab.clients[0])
            client.connect(proxy=url, tls=tls)
            connected = server.wait_for(") connected", since=mark)
            self.assertIn(tls.value, connected)
            client.ping(SERVER)
            client.close()


class TogetherTests(SSTPCase):
    """Clients of both protocols on one port."""

    clients = 3

    def test_three(self) -> None:
        """A guest with pppd, our small client, and a client of IP-HTTPS at once; all reach the private host."""
        users = self.lab.directory / "users.toml"
        for name in ("alice", "bob"):
            editing.add(users, name, "secret")
        flags = ("--sstp-pool", POOL, "--sstp-prefix", PREFIX, "--sstp-users", str(users), "--route", SITE)
        server = self.server(*flags)
        self.client(1)
        small = self.small_client(2, "bob")
        guest = SstpGuest(self.lab, self.lab.clients[2])
        guest.connect(tls=TLS.V12)
        small.wait_for("connected")
        guest.guest.wait_reachable(SERVER)
        guest.guest.wait_reachable(SERVER_IPV6)
        wait_reachable(self.lab.clients[1], SERVER)
        for host in self.lab.clients[:2]:
            wait_reachable(host, PRIVATE_HOST)
        for name in ("alice", "bob"):
            self.assertIn(f"({name}, ", server.text)

    def small_client(self, number: int, user: str) -> Program:
        """Start the client of the demo."""
        secret = self.lab.directory / "password"
        secret.write_text("secret\n")
        module = (sys.executable, "-m", "iphttps.app.sstp_client")
        words = (GATEWAY_NAME, str(self.lab.authority.certificate), user, "sstp0")
        host = self.lab.clients[number - 1]
        return self.lab.program(host, "sstp", "sh", "-ec", 'exec "$@" <"$0"', str(secret), *module, *words)
