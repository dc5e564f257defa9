"""The client's daemon with servers that are not as they should be: what it says, and that it comes back."""

import contextlib
import socket
import subprocess

from cryptography.x509.oid import ExtendedKeyUsageOID

from iphttps.lab.authority import Authority
from iphttps.lab.laboratory import LINK_DOWN, LINK_UP
from iphttps.lab.poll import DEADLINE, wait_until
from iphttps.lab.programs import Program
from tests.lab.raw import inside
from tests.lab.raw_server import RawServerCase, say, server_context
from tests.net.odd_certificates import UNPRINTABLE, common_name, issue, resigned, save


class AnswerTests(RawServerCase):
    """One client, and one odd server after the other."""

    def test_answers(self) -> None:
        """For any answer the client logs its kind and retries; its link comes up only for a right one."""
        client = self.start()
        ok = b"HTTP/1.1 200 OK\r\n"
        for behave, said in (
            (say(b"HTTP/1.1 302 Found\r\nLocation: https://portal.example/\r\n\r\n"), "to https://portal.example/,"),
            (say(b"HTTP/1.1 404 Not Found\r\n\r\n"), "check the path in --uri"),
            (say(ok + b"Content-Type: text/html\r\n\r\n<html>"), "is a web page: a captive portal"),
            (say(ok + b"Content-Encoding: gzip\r\n\r\n"), "encoded (gzip)"),
            (say(ok, *[b"X: %s\r\n" % (b"y" * 4000)] * 8), "longer than 16384 bytes"),
            (say(*[b"HTTP/1.1 102 Processing\r\n\r\n"] * 20), "interim responses"),
            (say(b"220 mail.example ESMTP\r\n"), "the server's answer is not HTTP"),
            (say(drain=False), "instead of answering the request"),
        ):
            mark = client.mark()
            self.serve(behave)
            client.wait_for(said, since=mark)
        self.assertNotIn(LINK_UP, client.text)
        for behave, said in (
            (say(ok + b"Content-Length: 10\r\n\r\n" + b"\x60" + bytes(39)), "was only 10 bytes long"),
            (say(ok + b"\r\nrubbish that is no packet"), "framing is lost: not an IPv6 packet"),
            (say(ok + b"\r\n", drain=False), "connection lost"),
            (say(ok + b"\r\n", drain=False), "connection lost"),
            (say(ok + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "ended with its last chunk"),
        ):
            mark = client.mark()
            self.serve(behave)
            client.wait_for(LINK_UP, since=mark)
            client.wait_for(LINK_DOWN, since=mark)
            client.wait_for(said, since=mark)
            client.wait_for("next attempt in 0.2 seconds", since=mark)
        mark = client.mark()
        self.serve(say(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://10.0.0.1/\r\n\r\n<html>"), tls=False)
        client.wait_for("does not speak TLS on this port: a captive portal", since=mark)
        self.assertEqual(("tls", None), self.failure())
        mark = client.mark()
        self.serve(say(b"HTTP/1.1 503 Busy\r\nRetry-After: 1000\r\n\r\n"))
        client.wait_for("it asks us to wait 1000 seconds", since=mark)
        client.wait_for("next attempt in 1000.0 seconds", since=mark)
        self.assertEqual(("http", None), self.failure())

    def test_chunked(self) -> None:
        """Packets in chunks reach the kernel, which answers them, until the session ends."""
        client = self.start("--request-length", "chunked")
        seen = []

        def behave(wire: socket.socket) -> None:
            wire.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.wait_for(LINK_UP)
            # The kernel solicits routers, in a chunk: 0x30 or more bytes of IPv6.
            seen.append(wire.recv(65536))
            packet = b"\x60" + bytes(5) + b"\x3b\x40" + b"\xfe\x80" + bytes(13) + b"\1" + b"\xff\2" + bytes(13) + b"\1"
            wire.sendall(b"10\r\n" + packet[:16] + b"\r\n18\r\n" + packet[16:] + b"\r\n")
            wait_until(lambda: self.status()["counters"]["session"]["packets_in"] == 1, "the packet in two chunks")

        self.serve(behave)
        length, _, rest = seen[0].partition(b"\r\n")
        self.assertEqual((b"\x60", b"\r\n"), (rest[:1], rest[int(length, 16) :][:2]))

    def test_black_hole(self) -> None:
        """While a server accepts everything and says nothing, the link is down."""
        self.start()
        bare, _ = self.listening.accept()
        with self.context.wrap_socket(bare, server_side=True) as wire:
            self.assertTrue(wire.recv(65536).startswith(b"POST /IPHTTPS HTTP/1.1\r\n"))
            self.assertEqual("ESTABLISHED", self.status()["state"])


class SServer:
    """A server that is `openssl s_server`: it prints what the client sends, and obeys and sends what it is told."""

    def __init__(self, *flags: str) -> None:
        """Start it in the namespace that this thread is in."""
        self._wire, theirs = socket.socketpair()
        self._wire.settimeout(DEADLINE)
        self._said = b""
        with theirs:
            self._process = subprocess.Popen(
                ["openssl", "s_server", *flags], stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=theirs.fileno()
            )

    def expect(self, words: bytes) -> None:
        """Wait until it has said this."""
        while words not in self._said:
            said = self._wire.recv(65536)
            assert said, self._said
            self._said += said

    def say(self, words: bytes) -> None:
        """Type this, a command or what the client is sent."""
        self._wire.sendall(words)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._wire.close()


class CertificateTests(RawServerCase):
    """Pins, revocation lists, and servers that ask late, with the system's own OpenSSL as the server."""

    def test_pin_and_list(self) -> None:
        """A key that no --pin names is shown, to be compared with the right one; who is revoked is rejected."""
        wrong = "sha256//" + "A" * 43 + "="
        identity = self.lab.server_identity
        right = self.lab.gateway.run(
            "sh", "-c", f"openssl x509 -in {identity.certificate} -noout -pubkey | openssl pkey -pubin -outform der | "
            "openssl dgst -sha256 -binary | openssl enc -base64",
        ).stdout.strip()  # fmt: skip
        client = self.start("--pin", wrong)
        with contextlib.suppress(OSError):
            self.serve(say())
        self.assertIn(f"has the key sha256//{right}, which no --pin names", client.wait_for("which no --pin"))
        client.stop()
        crl = self.lab.authority.revoke()
        client = self.start("--pin", wrong, "--pin", f"sha256//{right}", "--crl", str(crl))
        self.serve(say(b"HTTP/1.1 200 OK\r\n\r\n", drain=False))
        client.wait_for(LINK_UP)
        self.lab.authority.revoke(identity)
        with contextlib.suppress(OSError):
            for _ in range(2):  # an attempt may have begun before
                self.serve(say(drain=False))
        client.wait_for("is revoked")
        self.assertEqual("0x800B010C", self.status()["last_failure"]["code"])

    def test_unreadable_names(self) -> None:
        """A rogue server's certificate with a name that cannot be read is rejected in a sentence."""
        other, usage = Authority(self.lab.directory / "other", "Other CA"), ExtendedKeyUsageOID.SERVER_AUTH
        shown = resigned(other, issue(other, common_name("abcdef"), usage=usage), b"\x0c\x06abcdef", UNPRINTABLE["LF"])
        self.context = server_context(save(shown, self.lab.directory / "rogue"))
        client = self.start()
        with contextlib.suppress(OSError):
            self.meet()
        client.wait_for(r"CN=a\0Acdef is issued by CN=Other CA, which is not trusted")

    def late(self, *flags: str) -> tuple[Program, SServer]:
        """Start a client, and a TLS 1.2 server that asks for its certificate once it has the request."""
        self.listening.close()
        identity, authority = self.lab.server_identity, self.lab.authority.certificate
        with inside(self.lab.gateway):
            server = SServer(
                "-accept", "443", "-tls1_2", "-no_cache", "-no_ticket", "-cert", str(identity.certificate), "-key",
                str(identity.private_key), "-CAfile", str(authority),
            )  # fmt: skip
        self.addCleanup(server.close)
        server.expect(b"ACCEPT")
        client = self.start(*flags)
        server.expect(b"Host: ")
        server.say(b"R\n")
        return client, server

    def test_late_request_refused(self) -> None:
        """A late request is not answered unless that was allowed; the client says what would help."""
        client, _ = self.late()
        line = client.wait_for("only after the request, by TLS renegotiation")
        for words in ("--allow-renegotiation", "netsh http update sslcert", "clientcertnegotiation=enable"):
            self.assertIn(words, line)
        self.assertEqual(("certificate", "0x90320"), self.failure())

    def test_late_request_answered(self) -> None:
        """If it was allowed the certificate is shown, and the session opens after it."""
        client, server = self.late("--allow-renegotiation")
        server.expect(b"depth=0 CN = client1")
        server.say(b"HTTP/1.1 200 OK\r\n\r\n")
        client.wait_for(LINK_UP)
