"""The files in etc/ for systemd and its neighbours, judged by systemd's own programs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ETC = Path(__file__).parents[1] / "etc"
UNITS = sorted((ETC / "systemd").glob("*@.service"))
LIST, TIMER = ETC / "systemd" / "iphttps-crl.service", ETC / "systemd" / "iphttps-crl.timer"
EXPOSED = 2.5
"""The most of `systemd-analyze security` that a unit may have, of 10."""


def run(*command: str | Path, status: int = 0) -> str:
    """Run a command to this end and return all it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != status:
        raise AssertionError(f"{command} ended with status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class UnitTests(SynchronousTestCase):
    """The units of the daemons."""

    def placed(self) -> list[Path]:
        """Return copies of the units of which the programs are there."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        copies = []
        for unit in (*UNITS, LIST, TIMER):
            copies.append(directory / unit.name)
            copies[-1].write_text(re.sub(r"/opt/iphttps/bin/\w+", "/bin/true", unit.read_text()))
        return copies

    def test_there(self) -> None:
        """There is one for servers and one for the clients of each protocol."""
        self.assertEqual(
            ["iphttps-client@.service", "iphttps-server@.service", "sstp-client@.service"],
            [unit.name for unit in UNITS],
        )

    def test_security(self) -> None:
        """They are exposed no more than is needed, as systemd judges it."""
        for unit in (*UNITS, LIST):
            run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSED * 10:.0f}", unit)
        # The same command does find fault.
        run("systemd-analyze", "security", "--offline=true", "--threshold=1", UNITS[0], status=1)

    def test_list(self) -> None:
        """The revocation list is signed by another user than the daemons', who sees no network."""
        text = LIST.read_text()
        self.assertIn("\nUser=iphttps-ca\n", text)
        self.assertIn("\nPrivateNetwork=yes\n", text)
        for unit in UNITS:
            self.assertIn("\nUser=iphttps\n", unit.read_text())
            self.assertNotIn("iphttps-ca", unit.read_text())

    def test_valid(self) -> None:
        """Its own parser understands every line."""
        for unit in self.placed():
            said = run("systemd-analyze", "--man=no", "verify", unit).splitlines()
            # It also judges units of the system that ours depend on.
            self.assertEqual([], [line for line in said if unit.name in line])
        wrong = self.placed()[0]
        wrong.write_text(wrong.read_text().replace("RestartSec", "RestartSecs"))
        self.assertIn("RestartSecs", run("systemd-analyze", "--man=no", "verify", wrong))

    def test_limits(self) -> None:
        """Memory and descriptors are bounded, those of a server so that it can have as many as it asks for."""
        for unit, descriptors in zip(UNITS, (4096, 65536, 4096), strict=True):
            text = unit.read_text()
            self.assertRegex(text, r"(?m)^MemoryMax=\d+[MG]$")
            self.assertRegex(text, rf"(?m)^LimitNOFILE={descriptors}$")

    def test_breaking_settings(self) -> None:
        """What breaks the daemons is not set: both look like more safety, and are tempting."""
        for unit in UNITS:
            for setting in ("MemoryDenyWriteExecute", "ProtectKernelTunables", "ProcSubset", "PrivateDevices"):
                self.assertNotRegex(unit.read_text(), rf"(?m)^{setting}=")


class PackageScriptTests(SynchronousTestCase):
    """What the Debian package does when it comes and goes."""

    def script(self, name: str) -> str:
        """Return what it runs."""
        return (ETC.parent / "tools" / "debian" / name).read_text()

    def test_every_unit(self) -> None:
        """A removal stops every unit, and a purge forgets which were enabled, and when a timer was last at work."""
        for unit in sorted((ETC / "systemd").iterdir()):
            called = unit.name.replace("@", "@*")
            self.assertRegex(self.script("prerm"), rf"deb-systemd-invoke stop .*{re.escape(called)}")
            if "[Install]" in unit.read_text():
                self.assertIn(f"/etc/systemd/system/*.wants/{called}", self.script("postrm"))
            if unit.suffix == ".timer":
                self.assertIn(f"/var/lib/systemd/timers/stamp-{unit.name}", self.script("postrm"))

    def test_everything_goes(self) -> None:
        """A purge removes every directory and every user that the services have been given."""
        purge = self.script("postrm")
        users = re.findall(
            r"(?m)^u (\S+) - \S.* (/\S+) /usr/sbin/nologin$", (ETC / "sysusers.d/iphttps.conf").read_text()
        )
        self.assertEqual(["iphttps", "iphttps-ca"], [user for user, _ in users])
        self.assertIn(f"for user in {' '.join(user for user, _ in users)}; do", purge)
        made = re.findall(r"(?m)^d (\S+)", (ETC / "tmpfiles.d/iphttps.conf").read_text())
        removed = re.findall(r"(?m)^ +rm -rf (.*)$", purge)[0].split()
        for directory in (*(home for _, home in users), *made):
            self.assertTrue(any(Path(directory).is_relative_to(each) for each in removed), directory)

    def test_shell(self) -> None:
        """Each is a script that the shell can read."""
        for script in (ETC.parent / "tools" / "debian").iterdir():
            run("sh", "-n", script)


class SnippetTests(SynchronousTestCase):
    """What makes the user and the directories."""

    def test_made(self) -> None:
        """User and directories come about below another root, with their owners and modes."""
        root = Path(self.mktemp()).absolute()
        (root / "etc").mkdir(parents=True)
        run("systemd-sysusers", f"--root={root}", ETC / "sysusers.d" / "iphttps.conf")
        users = dict(line.split(":", 1) for line in (root / "etc/passwd").read_text().splitlines())
        self.assertTrue(users["iphttps"].endswith(":IP-HTTPS:/var/lib/iphttps:/usr/sbin/nologin"), users)
        self.assertIn("iphttps-ca", users)
        user = int(users["iphttps"].split(":")[1])
        run("systemd-tmpfiles", f"--root={root}", "--create", ETC / "tmpfiles.d" / "iphttps.conf")
        for name, mode, owner in (
            ("run/iphttps", 0o755, user),
            ("var/lib/iphttps", 0o700, user),
            ("etc/iphttps", 0o755, 0),
            ("etc/iphttps/server", 0o750, 0),
            ("etc/iphttps/client", 0o750, 0),
            ("etc/iphttps/sstp-client", 0o750, 0),
        ):
            made = (root / name).stat()
            self.assertEqual((mode, owner), (made.st_mode & 0o7777, made.st_uid), name)
            self.assertEqual(0 if name == "etc/iphttps" else user, made.st_gid, name)
