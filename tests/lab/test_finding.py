"""The client finds its way through a web proxy by itself: by environment, PAC and WPAD, in a company's network."""

import contextlib
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from iphttps.lab.laboratory import LINK_UP
from iphttps.lab.network import GATEWAY_NAME, PROXY_IPV4, PROXY_NAME
from iphttps.lab.poll import DEADLINE, wait_until
from iphttps.lab.programs import Program
from tests.lab.intranet import WPAD_NAME, Intranet
from tests.lab.proxies import PASSWORD, TINYPROXY, USER, Proxies
from tests.lab.raw import listen
from tests.lab.test_control import NOBODY, ControlCase
from tests.lab.test_proxies import reach, skipping

PROXY = f"PROXY {PROXY_NAME}:{TINYPROXY}"
CLOSED = f"PROXY {PROXY_IPV4}:1"
"""A port without a listener."""

FALLBACK = f"{CLOSED}; {PROXY}; DIRECT"

CHALLENGE = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n"
    b'Proxy-Authenticate: Digest realm="x", nonce="y", qop="auth"\r\nProxy-Authenticate: Basic realm="x"\r\n'
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)

NEXT = "trying the next"
CHANGED = "the host's network has changed"


def pac(answer: str) -> str:
    """Return a file that always gives the same answer."""
    return f'function FindProxyForURL(url, host) {{ return "{answer}"; }}'


PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


class FindingCase(ControlCase):
    """A server, and clients of which the first reaches it through a proxy only, in a company's network."""

    def setUp(self) -> None:
        """Start the server and what the network has."""
        super().setUp()
        with skipping():
            proxies = Proxies(self.lab)
            proxies.tinyproxy(login=False)
        self.controlled_server()
        self.proxy_host = proxies.host
        self.intranet = Intranet(self.lab, proxies.host, self.lab.clients[0])
        self.twistd = self.lab.twistd

    def write(self, name: str, text: str) -> Path:
        """Put a file on the web server, at once as a whole."""
        path, new = self.intranet.site / name, self.lab.directory / "new"
        new.write_text(text)
        return new.rename(path)

    def finding(self, name: str, source: str, *flags: str, number: int = 1, environment: Sequence[str] = ()) -> Program:
        """Start a client that finds its proxy so, with an interface and a control socket of that name."""
        clean = [word for variable in PROXY_VARIABLES for word in ("-u", variable)]
        self.lab.twistd = ["/usr/bin/env", *clean, *environment, *self.twistd]
        usual = ("--proxy", source, "--interface", name, "--control", str(self.socket(name)))
        return self.lab.client(
            number, *self.reconnect, *usual, *flags, identity=self.lab.authority.client(name)
        )  # fmt: skip

    def state(self, name: str) -> str:
        """Return a client's state; the answer must come within a second."""
        return str(self.curl("/status", "-m", "1", name=name)[1]["state"])


class PlacesTests(FindingCase):
    """Wherever the answer comes from."""

    clients = 2

    def test_places(self) -> None:
        """By a file, by a URL, by WPAD and by the environment the private host is reached, each way in its turn."""
        file = self.write("proxy.pac", pac(FALLBACK))
        self.write("wpad.dat", pac(PROXY))
        proxy = f"https_proxy=http://{PROXY_NAME}:{TINYPROXY}"
        clients = {
            "file": self.finding("file", "auto", "--pac", str(file)),
            "url": self.finding("url", "auto", "--pac", f"http://{PROXY_NAME}/proxy.pac"),
            "wpad": self.finding("wpad", "auto"),
            "set": self.finding("set", "environment", environment=[proxy]),
        }
        # From its host there is no way to the proxy, which would be noticed.
        exempt = [proxy, f"no_proxy=localhost,.{GATEWAY_NAME}"]
        direct = self.finding("exempt", "environment", number=2, environment=exempt)
        for name, client in (*clients.items(), ("exempt", direct)):
            reach(client)
            self.assertIsNone(self.curl("/status", name=name)[1]["last_failure"])
        for name in ("file", "url"):
            clients[name].wait_for(f"proxy http://{PROXY_IPV4}:1: ")
            clients[name].wait_for(NEXT)
        clients["wpad"].wait_for(f"http://{WPAD_NAME}/wpad.dat says how to connect to {GATEWAY_NAME}")
        for client in clients.values():
            client.wait_for(f"http://{PROXY_NAME}:{TINYPROXY} connects to {GATEWAY_NAME}:443")
        self.assertNotIn("connects to", direct.text)


