"""The client through real web proxies, Squid, tinyproxy and Apache: there is no other way to the gateway."""

import base64
import importlib.util
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.trial.unittest import SkipTest

from iphttps.lab.errors import LabUnavailable
from iphttps.lab.laboratory import LINK_DOWN, LINK_UP, LISTENING
from iphttps.lab.network import GATEWAY_IPV6, GATEWAY_NAME, PRIVATE_HOST, PROXY_NAME
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import transfer, wait_reachable
from tests.lab.case import LabCase
from tests.lab.kerberos import Realm
from tests.lab.proxies import (
    APACHE,
    BASIC,
    BASIC_TLS,
    DIGEST,
    DOMAIN,
    EVERYTHING,
    NEGOTIATE,
    NTLM,
    PASSWORD,
    TINYPROXY,
    USER,
    Proxies,
)

SIZE = 20_000_000
PLAIN_ROUTER = "2001:db8:3::1"

# What the client's log says of a password that the proxy has just rejected, and of one that it keeps back.
REFUSED = "rejected the user or the password"
KEPT_BACK = "rejected the login, which is not sent for"


@contextmanager
def skipping() -> Iterator[None]:
    """Skip the test where a program that it takes is not installed."""
    try:
        yield
    except LabUnavailable as reason:
        raise SkipTest(str(reason)) from reason


def reach(client: Program, address: str = PRIVATE_HOST) -> None:
    """Wait until the client's link is up, and an address beyond it answers by that link."""
    client.wait_for(LINK_UP)
    device = client.command[client.command.index("--interface", client.command.index("--proxy")) + 1]
    ping = ("ping", "-n", "-c", "1", "-W", "1", "-I", device, address)
    host = client.namespace
    wait_until(lambda: host.run(*ping, check=False).returncode == 0, f"an answer by {client.name}, {device}")


class ThroughProxyCase(LabCase):
    """A host for proxies in front of the client, and what clients of both protocols are checked for there."""

    def setUp(self) -> None:
        """Make the host."""
        super().setUp()
        with skipping():
            self.proxies = Proxies(self.lab)
        self.number = 0

    def credentials(self, name: str, password: str = PASSWORD) -> Path:
        """Write a file of credentials."""
        path = self.lab.directory / f"{name}.toml"
        path.touch(0o600)
        path.write_text(f'user = "{USER}"\npassword = "{password}"\ndomain = "{DOMAIN}"\n')
        return path

    def way(self, port: int, credentials: Path | None = None) -> list[str]:
        """Return the flags of a client that goes through a proxy, with an interface of its own, px1 and so on."""
        self.number += 1
        scheme = "https" if port == BASIC_TLS else "http"
        usual = ["--proxy", f"{scheme}://{PROXY_NAME}:{port}", "--interface", f"px{self.number}"]
        return [*usual, "--proxy-credentials", str(credentials)] if credentials else usual

    def kerberos(self) -> Realm:
        """Start a realm, and Squid with Kerberos as well; clients started from now on find the realm."""
        if importlib.util.find_spec("gssapi") is None:
            raise SkipTest("Kerberos is not installed here: tools/setup says what it takes")
        with skipping():
            realm = Realm(self.lab, self.proxies.host)
            self.proxies.squid(realm.keytab, realm.environment)
        self.lab.twistd = ["/usr/bin/env", *realm.environment, *self.lab.twistd]
        return realm

    def assert_kept_back(self, clients: Iterable[Program]) -> None:
        """Check that the clients, rejected once, come again without the password."""
        for client in clients:
            client.wait_for(REFUSED)
            client.wait_for(KEPT_BACK)
            mark = client.text.index(KEPT_BACK) + len(KEPT_BACK)
            client.wait_for(KEPT_BACK, since=mark)
            self.assertEqual(1, client.text.count(REFUSED))
            self.assertNotIn("wrong-one", client.text)

    def logins(self, program: str, port: int) -> list[str]:
        """Return the credentials that a proxy has been shown, without requests that showed none."""
        return [login for login in self.proxies.logins(program, port) if login != "-"]


