"""`iphttps ca` and a server that has the authority, with real daemons, OpenSSL and curl."""

import json
import subprocess
import sys
from pathlib import Path

from cryptography import x509

from iphttps.lab.authority import Identity
from iphttps.lab.laboratory import INTERFACE, LINK_DOWN, LINK_UP, LISTEN_URI, LISTENING, TUNNEL_PREFIX
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME, PRIVATE_HOST, PRIVATE_NETWORK
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab.raw import RawCase

POLLED = 15.0
"""Seconds within which the server must have seen what has changed, with some patience."""

NOBODY = ("--uid", "65534", "--gid", "65534")

URI = f"http://{GATEWAY_NAME}/iphttps.crl"


class AuthorityCase(RawCase):
    """A gateway whose certificates `iphttps ca` has made."""

    clients = 2

    def setUp(self) -> None:
        """Make the authority, and all certificates."""
        super().setUp()
        self.files = self.lab.directory / "files"
        self.files.mkdir()
        self.place = self.lab.directory / "ca"
        self.ca("init", "--host", GATEWAY_NAME)
        self.ca("server", GATEWAY_NAME, GATEWAY_IPV4, "--out", str(self.files))
        for name in ("alice", "bob"):
            self.ca("client", name, "--key", "ecdsa", "--out", str(self.files))

    def ca(self, *words: str) -> str:
        """Give a command as a person does; return what it says."""
        command = Path(sys.executable).with_name("iphttps")
        done = subprocess.run(
            [command, "ca", *words, "--authority", self.place], capture_output=True, text=True, timeout=30
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout

    def identity(self, name: str) -> Identity:
        """Return the files of a name."""
        return Identity(self.files / f"{name}.pem", self.files / f"{name}.key")

    def start_server(self, *flags: str, identity: Identity | None = None) -> Program:
        """Start the server with the authority, and nothing said of --client-ca and --client-crl."""
        shown = identity or self.identity(GATEWAY_NAME)
        server = self.lab.daemon(
            self.lab.gateway, "iphttps-server", "--uri", LISTEN_URI, "--interface", INTERFACE,
            "--prefix", TUNNEL_PREFIX, "--route", PRIVATE_NETWORK,
            "--certificate", str(shown.certificate), "--private-key", str(shown.private_key),
            "--authority", str(self.place), "--control", str(self.lab.directory / "control.sock"), *flags,
        )  # fmt: skip
        server.wait_for(LISTENING)
        return server

    def start_client(self, number: int, name: str) -> Program:
        """Start a client, and wait until its link is up."""
        client = self.lab.client(
            number, *self.reconnect, "--ca", str(self.place / "ca.pem"), identity=self.identity(name)
        )
        client.wait_for(LINK_UP)
        return client

    def status(self) -> dict[str, object]:
        """Return what the server's status says of the authority."""
        socket = str(self.lab.directory / "control.sock")
        done = self.lab.gateway.run("curl", "-s", "--unix-socket", socket, "http://localhost/status")
        found = json.loads(done.stdout)["authority"]
        assert isinstance(found, dict)
        return found

    def fetched(self, *flags: str, uri: str = URI, number: int = 1) -> bytes:
        """Return what curl gets on a client's host."""
        path = self.lab.directory / "fetched"
        path.unlink(missing_ok=True)
        self.lab.clients[number - 1].run("curl", "-sSf", "--max-time", "10", "-o", str(path), *flags, uri)
        return path.read_bytes()


class RevokedTests(AuthorityCase):
    """Revocation by a command."""

    def test_revoked(self) -> None:
        """`iphttps ca revoke` ends that client's session within seconds, for good, and nobody else's; use is listed."""
        server = self.start_server()
        alice, bob = self.start_client(1, "alice"), self.start_client(2, "bob")
        wait_reachable(self.lab.clients[1], PRIVATE_HOST)
        used = {each["name"]: each["used"] for each in json.loads(self.ca("list", "--json"))["certificates"]}
        self.assertEqual({"alice": True, "bob": True, GATEWAY_NAME: False}, {name: bool(t) for name, t in used.items()})
        self.assertIn(", client alice", self.ca("revoke", "alice"))
        server.wait_for("disconnected: its certificate is revoked", POLLED)
        alice.wait_for(LINK_DOWN)
        alice.wait_for("rejected this client's certificate: it has been revoked")
        self.assertEqual(0, ping(self.lab.clients[1], PRIVATE_HOST).lost)
        self.assertNotIn(LINK_DOWN, bob.text)
        wait_until(lambda: self.status()["revoked"] == 1, "the revoked one in the status")

    def test_renewed_list(self) -> None:
        """A list that is nearly expired, or lost, is replaced by the server, at the start and later."""
        (self.place / "crl.pem").unlink()
        server = self.start_server()
        self.start_client(1, "alice")
        self.assertIn("crl.pem: there was no usable revocation list", server.text)
        mark = server.mark()
        (self.place / "crl.pem").unlink()
        server.wait_for("crl.pem: there was no usable revocation list", POLLED, since=mark)
        server.wait_for("reloaded: 0 certificates revoked", POLLED, since=mark)
        self.start_client(2, "bob")
        self.assertIsNone(self.status()["problem"])

    def test_privileges(self) -> None:
        """A directory that the server's user may not write to is said, and shown; when it may, all goes on."""
        server = self.lab.program(
            self.lab.gateway, "iphttps-server", *self.lab.twistd, "-n", "--pidfile=",
            *NOBODY,
            "iphttps-server", "--uri", LISTEN_URI, "--interface", INTERFACE, "--prefix", TUNNEL_PREFIX,
            "--certificate", str(self.identity(GATEWAY_NAME).certificate),
            "--private-key", str(self.identity(GATEWAY_NAME).private_key),
            "--authority", str(self.place), "--control", str(self.lab.directory / "control.sock"),
        )  # fmt: skip
        server.wait_for(", so the revocation list is not renewed")
        self.assertIn("server's user must own it", str(self.status()["problem"]))
        mark = server.mark()
        subprocess.run(["chown", "-R", "65534:65534", self.place], check=True, timeout=30)
        wait_until(lambda: self.status()["problem"] is None, "no problem in the status", POLLED)
        (self.place / "crl.pem").unlink()
        server.wait_for("crl.pem: there was no usable revocation list", POLLED, since=mark)
        # What root writes there stays root's, as that user is not the daemons' own; the server reads it all the same.
        self.ca("revoke", "alice")
        self.assertEqual({0, 65534}, {path.stat().st_uid for path in self.place.rglob("*")})
        wait_until(lambda: self.status()["revoked"] == 1, "the revoked one in the status", POLLED)
        server.wait_for("reloaded: 1 certificate revoked", POLLED, since=mark)


class StaticServerTests(AuthorityCase):
    """The list as a distribution point."""

    def test_fetched(self) -> None:
        """The list is where certificates say, by plain HTTP, and beside the tunnel, and OpenSSL verifies by it."""
        self.start_server("--publish", "http://*:80")
        self.ca("revoke", "alice")
        wait_until(lambda: self.status()["revoked"] == 1, "the new list", POLLED)
        certificate = x509.load_pem_x509_certificate(self.identity("bob").certificate.read_bytes())
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        assert points[0].full_name
        self.assertEqual(URI, points[0].full_name[0].value)
        der = self.fetched()
        bob = self.identity("bob")
        shown = ("--cert", str(bob.certificate), "--key", str(bob.private_key), "--cacert", str(self.place / "ca.pem"))
        self.assertEqual(der, self.fetched(*shown, uri=f"https://{GATEWAY_NAME}/iphttps.crl"))
        head = self.fetched("-I")
        self.assertIn(b"\r\nContent-Type: application/pkix-crl\r\n", head)
        fetched = self.lab.directory / "fetched.crl"
        fetched.write_bytes(der)
        list_pem = self.lab.directory / "fetched.pem"
        self.openssl(
            "crl", "-inform", "der", "-in", str(fetched), "-out", str(list_pem), "-CAfile", str(self.place / "ca.pem")
        )
        for name, purpose, said in (
            ("alice", "sslclient", "certificate revoked"),
            ("bob", "sslclient", "OK"),
            (GATEWAY_NAME, "sslserver", "OK"),
        ):
            self.assertIn(said, self.openssl(
                "verify", "-x509_strict", "-crl_check", "-purpose", purpose, "-CAfile", str(self.place / "ca.pem"),
                "-CRLfile", str(list_pem), str(self.identity(name).certificate),
            ))  # fmt: skip

    def openssl(self, *words: str) -> str:
        """Run OpenSSL; return all that it says."""
        done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=30)
        return done.stdout + done.stderr

    def test_long_list(self) -> None:
        """A list of some hundred kilobytes comes whole, by both ways, also over TLS to a peer that reads slowly."""
        certificates = self.place / "certificates"
        for number in range(1, 10001):
            (certificates / f"{1 << 150 | number:x}.revoked").write_text("2026-01-01T00:00:00Z\n")
        self.ca("crl")
        self.start_server("--publish", "http://*:80")
        bob = self.identity("bob")
        shown = ("--cert", str(bob.certificate), "--key", str(bob.private_key), "--cacert", str(self.place / "ca.pem"))
        for flags, uri in (((), URI), (shown, f"https://{GATEWAY_NAME}/iphttps.crl")):
            for slowly in ((), ("--limit-rate", "200k")):
                found = x509.load_der_x509_crl(self.fetched(*flags, *slowly, uri=uri))
                self.assertEqual(10000, len(found))

    def test_nothing_else(self) -> None:
        """Nothing else can be had there, and the tunnel does not open there."""
        self.start_server("--publish", "http://*:80")
        for flags, path, status in (((), "/", "404"), ((), "/IPHTTPS", "404"), (("-d", "x"), "/iphttps.crl", "405")):
            done = self.lab.clients[0].run(
                "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *flags, f"http://{GATEWAY_NAME}{path}"
            )
            self.assertEqual(status, done.stdout)


