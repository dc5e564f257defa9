"""The host's settings left by a killed server, and their restoration without systemd."""

import json
from collections.abc import Callable

from iphttps.app.users import editing
from iphttps.lab.laboratory import LISTENING
from iphttps.lab.programs import Program
from tests.lab.case import LabCase


class CrashCase(LabCase):
    """A server with a control socket, beside which it notes what it changes."""

    def setUp(self) -> None:
        """Know what was before."""
        super().setUp()
        self.control = self.lab.directory / "server.sock"
        self.before = self.settings()

    def settings(self) -> list[str]:
        """Return what a server changes of the gateway."""
        gateway = self.lab.gateway
        return [gateway.setting(f"ipv6.conf.{name}") for name in ("all.forwarding", "default.accept_ra")]

    def kill(self) -> None:
        """Kill a server that is at work."""
        self.start().kill()
        self.assertNotEqual(self.before, self.settings())

    def start(self) -> Program:
        """Start a server."""
        return self.server("--control", str(self.control))


class CrashTests(CrashCase):
    """A server of IP-HTTPS."""

    def test_next_start(self) -> None:
        """The next server knows what was before the first, and puts it back at its end."""
        self.kill()
        server = self.start()
        self.assertIn("restored the host settings that a killed daemon", server.text)
        server.stop()
        self.assertEqual(self.before, self.settings())
        self.assertFalse(list(self.lab.directory.glob("server.*")))

    def test_damaged_note(self) -> None:
        """A note that is cut off, damaged, of a later version or no file is set aside, and both daemons start."""
        note, aside = self.control.with_suffix(".undo"), self.control.with_suffix(".undo.unreadable")
        later = json.dumps({"version": 9, "undo": [{"sysctl": "net.ipv6.conf.all.forwarding"}]})
        damages: list[Callable[[], object]] = [
            lambda: note.write_bytes(b"\x00\xff" * 100),
            lambda: note.write_text(later[:20]),
            lambda: note.write_text(later),
            lambda: note.symlink_to("/etc/hostname"),
            note.mkdir,
        ]
        for damage in damages:
            for start, begun in (
                (lambda: self.lab.server("--control", str(self.control)), LISTENING),
                (lambda: self.lab.client(1, "--control", str(self.control)), "DISABLED -> ENABLED"),
            ):
                damage()
                program = start()
                program.wait_for(f"renamed to {aside}")
                program.wait_for(begun)
                program.stop()
                self.assertTrue(aside.is_symlink() or aside.exists())
                self.assertFalse(note.is_symlink() or note.exists())
                aside.rmdir() if aside.is_dir() else aside.unlink()
        self.assertEqual(self.before, self.settings())

    def test_next_start_in_vain(self) -> None:
        """A next server that cannot start leaves everything as it was before the first."""
        self.kill()
        program = self.lab.server("--control", str(self.control), "--certificate", "/etc/hosts")
        self.assertEqual(1, program.wait_ended())
        self.assertNotIn(LISTENING, program.text)
        self.assertEqual(self.before, self.settings())

    def test_cleanup(self) -> None:
        """`iphttps cleanup` puts it back without another server, and rejects while one runs."""
        self.kill()
        command = [
            str(self.lab.twistd[0]).removesuffix("twistd") + "iphttps",
            "cleanup",
            "--control",
            str(self.control),
        ]
        self.lab.gateway.run(*command)
        self.assertEqual(self.before, self.settings())
        self.start()
        self.assertEqual(1, self.lab.gateway.run(*command, check=False).returncode)
        self.assertNotEqual(self.before, self.settings())


class SSTPCrashTests(CrashCase):
    """A server with SSTP and a pool, which makes the host a router for IPv4, too."""

    def setUp(self) -> None:
        """Have a user, and no forwarding of IPv4."""
        super().setUp()
        self.users = self.lab.directory / "users.toml"
        editing.add(self.users, "alice", "secret")
        self.lab.gateway.setting("ipv4.conf.all.forwarding", "0")
        self.before = self.settings()

    def settings(self) -> list[str]:
        """Return what such a server changes of the gateway."""
        gateway = self.lab.gateway
        names = ("all.forwarding", "default.forwarding", "all.accept_redirects")
        return [*super().settings(), *(gateway.setting(f"ipv4.conf.{name}") for name in names)]

    def kill(self) -> None:
        """Kill a server that is at work, and has turned on forwarding of both families."""
        super().kill()
        self.assertEqual(["1", "1", "0"], self.settings()[2:])

    def start(self) -> Program:
        """Start a server."""
        flags = ("--sstp-pool", "10.99.0.0/24", "--sstp-users", str(self.users))
        return self.server("--control", str(self.control), *flags)

    def test_next_start(self) -> None:
        """The next server knows what was before the first, of both families, and puts it back at its end."""
        self.kill()
        server = self.start()
        self.assertIn("restored the host settings that a killed daemon", server.text)
        server.stop()
        self.assertEqual(self.before, self.settings())

    def test_next_start_without(self) -> None:
        """A next server without SSTP puts back what concerns IPv4 at its start."""
        self.kill()
        self.server("--control", str(self.control))
        self.assertEqual(self.before[2:], self.settings()[2:])
