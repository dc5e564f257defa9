"""Errors that a person causes: each ends in one sentence with the cause and what to do, and leaves nothing."""

from iphttps.lab.authority import Authority, Usage
from iphttps.lab.laboratory import INTERFACE, LISTENING, devices
from iphttps.lab.network import GATEWAY_NAME
from iphttps.lab.programs import Program
from tests.lab.case import LabCase


class StartTests(LabCase):
    """Faults that prevent a start: the daemon logs the reason and exits."""

    def refusal(self, program: Program, status: int = 1) -> str:
        """Return the sentence with which a daemon refuses to start; check that it is all there is."""
        self.assertEqual(status, program.wait_ended())
        lines = [line for line in program.text.splitlines() if "[twisted." not in line and "[-]" not in line]
        self.assertEqual(1, len(lines), program.text)
        self.assertTrue(lines[0].startswith("twistd iphttps-"), lines[0])
        self.assertNotIn(INTERFACE, devices(program.namespace))
        return lines[0].partition(": ")[2]

    def server_refusal(self, *flags: str, status: int = 1) -> str:
        """Return the sentence with which the server refuses to start; its host must be as it was."""
        gateway = self.lab.gateway
        gateway.setting("ipv6.conf.all.forwarding", "0")
        sentence = self.refusal(self.lab.server(*flags), status)
        self.assertEqual("0", gateway.setting("ipv6.conf.all.forwarding"))
        return sentence

    def test_command_line(self) -> None:
        """The error for an invalid word on the command line names it and a valid one; the exit status is 2."""
        for flags, said in (
            (("--prefix", "2001:db8::1/64"), "did you mean 2001:db8::/64?"),
            (("--prefix", "10.0.0.0/8"), "it must look like 2001:db8:2::/64"),
            (("--prefix", "2001:db8::/48"), "must be a /64"),
            (("--prefix", "ff02::/64"), "must be global or unique local unicast"),
            (("--route", "nonsense"), "--route 'nonsense' is not an IPv6 prefix"),
            (("--prefx", "2001:db8:2::/64"), "did you mean --prefix?"),
            (("--uri", "htps://*/IPHTTPS"), "it must look like https://vpn.example.org/IPHTTPS"),
            (("--authentication", "passwords"), "certificates or none"),
            (("--max-clients", "0"), "--max-clients takes a number of at least 1"),
            (("--certificate", ""), "--certificate is missing"),
            (("surplus",), "'surplus'"),
        ):
            self.assertIn(said, self.server_refusal(*flags, status=2))

    def test_certificate_files(self) -> None:
        """Unreadable, empty, mismatched and expired certificate files are named with what is wrong."""
        empty = self.lab.directory / "empty.pem"
        empty.touch()
        other = self.lab.authority.server("other.example")
        expired = self.lab.authority.server(GATEWAY_NAME, expired=True)
        for flags, said in (
            (("--certificate", "/nowhere.pem"), "cannot read /nowhere.pem: No such file or directory"),
            (("--certificate", str(empty)), "empty.pem holds no certificate in PEM or DER form"),
            (("--private-key", "/nowhere.key"), "cannot read /nowhere.key: No such file or directory"),
            (("--private-key", str(empty)), "empty.pem holds no private key"),
            (("--private-key", str(other.private_key)), "is not the key of"),
            (("--client-ca", str(empty)), "empty.pem holds no certificate in PEM or DER form"),
        ):
            self.assertIn(said, self.server_refusal(*flags))
        sentence = self.refusal(self.lab.server(identity=expired))
        self.assertIn("expired on", sentence)
        self.assertIn("renew it", sentence)

    def test_interface(self) -> None:
        """An interface name that is taken or impossible is rejected with what to do."""
        self.assertIn("interface private already exists", self.server_refusal("--interface", "private"))
        self.assertIn("is not a valid interface name", self.server_refusal("--interface", "longer than fifteen"))

    def test_port_taken(self) -> None:
        """A port that is taken is named."""
        self.server()
        second = self.lab.server("--interface", "second")
        self.assertEqual(1, second.wait_ended())
        self.assertIn("cannot listen on port 443 of *: another program uses it", second.text)
        self.assertNotIn("second", devices(self.lab.gateway))

    def test_address_of_another_host(self) -> None:
        """An address that the host does not have is rejected, and a name where an address belongs."""
        self.assertIn("no such address", self.server_refusal("--uri", "https://192.0.2.99/IPHTTPS"))
        self.assertIn("give an address of this host, or *", self.server_refusal("--uri", "https://vpn.example/IPHTTPS"))

    def test_no_privilege(self) -> None:
        """Without root or CAP_NET_ADMIN both daemons say so."""
        for program in (self.lab.server(), self.lab.client()):
            program.kill()
            # Not another user, who could not read the certificates: root without capabilities.
            bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", *program.command)
            again = self.lab.program(program.namespace, "unprivileged", *bare)
            self.assertIn("it takes root or CAP_NET_ADMIN", self.refusal(again))

    def test_no_device_node(self) -> None:
        """Without /dev/net/tun both daemons say how to get it."""
        for program in (self.lab.server(), self.lab.client()):
            program.kill()
            script = 'mount -t tmpfs none /dev/net && exec "$0" "$@"'
            again = self.lab.program(program.namespace, "no-tun", "sh", "-c", script, *program.command)
            self.assertIn("modprobe tun", self.refusal(again))