class CredentialsTests(AuthorityCase):
    """The server's own certificate, renewed while a session goes on."""

    def serial(self) -> int:
        """Return the serial number of the certificate that a client is shown."""
        pem = (
            self.lab.clients[1]
            .run("sh", "-c", f"openssl s_client -connect {GATEWAY_IPV4}:443 </dev/null 2>/dev/null | openssl x509")
            .stdout
        )
        return x509.load_pem_x509_certificate(pem.encode("ascii")).serial_number

    def test_renewed(self) -> None:
        """`iphttps ca renew` is all that it takes: new clients are shown the new certificate, no session ends."""
        server = self.start_server()
        client = self.start_client(1, "alice")
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        before = self.serial()
        self.ca("renew", GATEWAY_NAME, "--days", "500", "--out", str(self.files))
        server.wait_for("reloaded: new connections use the certificate", POLLED)
        self.assertNotEqual(before, self.serial())
        self.assertEqual(0, ping(self.lab.clients[0], PRIVATE_HOST).lost)
        self.assertNotIn(LINK_DOWN, client.text)

    def test_swapped_links(self) -> None:
        """Files behind symbolic links, as with certbot, are taken up when both are swapped; half is said once."""
        live, other = self.lab.directory / "live", self.lab.directory / "other"
        live.mkdir()
        other.mkdir()
        self.ca("server", GATEWAY_NAME, "--out", str(other))
        first = self.identity(GATEWAY_NAME)
        second = Identity(other / f"{GATEWAY_NAME}.pem", other / f"{GATEWAY_NAME}.key")
        shown = Identity(live / "fullchain.pem", live / "privkey.pem")
        shown.certificate.symlink_to(first.certificate)
        shown.private_key.symlink_to(first.private_key)
        server = self.start_server(identity=shown)
        client = self.start_client(1, "alice")
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        before = self.serial()
        self.swap(shown.certificate, second.certificate)
        server.wait_for("privkey.pem is not the key of", POLLED)
        self.assertEqual(before, self.serial())
        self.swap(shown.private_key, second.private_key)
        server.wait_for("fullchain.pem reloaded", POLLED)
        self.assertNotEqual(before, self.serial())
        self.assertEqual(1, server.text.count("stays in force"))
        self.assertEqual(0, ping(self.lab.clients[0], PRIVATE_HOST).lost)
        self.assertNotIn(LINK_DOWN, client.text)

    def swap(self, link: Path, target: Path) -> None:
        """Let a link lead elsewhere, in one step."""
        new = link.with_suffix(".new")
        new.symlink_to(target)
        new.rename(link)
