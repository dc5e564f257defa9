"""The SSTP client through real web proxies that demand a login, which Windows' own client cannot pass."""

from __future__ import annotations

import socket
from pathlib import Path

from iphttps.lab.laboratory import LINK_UP
from iphttps.lab.network import GATEWAY_NAME, PROXY_IPV4
from iphttps.lab.poll import DEADLINE, wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import transfer
from tests.lab.proxies import APACHE, BASIC, BASIC_TLS, DIGEST, EVERYTHING, NEGOTIATE, NTLM, PASSWORD, TINYPROXY
from tests.lab.raw import listen
from tests.lab.test_proxies import ThroughProxyCase, reach, skipping
from tests.lab.test_sstp import SERVER, SERVER_IPV6
from tests.lab.test_sstp_client import SIZE, SSTPClientCase

RAW_PORT = 8081

CHALLENGE = (
    b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
)
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"

REQUEST = b"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n"
HANDSHAKE = b"\x16\x03"
"""How the stream begins: [MS-SSTP] 2.2.1, and a handshake of TLS (RFC 8446 section 5.1)."""


class SSTPProxyCase(ThroughProxyCase, SSTPClientCase):
    """The proxies of IP-HTTPS, and clients of SSTP that must go through them."""

    def through(
        self, port: int, *flags: str, credentials: Path | None = None, uri: str = f"https://{GATEWAY_NAME}"
    ) -> Program:
        """Start a client through a proxy."""
        return self.sstp_client(*self.way(port, credentials), *flags, uri=uri)

    def assert_versions(self, program: str, *ports: int) -> None:
        """Check that the proxy has let a CONNECT through at each port, and that every one said SSTPVERSION: 1.0.

        It logs a request that has become a tunnel at the tunnel's end.
        """

        def through() -> bool:
            return all(("200", "1.0") in self.proxies.versions(program, port) for port in ports)

        wait_until(through, "a tunnel at each port in the proxy's log")
        for port in ports:
            self.assertEqual({"1.0"}, {version for _, version in self.proxies.versions(program, port)})


class SquidTests(SSTPProxyCase):
    """Squid, with the schemes that take a password."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        with skipping():
            self.proxies.squid()

    def test_schemes(self) -> None:
        """With Basic, Digest or NTLM, by TLS or without, both families reach the server ([MS-SSTP] 4.5).

        20 MB arrive intact.
        """
        self.sstp_server("--max-sessions-per-identity", "5")
        right = self.credentials("right")
        ca = ("--proxy-ca", str(self.lab.authority.certificate))
        clients = {
            "(login by Basic)": self.through(BASIC, "--proxy-basic", credentials=right),
            "(login by Digest)": self.through(DIGEST, credentials=right),
            "(login by NTLM)": self.through(NTLM, credentials=right),
            f":{BASIC_TLS} connects to": self.through(BASIC_TLS, *ca, credentials=right),
            f":{EVERYTHING} connects to": self.through(EVERYTHING, credentials=right),
        }
        for words, client in clients.items():
            reach(client, SERVER)
            reach(client, SERVER_IPV6)
            client.wait_for(words)
        moved = transfer(self.lab.clients[0], self.lab.gateway, SERVER, SIZE)
        self.assertTrue(moved.intact, moved)
        for client in clients.values():
            client.stop()
            self.assertNotIn(PASSWORD, client.text)
        self.assert_versions("squid", BASIC, DIGEST, NTLM, BASIC_TLS, EVERYTHING)

    def test_raw(self) -> None:
        """An http:// URI: CONNECT, then the stream without TLS, as the Secure Tunnel Proxy Protocol has it."""
        self.sstp_server(
            "--sstp-certificate-hash", "00" * 32, uri="http://*:443/IPHTTPS", authentication="none",
        )  # fmt: skip
        client = self.through(
            BASIC, "--proxy-basic", credentials=self.credentials("right"), uri=f"http://{GATEWAY_NAME}:443"
        )
        reach(client, SERVER)


class KerberosTests(SSTPProxyCase):
    """Squid, with Negotiate."""

    def test_ticket(self) -> None:
        """A user's Kerberos ticket opens the way, without a password for the proxy (RFC 4559)."""
        realm = self.kerberos()
        realm.log_in(self.lab.clients[0])
        self.sstp_server()
        client = self.through(NEGOTIATE)
        reach(client, SERVER)
        reach(client, SERVER_IPV6)
        client.wait_for("(login by Negotiate with a Kerberos ticket)")
        client.stop()
        self.assert_versions("squid", NEGOTIATE)


class OtherProxiesTests(SSTPProxyCase):
    """Proxies that follow the standards in other ways."""

    def test_tinyproxy(self) -> None:
        """HTTP/1.0, a connection closed with each 407, and 401 for a wrong password, shown once."""
        with skipping():
            self.proxies.tinyproxy()
        self.sstp_server()
        right = self.through(TINYPROXY, "--proxy-basic", credentials=self.credentials("right"))
        wrong = self.through(TINYPROXY, "--proxy-basic", credentials=self.credentials("wrong", "wrong-one"))
        reach(right, SERVER)
        reach(right, SERVER_IPV6)
        self.assert_kept_back([wrong])

    def test_apache(self) -> None:
        """HTTP/1.0 answers and Digest; the log has the header by which the administrator knows SSTP."""
        with skipping():
            self.proxies.apache()
        self.sstp_server()
        client = self.through(APACHE, credentials=self.credentials("right"))
        reach(client, SERVER)
        reach(client, SERVER_IPV6)
        client.stop()
        self.assert_versions("apache", APACHE)


class HeadTests(SSTPProxyCase):
    """A proxy that does what the test tells it."""

    def accept(self) -> socket.socket:
        """Accept the client's next connection."""
        wire, _ = self.listening.accept()
        self.addCleanup(wire.close)
        wire.settimeout(DEADLINE)
        return wire

    def read(self, wire: socket.socket, end: bytes) -> bytes:
        """Read until these bytes."""
        read = b""
        while not read.endswith(end):
            byte = wire.recv(1)
            self.assertTrue(byte, read)
            read += byte
        return read

    def test_head(self) -> None:
        """CONNECT names SSTP's version with and without the login, and nothing of the user's ([MS-SSTP] 4.5)."""
        self.listening = listen(self.proxies.host, PROXY_IPV4, RAW_PORT)
        self.addCleanup(self.listening.close)
        right = self.credentials("right")
        for uri, begin in ((f"https://{GATEWAY_NAME}", HANDSHAKE), (f"http://{GATEWAY_NAME}:443", REQUEST)):
            client = self.through(RAW_PORT, "--proxy-basic", credentials=right, uri=uri)
            wire = self.accept()
            for login, answer in ((False, CHALLENGE), (True, ESTABLISHED)):
                request, *headers = self.read(wire, b"\r\n\r\n").decode().removesuffix("\r\n\r\n").split("\r\n")
                self.assertEqual(f"CONNECT {GATEWAY_NAME}:443 HTTP/1.1", request)
                self.assertEqual(1, headers.count(f"Host: {GATEWAY_NAME}:443"), headers)
                self.assertEqual(1, headers.count("SSTPVERSION: 1.0"), headers)
                self.assertIs(login, "Proxy-Authorization: Basic YWxpY2U6c2VjcmV0" in headers, headers)
                wire.sendall(answer)
            self.read(wire, begin)
            self.assertNotIn(LINK_UP, client.text)
            client.stop()