class ProxyCase(ThroughProxyCase):
    """A server of IP-HTTPS behind the proxy."""

    def setUp(self) -> None:
        """Start the server."""
        super().setUp()
        self.gateway_server = self.server()

    def through(
        self, port: int, *flags: str, credentials: Path | None = None, uri: str = f"https://{GATEWAY_NAME}/IPHTTPS"
    ) -> Program:
        """Start a client through a proxy."""
        way = self.way(port, credentials)
        identity = self.lab.authority.client(f"px{self.number}")
        return self.lab.client(1, *self.reconnect, *way, *flags, uri=uri, identity=identity)


class SquidTests(ProxyCase):
    """Squid, with the schemes that take a password."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        with skipping():
            self.proxies.squid()

    def test_schemes(self) -> None:
        """With Basic, Digest or NTLM, by TLS or without, the private host is reached (3.1.5.1)."""
        self.lab.server(
            "--interface", "plain", "--prefix", "2001:db8:3::/64", uri="http://*:80/IPHTTPS", authentication="none"
        ).wait_for(LISTENING)  # fmt: skip
        right = self.credentials("right")
        ca = ("--proxy-ca", str(self.lab.authority.certificate))
        by_literal = f"https://[{GATEWAY_IPV6}]/IPHTTPS"
        clients = {
            "Basic": self.through(BASIC, "--proxy-basic", credentials=right),
            "Digest": self.through(DIGEST, credentials=right, uri=by_literal),
            "NTLM": self.through(NTLM, credentials=right),
            "(login by Basic)": self.through(BASIC_TLS, *ca, credentials=right),
            "(login by NTLM)": self.through(EVERYTHING, credentials=right),
        }
        plain = self.through(BASIC_TLS, *ca, credentials=right, uri=f"http://{GATEWAY_NAME}/IPHTTPS")
        for way, client in clients.items():
            reach(client)
            client.wait_for(way)
        reach(plain, PLAIN_ROUTER)
        for client in (*clients.values(), plain):
            self.assertNotIn(PASSWORD, client.text)

    def test_wrong_password(self) -> None:
        """A wrong password is shown to the proxy once; corrected, it is shown at once (PX-01)."""
        ports = (BASIC, DIGEST, NTLM, BASIC_TLS)
        files = {port: self.credentials(f"wrong-{port}", "wrong-one") for port in ports}
        flags = ("--proxy-basic", "--proxy-ca", str(self.lab.authority.certificate))
        clients = {port: self.through(port, *flags, credentials=file) for port, file in files.items()}
        self.assert_kept_back(clients.values())
        for port in (BASIC, DIGEST, BASIC_TLS):
            self.assertEqual(1, len(self.logins("squid", port)), self.logins("squid", port))
        types = [base64.b64decode(login.split()[1])[8] for login in self.logins("squid", NTLM)]
        self.assertEqual([1, 3], types)  # the message that proves the password is of type 3
        for port in ports:
            self.credentials(f"wrong-{port}")
            reach(clients[port])

    def test_unwilling(self) -> None:
        """Without credentials, or where anybody could read the password, the sentence says what is missing (PX-02)."""
        without, clear = self.through(DIGEST), self.through(BASIC, credentials=self.credentials("right"))
        wrong_ca = self.through(BASIC_TLS, credentials=self.credentials("right"))
        without.wait_for(f"the proxy http://{PROXY_NAME}:{DIGEST} demands a login (Digest)")
        without.wait_for("give --proxy-credentials")
        clear.wait_for("it takes --proxy-basic")
        wrong_ca.wait_for("is not trusted")
        self.assertEqual([], self.logins("squid", BASIC) + self.logins("squid", BASIC_TLS))


class KerberosTests(ProxyCase):
    """Squid, with Kerberos as well."""

    def test_ticket(self) -> None:
        """A ticket opens the way as soon as there is one; until then the next scheme does, if there is a password."""
        realm = self.kerberos()
        with_ticket = self.through(NEGOTIATE)
        with_password = self.through(EVERYTHING, credentials=self.credentials("right"))
        missing = "no Negotiate with a Kerberos ticket: No Kerberos credentials available"
        for client in (with_ticket, with_password):
            client.wait_for(missing)
        with_password.wait_for("(login by NTLM)")
        realm.log_in(self.lab.clients[0])
        with_ticket.wait_for("(login by Negotiate with a Kerberos ticket)")
        for client in (with_ticket, with_password):
            reach(client)


class OtherProxiesTests(ProxyCase):
    """Proxies that follow the standards in other ways."""

    def test_tinyproxy(self) -> None:
        """HTTP/1.0, a connection closed with each 407, and 401 for a wrong password, shown once."""
        with skipping():
            tinyproxy = self.proxies.tinyproxy()
        right = self.through(TINYPROXY, "--proxy-basic", credentials=self.credentials("right"))
        reach(right)
        wrong = self.through(TINYPROXY, "--proxy-basic", credentials=self.credentials("wrong", "wrong-one"))
        self.assert_kept_back([wrong])
        wrong.stop()
        # It does not log logins; but each attempt is one request, and one more if it shows a password.
        attempts = sum(client.text.count("connecting to") for client in (right, wrong))
        self.assertEqual(attempts + 2, tinyproxy.text.count("Request (file descriptor"), tinyproxy.tail())

    def test_apache(self) -> None:
        """HTTP/1.0 answers, nonces that expire, and a proxy that dies and comes back (3.1.5.4)."""
        with skipping():
            apache = self.proxies.apache(nonce_lifetime=1)
        right = self.credentials("right")
        client = self.through(APACHE, credentials=right)
        reach(client)
        host = self.lab.clients[0]
        self.assertTrue(transfer(host, self.lab.private, PRIVATE_HOST, SIZE).intact)
        with_address = self.lab.clients[0].run("ip", "-6", "address", "show", "dev", "px1", "scope", "global").stdout
        address = re.search(r"inet6 ([0-9a-f:]+)/", with_address)
        assert address
        self.assertTrue(transfer(self.lab.private, host, address[1], SIZE).intact)

        # Behind the proxy the server goes and comes back; meanwhile the nonce has expired.
        mark = client.mark()
        self.gateway_server.kill()
        client.wait_for(LINK_DOWN, since=mark)
        self.server()
        client.wait_for(LINK_UP, 20, since=mark)

        mark = client.mark()
        apache.stop(30)  # it waits ten seconds for a child that is busy with a tunnel, before it kills that
        client.wait_for(LINK_DOWN, since=mark)
        client.wait_for("connection refused", since=mark)
        self.proxies.apache(nonce_lifetime=1)
        client.wait_for(LINK_UP, 20, since=mark)
        wait_reachable(host, PRIVATE_HOST)
        for words in (REFUSED, KEPT_BACK):
            self.assertNotIn(words, client.text)
        client.stop()  # Apache logs a request that has become a tunnel at the tunnel's end

        def logins() -> list[str]:
            return self.logins("apache", APACHE)

        wait_until(lambda: len(logins()) >= 4, "four logins in Apache's log")
        # Nonces that were good once were shown again unasked, each time with another count, and their age was held
        # against nobody. Of a tunnel that ends with a killed child Apache logs nothing.
        counts = [int(re.findall(r"nc=([0-9a-f]+)", login)[0], 16) for login in logins()]
        nonces = [re.findall(r'[" ]nonce=\\?"([^"\\]+)', login)[0] for login in logins()]
        self.assertEqual(len(counts), len(set(zip(nonces, counts, strict=True))))
        self.assertGreaterEqual(sum(count > 1 for count in counts), 2)

        wrong = self.through(APACHE, credentials=self.credentials("wrong", "wrong-one"))
        before = len(logins())
        self.assert_kept_back([wrong])
        self.assertEqual(before + 1, len(logins()))