class WhenTests(FindingCase):
    """Behaviour that depends on the proxy and on the network."""

    def test_when_proxy(self) -> None:
        """With --when proxy the tunnel is built behind a proxy only, as the environment says (3.1.3)."""
        flags = ("--when", "proxy")
        proxy = f"https_proxy=http://{PROXY_NAME}:{TINYPROXY}"
        without = self.finding("without", "environment", *flags)
        behind = self.finding("behind", "environment", *flags, environment=[proxy])
        reach(behind)
        without.wait_for("no tunnel is needed")
        self.assertEqual("ENABLED", self.state("without"))
        self.assertNotIn("connecting to", without.text)
        without.stop()
        self.assert_moved()

    def assert_moved(self) -> None:
        """When the network changes the proxy is found anew, and only then while it is of use."""
        host = self.lab.clients[0]
        self.write("wpad.dat", pac("DIRECT"))
        client = self.finding("moved", "auto", "--when", "proxy")
        client.wait_for("no tunnel is needed")
        self.write("wpad.dat", pac(PROXY))
        host.ip("address add 203.0.113.3/25 dev outer")
        client.wait_for(CHANGED)
        reach(client)

        self.write("wpad.dat", pac(FALLBACK))
        mark = client.mark()
        self.disconnect("moved")
        client.wait_for(LINK_UP, since=mark)
        self.assertNotIn("says how to connect", client.text[mark:])

        mark = client.mark()
        host.ip("address del 203.0.113.3/25 dev outer")
        client.wait_for(CHANGED, since=mark)
        self.disconnect("moved")
        client.wait_for(LINK_UP, since=mark)
        client.wait_for(NEXT, since=mark)

    def disconnect(self, name: str) -> None:
        """Have the server end a client's session."""
        number = next(client["number"] for client in self.client_list() if name in client["identity"])
        self.command("disconnect", str(number))


class HostileFileTests(FindingCase):
    """Files that do not come to an end, or take all there is."""

    def test_hostile(self) -> None:
        """Meanwhile the client answers its user; the sentence names the file; corrected, it is used at once."""
        endless = self.write("endless.pac", "function FindProxyForURL(url, host) { while (true); }")
        greedy = self.write(
            "greedy.pac", "function FindProxyForURL(url, host) { for (var all = [];;) all.push([].concat(all, url)); }"
        )
        looping = self.finding("looping", "auto", "--pac", str(endless))
        hungry = self.finding("hungry", "auto", "--pac", f"http://{PROXY_NAME}/{greedy.name}")
        looping.wait_for("connecting to")
        asked = 0
        sentence = f"cannot use the PAC file {endless} given by --pac: its evaluation took longer than"
        while sentence not in looping.text:
            self.assertEqual("LINK_DOWN", self.state("looping"))
            asked += 1
            self.assertLess(asked, 1000, looping.tail())
        self.assertGreater(asked, 10)
        hungry.wait_for(f"/{greedy.name} given by --pac: the file fails: ")
        self.assertIn(sentence, self.curl("/status", name="looping")[1]["last_failure"]["reason"])
        for file in (endless, greedy):
            self.write(file.name, pac(PROXY))
        for client in (looping, hungry):
            reach(client)


class UnprivilegedTests(FindingCase):
    """A client that has given up being root."""

    def test_unprivileged(self) -> None:
        """Under `twistd --uid` the way is found as well; if that user may not run Python, the sentence says so."""
        self.write("wpad.dat", pac(PROXY))
        proxy = f"https_proxy=http://{PROXY_NAME}:{TINYPROXY}"
        as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        evaluation = ("sh", "-c", 'exec "$0" -P -c "import iphttps.host.pac.evaluator"', sys.executable)
        able = self.lab.gateway.run(*as_nobody, *evaluation, check=False).returncode == 0
        self.twistd = [*self.twistd, *NOBODY]
        by_pac = self.finding("pac", "auto", "--pac", f"http://{PROXY_NAME}/wpad.dat")
        by_wpad = self.finding("wpad", "auto")
        reach(self.finding("set", "environment", environment=[proxy]))
        if able:
            reach(by_pac)
            reach(by_wpad)
            return
        sentence = "user ID 65534 may not run "  # and which Python twistd is run by
        advice = (
            "to evaluate it: install iphttps where the user given by `twistd --uid` may, as in /opt, or give the proxy "
            "with --proxy"
        )
        for client, then in ((by_pac, ""), (by_wpad, "; connecting")):
            client.wait_for(sentence)
            client.wait_for(advice + then)
        attempt = "connecting to"
        wait_until(lambda: by_wpad.text.count(attempt) > 2, "three attempts")
        self.assertEqual(1, by_wpad.text.count(sentence))


class FalseProxyTests(FindingCase):
    """A proxy that the network named, and that wants a login by every scheme there is."""

    def test_no_login(self) -> None:
        """Named by WPAD or a PAC file over http, it is shown no credentials of any scheme."""
        heads: list[bytes] = []
        listening = listen(self.proxy_host, PROXY_IPV4, 3199)
        self.addCleanup(listening.close)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with listening.accept()[0] as wire:
                        wire.settimeout(DEADLINE)
                        heads.append(wire.recv(65536))
                        wire.sendall(CHALLENGE)

        threading.Thread(target=serve, daemon=True).start()
        credentials = self.lab.directory / "credentials.toml"
        credentials.touch(0o600)
        credentials.write_text(f'user = "{USER}"\npassword = "{PASSWORD}"\n')
        self.write("wpad.dat", pac(f"PROXY {PROXY_IPV4}:3199"))
        flags = ("--proxy-credentials", str(credentials), "--proxy-basic")
        clients = [
            self.finding("wpad", "auto", *flags),
            self.finding("url", "auto", "--pac", f"http://{PROXY_NAME}/wpad.dat", *flags),
        ]
        for client in clients:
            client.wait_for("next attempt in")
        self.assertGreaterEqual(len(heads), 2)
        for head in heads:
            self.assertTrue(head.startswith(b"CONNECT "), head)
            self.assertNotIn(b"authorization", head.lower())
