"""The server behind the programs of docs/behind.md, with the very configurations that stand there."""

import grp
import json
import re
import shutil
import stat
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest

from iphttps.lab.laboratory import LISTENING, tunnel_address
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME, GATEWAY_NAME_IPV4, GATEWAY_NAME_IPV6, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.privilege import SYSTEM_PATH
from iphttps.lab.programs import Program
from iphttps.lab.traffic import transfer, wait_reachable
from tests.lab.raw import RawCase, RawClient, client_context, connect
from tests.proxyprotocol import tls, version1, version2
from tests.requests import post, request

SIZE = 5_000_000

DOCUMENT = Path(__file__).parents[2] / "docs" / "behind.md"
STREAM_MODULE = Path("/usr/share/nginx/modules/ngx_stream_module.so")

# Of the first client and of the second, in iphttps.lab.network.
OUTER_IPV4 = "192.0.2.2"
OUTER_IPV6 = "2001:db8:ffff:2::2"


def block(name: str) -> str:
    """Return a configuration from the document."""
    found = re.search(rf"^```\w+ {name}\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None, f"no block {name} in {DOCUMENT.name}"
    return found[1]


def find(program: str) -> str:
    """Return the path of a program, or skip the test without it."""
    path = shutil.which(program) or shutil.which(program, path=SYSTEM_PATH)
    if path is None:
        raise SkipTest(f"{program} is not installed: see the packages in tools/setup")
    return path


class FrontCase(RawCase):
    """A server and a front on the gateway."""

    clients = 2

    def setUp(self) -> None:
        """Put the files there that the configurations name."""
        super().setUp()
        directory, identity = self.lab.directory, self.lab.server_identity
        for name, files in (
            ("server.pem", [identity.certificate]),
            ("server.key", [identity.private_key]),
            ("server-with-key.pem", [identity.certificate, identity.private_key]),
            ("ca.pem", [self.lab.authority.certificate]),
        ):
            (directory / name).write_bytes(b"".join(file.read_bytes() for file in files))

    def config(self, name: str) -> str:
        """Write a configuration of the document to a file, for this laboratory's directory."""
        path = self.lab.directory / f"{name}.conf"
        text = block(name).replace("/etc/iphttps", str(self.lab.directory))
        path.write_text(text.replace("/run/iphttps", str(self.lab.directory)))
        return str(path)

    def configured(self, name: str, *flags: str) -> Program:
        """Start a server with a configuration of the document."""
        server = self.lab.daemon(self.lab.gateway, "iphttps-server", "--config", self.config(name), *flags)
        server.wait_for(LISTENING)
        return server

    def front(self, *command: str) -> Program:
        """Start a front, and wait until it listens."""
        name = Path(command[0]).name
        front = self.lab.program(self.lab.gateway, name, find(command[0]), *command[1:])

        def listens() -> bool:
            if not front.running:
                self.fail(f"{name} has ended\n{front.tail()}")
            return ":443" in self.lab.gateway.run("ss", "-Hltn").stdout

        wait_until(listens, f"{name} on port 443")
        return front

    def haproxy(self, name: str) -> Program:
        """Start HAProxy with a configuration of the document."""
        return self.front("haproxy", "-db", "-f", self.config(name))

    def assert_carries(
        self, server: Program, *identities: str | None, port: str = r":\d+", flags: tuple[str, ...] = ()
    ) -> None:
        """Check that a client by IPv4 and one by IPv6 reach the private host, and who they are to the server."""
        for number, name in enumerate((GATEWAY_NAME_IPV4, GATEWAY_NAME_IPV6), start=1):
            self.lab.client(number, *self.reconnect, *flags, uri=f"https://{name}/IPHTTPS")
        for host in self.lab.clients:
            wait_reachable(host, PRIVATE_HOST)
        for address, identity in zip((OUTER_IPV4, f"[{OUTER_IPV6}]" if port else OUTER_IPV6), identities, strict=True):
            who = f"CN={identity}" if identity else "not authenticated"
            shown = rf"{re.escape(who)}, {re.escape(address)}{port}"
            self.assertRegex(server.text, rf"client \d \({shown}\) connected")
        first, second = self.lab.clients
        self.assertTrue(transfer(first, self.lab.private, PRIVATE_HOST, SIZE).intact)
        self.assertTrue(transfer(self.lab.private, second, tunnel_address(second), SIZE).intact)


class HAProxyTests(FrontCase):
    """HAProxy in its modes."""

    def test_tcp(self) -> None:
        """It ends TLS, and tells by the PROXY protocol who the client is and whose certificate it showed."""
        control = str(self.lab.directory / "control")
        server = self.configured("server-certificates", "--control", control)
        self.haproxy("tcp")
        self.assert_carries(server, "client1", "client2")
        table = self.lab.gateway.run("curl", "--silent", "--unix-socket", control, "http://local/clients").stdout
        self.assertEqual(
            {"CN=client1": OUTER_IPV4, "CN=client2": f"[{OUTER_IPV6}]"},
            {each["identity"]: each["peer"].rpartition(":")[0] for each in json.loads(table)["clients"]},
        )

    def test_http(self) -> None:
        """In HTTP mode it passes the endless request by its path, and web sites beside it."""
        server = self.configured("server-certificates")
        self.haproxy("http")
        self.assert_carries(server, "client1", "client2")
        ca = str(self.lab.authority.certificate)
        curl = ("curl", "--silent", "--max-time", "5", "--cacert", ca, "--write-out", "%{http_code}")
        self.assertEqual("a web site200", self.lab.clients[0].run(*curl, f"https://{GATEWAY_NAME}/").stdout)
        # Who shows no certificate gets no further than this.
        refused = self.lab.clients[0].run(*curl, "--data", "x", f"https://{GATEWAY_NAME}/iphttps").stdout
        self.assertEqual("the proxy reports no client certificate\n403", refused)

    def test_forwarded(self) -> None:
        """In HTTP mode without the PROXY protocol it tells the client's address by X-Forwarded-For."""
        server = self.configured("server-forwarded")
        self.haproxy("forwarded")
        self.assert_carries(server, None, None, port="")
        mark = server.mark()
        context = client_context(self.lab.authority.certificate, None)
        raw = RawClient.tls(self.lab.clients[0], GATEWAY_IPV4, context)
        self.addCleanup(raw.close)
        raw.send(request(b"X-Forwarded-For: 203.0.113.1, 127.0.0.1\r\n"))
        # A client's own header is nothing against that of the front.
        self.assertIn(f", {OUTER_IPV4}) connected", server.wait_for("connected", since=mark))

    def test_relay(self) -> None:
        """It passes TLS through to the server, which sees the certificate itself, behind the PROXY header."""
        server = self.configured("server-relay")
        self.haproxy("relay")
        self.assert_carries(server, "client1", "client2")

    def test_chunked(self) -> None:
        """A chunked request passes it as well, and the packets in its chunks arrive."""
        server = self.configured("server-forwarded")
        self.haproxy("forwarded")
        context = client_context(self.lab.authority.certificate, None)
        raw = RawClient.tls(self.lab.clients[0], GATEWAY_IPV4, context)
        self.addCleanup(raw.close)
        raw.send(post(b"Host: gateway.example\r\n", b"Transfer-Encoding: chunked\r\n"))
        server.wait_for("connected")
        raw.send(b"1\r\n\x60\r\n27\r\n" + bytes(5) + b"\x3b\x40" + bytes(32) + b"\r\n0\r\n\r\n")
        line = server.wait_for("the body of its request has ended")
        self.assertIn("1 packets (40 bytes) in", line)

    def test_chunked_client(self) -> None:
        """So does our client, if it is told to send its request in chunks."""
        server = self.configured("server-forwarded")
        self.haproxy("forwarded")
        self.assert_carries(server, None, None, port="", flags=("--request-length", "chunked"))


class OtherFrontsTests(FrontCase):
    """Programs that end TLS and know nothing of HTTP."""

    def test_nginx(self) -> None:
        """The stream module of nginx."""
        find("nginx")
        if not STREAM_MODULE.exists():
            raise SkipTest("the stream module of nginx is not installed: see the packages in tools/setup")
        server = self.configured("server-none")
        options = f"daemon off; pid {self.lab.directory}/nginx.pid; error_log stderr;"
        self.front("nginx", "-c", self.config("stream"), "-g", options)
        self.assert_carries(server, None, None)

    def test_nginx_as_a_web_proxy(self) -> None:
        """The web server nginx, for our clients that announce a length that it takes; it answers in chunks."""
        server = self.configured("server-forwarded")
        options = f"daemon off; pid {self.lab.directory}/nginx.pid; error_log stderr;"
        self.front("nginx", "-c", self.config("web"), "-g", options)
        refused = self.lab.client(1, *self.reconnect, uri=f"https://{GATEWAY_NAME_IPV4}/IPHTTPS")
        self.assertIn("try --request-length 2^63-1, then chunked", refused.wait_for("answered 400 Bad Request"))
        refused.stop()
        self.assert_carries(server, None, None, port="", flags=("--request-length", "2^63-1"))

    def test_stunnel(self) -> None:
        """The program stunnel."""
        server = self.configured("server-none")
        self.front("stunnel", self.config("stunnel"))
        self.assert_carries(server, None, None)

    def test_hitch(self) -> None:
        """The program hitch."""
        server = self.configured("server-none")
        self.front("hitch", "--user", "nobody", "--config", self.config("hitch"))
        self.assert_carries(server, None, None)


class SocketTests(FrontCase):
    """TrustedProxies on the same host, by a UNIX socket."""

    def test_haproxy(self) -> None:
        """HAProxy says who the client is; nobody but its group can connect, and disabled there is no socket."""
        control = str(self.lab.directory / "control")
        server = self.configured("server-socket", "--control", control, "--socket-group", "nogroup")
        path = self.lab.directory / "front.sock"
        about = path.stat()
        self.assertEqual((0o660, grp.getgrnam("nogroup").gr_gid), (stat.S_IMODE(about.st_mode), about.st_gid))
        self.haproxy("socket")
        self.assert_carries(server, "client1", "client2")
        self.assertNotIn("loopback", server.text)
        self.lab.directory.chmod(0o711)
        stranger = ("setpriv", "--reuid=65534", "--regid=65533", "--clear-groups")
        curl = ("curl", "--silent", "--show-error", "--unix-socket", str(path), "http://local/IPHTTPS")
        refused = subprocess.run((*stranger, *curl), capture_output=True, text=True, check=False)
        self.assertIn("connect", refused.stderr)
        for action, there in (("disable", False), ("enable", True)):
            ask = ("curl", "--silent", "--request", "POST", "--unix-socket", control, f"http://local/{action}")
            self.lab.gateway.run(*ask)
            self.assertEqual(there, path.exists())
        server.stop()
        self.assertFalse(path.exists())

    def test_nginx(self) -> None:
        """The stream module of nginx, as a user of its own."""
        find("nginx")
        if not STREAM_MODULE.exists():
            raise SkipTest("the stream module of nginx is not installed: see the packages in tools/setup")
        self.lab.directory.chmod(0o711)
        server = self.configured("server-socket", "--authentication", "none", "--socket-group", "www-data")
        options = f"daemon off; pid {self.lab.directory}/nginx.pid; error_log stderr;"
        self.front("nginx", "-c", self.config("streamsocket"), "-g", options)
        self.assert_carries(server, None, None)


class TrustTests(FrontCase):
    """The trust in fronts, on the wire."""

    def announce(self, host: Namespace, header: bytes, address: str = "127.0.0.1") -> bytes:
        """Connect to the server, send a header and a request, and return the first bytes of the answer."""
        wire = connect(host, address, 8080)
        self.addCleanup(wire.close)
        wire.sendall(header + request())
        try:
            return wire.recv(12)
        except ConnectionResetError:
            return b""

    def test_proxy_protocol(self) -> None:
        """A PROXY header is demanded of a listed front, and from anybody else it is garbage."""
        listen = ("--uri", "http://*:8080/IPHTTPS")
        server = self.configured("server-none", *listen)
        gateway, stranger = self.lab.gateway, self.lab.clients[0]
        for header in (version1("203.0.113.1", "192.0.2.1", 1, 2), version2("203.0.113.1", "192.0.2.1", 1)):
            mark = server.mark()
            self.assertEqual(b"HTTP/1.1 200", self.announce(gateway, header))
            self.assertIn("203.0.113.1:1) connected", server.wait_for("connected", since=mark))
            self.assertEqual(b"HTTP/1.1 400", self.announce(stranger, header, GATEWAY_IPV4))
            server.wait_for(f"rejected {OUTER_IPV4}:", since=mark)
        self.assertEqual(b"HTTP/1.1 200", self.announce(stranger, b"", GATEWAY_IPV4))
        for header in (b"", b"PROXY TCP4 nonsense\r\n", version2("203.0.113.1", "192.0.2.1", 1)[:12] + bytes(20)):
            self.assertEqual(b"", self.announce(gateway, header))

    def test_identity(self) -> None:
        """A client without a listed front's announcement is anonymous, wherever it connects from."""
        self.configured("server-certificates", "--uri", "http://*:8080/IPHTTPS")
        gateway, stranger = self.lab.gateway, self.lab.clients[0]
        alice = version2("203.0.113.1", "192.0.2.1", 1, tls(b"alice"))
        unverified = version2("203.0.113.1", "192.0.2.1", 1, tls(b"alice", verify=20))
        self.assertEqual(b"HTTP/1.1 200", self.announce(gateway, alice))
        self.assertEqual(b"HTTP/1.1 403", self.announce(gateway, unverified))
        self.assertEqual(b"HTTP/1.1 400", self.announce(stranger, alice, GATEWAY_IPV4))
        self.assertEqual(b"HTTP/1.1 403", self.announce(stranger, b"", GATEWAY_IPV4))
