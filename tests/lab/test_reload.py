"""Reload: SIGHUP, and a request to the control socket."""

import json
import os
import signal

from cryptography import x509

from iphttps.lab.laboratory import CLIENT_URI, INTERFACE, LISTEN_URI, LISTENING, TUNNEL_PREFIX
from iphttps.lab.network import PRIVATE_HOST, PRIVATE_NETWORK
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab.raw import RawCase


class ReloadTests(RawCase):
    """A server that is configured by a file, and a client whose session outlives all changes."""

    def setUp(self) -> None:
        """Start both."""
        super().setUp()
        self.addCleanup(self.check_session)
        self.identity = self.lab.server_identity
        self.values: dict[str, object] = {"route": [PRIVATE_NETWORK], "max-clients": 5}
        self.write()
        self.control = self.lab.directory / "control.sock"
        self.program = self.lab.daemon(
            self.lab.gateway, "iphttps-server", "--config", str(self.config), "--control", str(self.control)
        )
        self.program.wait_for(LISTENING)
        self.lab.client(1, *self.reconnect, uri=CLIENT_URI)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)

    def write(self) -> None:
        """Write the configuration."""
        self.config = self.lab.directory / "server.toml"
        fixed = {
            "uri": LISTEN_URI,
            "prefix": TUNNEL_PREFIX,
            "interface": INTERFACE,
            "certificate": str(self.identity.certificate),
            "private-key": str(self.identity.private_key),
            "client-ca": str(self.lab.authority.certificate),
        }
        # A JSON string, number or list is a TOML one as well.
        self.config.write_text("".join(f"{key} = {json.dumps(v)}\n" for key, v in (fixed | self.values).items()))

    def request(self) -> dict[str, object]:
        """Ask for a reload and return the answer."""
        done = self.lab.gateway.run(
            "curl", "-s", "-X", "POST", "--unix-socket", str(self.control), "http://localhost/reload"
        )
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    def check_session(self) -> None:
        """The session must have outlived everything."""
        self.assertEqual(0, ping(self.lab.clients[0], PRIVATE_HOST).lost)
        self.assertNotRegex(self.program.text, r"client 1 \(.*\) disconnected")

    def serial(self) -> int:
        """Return the serial number of the certificate that a new connection is shown."""
        raw = self.raw()
        shown = raw.wire.getpeercert(True)  # type: ignore[attr-defined]  # an SSLSocket
        raw.wire.unwrap()  # type: ignore[attr-defined]
        return x509.load_der_x509_certificate(shown).serial_number

    def test_certificate(self) -> None:
        """New connections are shown the new certificate, whose files may be the same."""
        before = self.serial()
        other = self.lab.authority.server("gateway.example")
        self.identity.certificate.write_bytes(other.certificate.read_bytes())
        self.identity.private_key.write_bytes(other.private_key.read_bytes())
        self.assertEqual(["certificate", "private-key"], self.request()["changed"])
        self.assertNotEqual(before, self.serial())

    def test_routes(self) -> None:
        """On SIGHUP a new route is announced to the clients at once."""
        self.values["route"] = [PRIVATE_NETWORK, "2001:db8:7::/48"]
        self.write()
        os.kill(self.program.pid, signal.SIGHUP)
        self.program.wait_for("reloaded; changed: route")
        wait_until(
            lambda: "2001:db8:7::/48" in self.lab.clients[0].run("ip", "-6", "route").stdout, "the route on the client"
        )

    def test_limits(self) -> None:
        """A new limit holds for those who come from now on."""
        self.values["max-clients"] = 1
        self.write()
        self.assertEqual(["max-clients"], self.request()["changed"])
        self.assertEqual(b"", self.raw().post())

    def test_log_level(self) -> None:
        """A reload changes the logging options."""
        self.values["log-level"] = "warn"
        self.write()
        self.assertEqual(["log-level"], self.request()["changed"])
        mark = self.program.mark()
        self.session().close()
        self.values["log-level"] = "info"
        self.write()
        os.kill(self.program.pid, signal.SIGHUP)
        self.program.wait_for("reloaded; changed: log-level", since=mark)
        self.assertNotIn(" connected,", self.program.text[mark:])

    def test_needs_a_restart(self) -> None:
        """An option that needs a restart is reported, and stays unchanged."""
        self.values |= {"interface": "other0", "max-clients": 7, "offload": "off"}
        self.write()
        answer = self.request()
        self.assertEqual((["max-clients"], ["interface", "offload"]), (answer["changed"], answer["restart"]))

    def test_refused_whole(self) -> None:
        """A file with a fault is rejected whole, by a sentence, and everything stays as it was."""
        self.values |= {"max-clients": 1, "rout": []}
        self.write()
        self.assertIn("unknown key 'rout'; did you mean 'route'?", str(self.request()["error"]))
        del self.values["rout"]
        self.values["max-clients"] = 1000.9
        self.write()
        self.assertIn("max-clients takes a whole number, not '1000.9'", str(self.request()["error"]))
        self.values |= {"max-clients": 1, "rout": []}
        self.write()
        self.program.wait_for("reload failed, nothing was changed")
        mark = self.program.mark()
        os.kill(self.program.pid, signal.SIGHUP)
        self.program.wait_for("reload failed, nothing was changed", since=mark)
        del self.values["rout"]
        self.values["private-key"] = str(self.lab.authority.server("other.example").private_key)
        self.write()
        self.assertIn("is not the key of", str(self.request()["error"]))
        self.assertIn(b" 200 ", self.raw().post())