class ConnectTests(LabCase):
    """Temporary faults: the client logs the reason and tries again."""

    def complaint(self, program: Program) -> str:
        """Return what a client says of its first attempt, and end it."""
        program.wait_for("next attempt in")
        program.stop()
        warnings = [line for line in program.text.splitlines() if "#warn]" in line and "plain HTTP" not in line]
        self.assertNotIn("LINK_UP", program.text)
        return warnings[0]

    def test_unreachable(self) -> None:
        """A server that is not there is told from a name that does not exist."""
        self.assertIn("connection refused", self.complaint(self.lab.client()))
        for uri, said in (
            ("https://nowhere.example/IPHTTPS", "the name cannot be resolved"),
            ("https://203.0.113.1/IPHTTPS", "there is no route to the server"),
        ):
            self.assertIn(said, self.complaint(self.lab.client(1, uri=uri)))

    def test_certificates(self) -> None:
        """Each way in which the server's certificate can be wrong is named (4.2.3)."""
        other = Authority(self.lab.directory / "other", "Other CA")
        for identity, said in (
            (other.server(GATEWAY_NAME), "Other CA, which is not trusted"),
            (self.lab.authority.server("other.example"), "for other.example, not for gateway.example"),
            (self.lab.authority.server(GATEWAY_NAME, usages=[Usage.CLIENT]), "is not meant for this use"),
        ):
            server = self.server(identity=identity)
            self.assertIn(said, self.complaint(self.lab.client()))
            server.stop()

    def test_expired(self) -> None:
        """A server certificate that has expired meanwhile is named, with the date (4.2.3)."""
        raw = self.lab.authority.server(GATEWAY_NAME, expired=True)
        self.lab.program(
            self.lab.gateway, "openssl", "openssl", "s_server", "-accept", "443", "-cert", str(raw.certificate),
            "-key", str(raw.private_key), "-quiet",
        )  # fmt: skip
        client = self.lab.client(1, *self.reconnect)
        self.assertIn("expired on", client.wait_for("expired on"))

    def test_client_certificates(self) -> None:
        """A client whose certificate is rejected is told so, and the server's log says why (4.2.1)."""
        server = self.server()
        other = Authority(self.lab.directory / "other", "Other CA")
        for identity, client_says, server_says in (
            (None, "the server requires a client certificate", "the client sent no certificate"),
            (other.client(), "does not trust the authority", "Other CA, which is not trusted"),
            (
                self.lab.authority.client(usages=[Usage.SERVER]),
                "rejected this client's certificate",
                "not meant for this use",
            ),
        ):
            mark = server.mark()
            flags = () if identity else ("--certificate=", "--private-key=")
            self.assertIn(client_says, self.complaint(self.lab.client(1, *flags, identity=identity)))
            server.wait_for(server_says, since=mark)

    def test_wrong_path(self) -> None:
        """A path that the server does not know is answered 404, and the client says where to look."""
        self.server()
        complaint = self.complaint(self.lab.client(1, uri=f"https://{GATEWAY_NAME}/other"))
        self.assertIn("answered 404 Not Found", complaint)
        self.assertIn("check the path in --uri", complaint)

    def test_wrong_scheme(self) -> None:
        """TLS to a plain port is recognised."""
        self.lab.server(uri="http://*:80/IPHTTPS", authentication="none").wait_for(LISTENING)
        complaint = self.complaint(self.lab.client(1, uri=f"https://{GATEWAY_NAME}:80/IPHTTPS"))
        self.assertIn("does not speak TLS on this port", complaint)
