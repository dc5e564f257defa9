"""The commands and files of docs/sstp.md, on machines of the laboratory."""

from __future__ import annotations

import re
import shutil
from ipaddress import IPv4Network, IPv6Network

from twisted.trial.unittest import SkipTest

from iphttps.lab.errors import LabError
from iphttps.lab.network import GATEWAY_NAME
from tests.lab.sstp_guest import UP, SstpGuest
from tests.lab.sstpc import Sstpc
from tests.lab.test_docs import DOCS
from tests.lab.test_five_minutes import IPHTTPS, MachineCase
from tests.lab.test_sstp import SERVER, SERVER_IPV6, SSTPCase

ATTEMPTS = 5
"""sstpc 1.0.18 sometimes hangs in the TLS handshake; here pppd starts it, without what keeps it from that."""


def block(language: str, name: str) -> str:
    """Return a block of the page."""
    found = re.search(rf"^```{language} {name}\n(.*?)^```$", (DOCS / "sstp.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None, name
    return found[1].replace("vpn.example.org", GATEWAY_NAME)


class ThreeCommandsTests(MachineCase):
    """The commands for a server."""

    def test_page(self) -> None:
        """They make a server, and a user who logs in with the password shown; nft takes the rules that setup shows."""
        said = ""
        for command in block("sh", "gateway").splitlines():
            said += self.gateway.run(IPHTTPS, *command.split()[1:]).stdout
        (password,) = re.findall(r"^password: (.*)$", said, re.MULTILINE)
        (rules,) = re.findall(r"clamp the TCP MSS to the tunnel's MTU: (nft .*)$", said, re.MULTILINE)
        self.lab.gateway.run("sh", "-ec", rules)
        self.assertEqual(2, self.lab.gateway.run("nft", "list", "table", "inet", "iphttps").stdout.count("rt mtu"))
        pool, prefix = re.findall(r"clients of SSTP get addresses in (\S+) and (\S+)$", said, re.MULTILINE)[0]
        ca = self.gateway.directory / "etc/iphttps/server-ca/ca.pem"
        client = Sstpc(self.lab, self.lab.clients[0], password=password)
        client.connect(ca=ca, trusting=False)
        assert client.ppp.address is not None
        self.assertIn(client.ppp.address, IPv4Network(pool))
        client.ping(str(IPv4Network(pool)[1]))
        client.ping(str(IPv6Network(prefix)[1]), source=str(client.global_address()))


class PageTests(SSTPCase):
    """The page."""

    def test_pppd(self) -> None:
        """The files for pppd connect a Linux client, with the password in none of the arguments."""
        self.sstp_server()
        guest = SstpGuest(self.lab, self.lab.clients[0]).guest
        config = guest.control / "tls12.cnf"
        config.write_text(block("ini", "openssl"))
        peer = block("ppp", "peer").replace("/etc/iphttps/ca.pem", str(self.lab.authority.certificate))
        peer = peer.replace('pty "sstpc', f'pty "env OPENSSL_CONF={config} sstpc')
        (guest.control / "peer").write_text(peer)
        (guest.control / "secrets").write_text(block("ppp", "secrets").replace("the password", "secret"))
        install = f"cp {guest.control}/peer /etc/ppp/peers/iphttps && cp {guest.control}/secrets /etc/ppp/chap-secrets"
        guest.run("sh", "-ec", f"{install} && chmod 600 /etc/ppp/chap-secrets && rm -f /etc/ppp/pap-secrets")
        for left in reversed(range(ATTEMPTS)):
            mark = guest.console.mark()
            guest.start("pppd", "call", "iphttps", "nodetach", "debug", "logfile", "/dev/console")
            try:
                guest.wait_for(UP, 6, since=mark)
                break
            except LabError:
                if not left:
                    raise
                guest.run("sh", "-c", "pkill pppd; pkill sstpc; sleep 1", check=False)
        arguments = guest.run("sh", "-c", "cat /proc/[0-9]*/cmdline").stdout
        self.assertIn("sstpc", arguments)
        self.assertNotIn("secret\0", arguments)
        guest.wait_reachable(SERVER)
        guest.wait_reachable(SERVER_IPV6)

    def test_packet_filter(self) -> None:
        """The packet filter takes the rules."""
        if shutil.which("nft") is None:
            raise SkipTest("This needs nft: on Debian type 'apt install nftables'.")
        for name in ("mss", "nat"):
            path = self.lab.directory / name
            path.write_text(block("nft", name))
            self.lab.gateway.run("nft", "-f", str(path))
