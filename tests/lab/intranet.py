"""The servers by which hosts of a company's network find the web proxy: DNS and web."""

from iphttps.lab.errors import LabError
from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PROXY_IPV4
from iphttps.lab.poll import wait_until

DOMAIN = "corp.example"

WPAD_NAME = f"wpad.{DOMAIN}"

_RESOLV_CONF = f"""\
search {DOMAIN}
nameserver {PROXY_IPV4}
"""

# Another resolver of the machine's would answer in the place of ours.
_NSSWITCH_CONF = """\
passwd: files
group: files
hosts: files dns
"""


class Intranet:
    """The servers run on the host between a client and the gateway; `site` is the directory with the web pages."""

    def __init__(self, lab: Laboratory, host: Namespace, client: Namespace) -> None:
        """Start both servers; programs that the client starts from now on ask that name server."""
        self._lab = lab
        self._host = host
        self.site = lab.directory / "site"
        self.site.mkdir()
        self._have_ask(client)
        names = lab.directory / "names"
        names.write_text(f"{PROXY_IPV4} {WPAD_NAME}\n")
        # /etc/hosts would not do: what is looked for by its full name, with a dot at the end, is not found there.
        self._start("dns", 53, *lab.twistd, "-n", "--pidfile=", "dns", "--hosts-file", str(names))
        self._start("web", 80, *lab.twistd, "-n", "--pidfile=", "web", "--listen=tcp:80", f"--path={self.site}")

    def _have_ask(self, client: Namespace) -> None:
        etc = self._lab.directory / f"etc-{client.label}"
        etc.mkdir()
        for name, text in (
            ("hosts", (self._lab.etc / "hosts").read_text()),
            ("resolv.conf", _RESOLV_CONF),
            ("nsswitch.conf", _NSSWITCH_CONF),
        ):
            (etc / name).write_text(text)
        client.etc = etc

    def _start(self, name: str, port: int, *command: str) -> None:
        program = self._lab.program(self._host, name, *command)

        def listens() -> bool:
            if not program.running:
                raise LabError(f"{program.name} has ended\n{program.tail()}")
            return f":{port} " in self._host.run("ss", "-Hltn").stdout

        wait_until(listens, f"{program.name} on port {port}")
