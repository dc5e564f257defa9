"""Programs that the daemon runs: what they inherit, how long they have, what becomes of their words."""

from __future__ import annotations

import os
from contextlib import closing

from iphttps.app.daemon.hooks.children import LONGEST_LINE, MOST_LINES, Child
from iphttps.core.errors import ConfigError
from iphttps.host.device.tun import LONGEST
from iphttps.lab.poll import wait_until

from ...programs import ProgramCase


class ChildTests(ProgramCase):
    """One program."""

    def child(self, *lines: str, limit: float = 10.0, **environment: str) -> Child:
        """Run a script."""
        self.said: list[str] = []
        return Child(self.reactor, [str(self.program(*lines))], environment, limit, self.said.append)

    async def test_ends_well(self) -> None:
        """A program that ends well has nothing wrong; what it said is heard, line by line."""
        self.assertEqual(await self.child("echo one", "echo two >&2", "printf three").ended, "")
        self.assertEqual(self.said, ["one", "two", "three"])

    async def test_fails(self) -> None:
        """One that fails has a sentence for it."""
        self.assertEqual(await self.child("exit 3").ended, "failed with status 3")
        self.assertEqual(await self.child("kill -TERM $$").ended, "was killed by SIGTERM")

    async def test_environment(self) -> None:
        """Its environment is what it is given, and its words are data, whatever stands there (CWE-78)."""
        odd = "; $(touch /tmp/h) `id` \" ' \\"
        await self.child('printf "%s\\n" "$ODD"', "/usr/bin/env | /usr/bin/grep -c =", ODD=odd, PATH="/bin").ended
        # The shell adds PWD, and perhaps SHLVL and _, to the two.
        self.assertEqual(self.said[0], odd)
        self.assertIn(self.said[1], ("3", "4", "5"))

    async def test_descriptors(self) -> None:
        """It inherits none of our descriptors, whether they are close-on-exec or not (CWE-403)."""
        with closing(os.fdopen(os.open("/dev/null", os.O_RDONLY))) as ours:
            os.set_inheritable(ours.fileno(), True)
            await self.child("exec /bin/ls -l /proc/self/fd", PATH="/bin").ended
        shown = [line.split(" -> ")[1] for line in self.said if " -> " in line]
        self.assertEqual(shown[0], "/dev/null")
        self.assertEqual([name[:5] for name in shown[1:]], ["pipe:", "pipe:", "/proc"])

    async def test_session(self) -> None:
        """It has a session of its own, and / for its directory: the terminal's signals are not for it."""
        await self.child("cut -d' ' -f1,5,6 /proc/$$/stat", "pwd", PATH="/bin:/usr/bin").ended
        number, group, session = self.said[0].split()
        self.assertEqual((group, session, self.said[1]), (number, number, "/"))

    async def test_hangs(self) -> None:
        """One that does not end in time is killed, with all that it has started."""
        notes = self.note()
        child = self.child(f"sleep 60 & echo $! $$ > {notes}", "wait", limit=0.3, PATH="/bin:/usr/bin")
        self.assertEqual(await child.ended, "did not end within 0.3 seconds, and was killed")
        wait_until(lambda: not any(map(alive, notes.read_text().split())), "an end of both")

    async def test_killed(self) -> None:
        """One may be killed before its time; to do so again, or after its end, does nothing."""
        child = self.child("exec sleep 60", PATH="/bin:/usr/bin")
        child.kill("was killed")
        child.kill("was killed again")
        self.assertEqual(await child.ended, "was killed")
        child.kill("was killed late")

    async def test_leaves_something_behind(self) -> None:
        """A grandchild that keeps the pipe open is not waited for."""
        notes = self.note()
        child = self.child(f"sleep 60 & echo $! > {notes}", "echo done", PATH="/bin:/usr/bin")
        self.assertEqual(await child.ended, "")
        self.assertEqual(self.said, ["done"])
        left = notes.read_text().strip()
        self.assertTrue(alive(left))
        os.kill(int(left), 9)

    async def test_talkative(self) -> None:
        """Of much talk the first lines are heard, and the program is not held up by the rest."""
        child = self.child("seq 100000", "echo end >&2", PATH="/bin:/usr/bin")
        self.assertEqual(await child.ended, "")
        expected = [str(number) for number in range(1, MOST_LINES + 1)]
        self.assertEqual(self.said, [*expected, "... (further output omitted)"])

    async def test_long_lines(self) -> None:
        """A long line is cut; what never ends a line does not grow in memory."""
        await self.child(f"head -c {10 * LONGEST} /dev/zero | tr '\\0' x", "echo", "echo y", PATH="/bin:/usr/bin").ended
        self.assertEqual(self.said[0], "x" * LONGEST_LINE + "...")
        self.assertEqual(self.said[-1], "y")

    async def test_escaped(self) -> None:
        """The program's output is escaped for the terminal."""
        await self.child("printf '\\033[2Jx\\303\\244\\n'").ended
        self.assertEqual(self.said, ["\\x1b[2Jx\\xc3\\xa4"])

    def test_no_program(self) -> None:
        """A program that cannot be run gives a sentence, and leaves nothing in the reactor."""
        path = self.program("exit 0")
        path.write_text("no first line\n")
        for missing, reason in ((path, "Exec format error"), (self.note("missing"), "No such file or directory")):
            error = self.assertRaises(ConfigError, Child, self.reactor, [str(missing)], {}, 1.0, print)
            self.assertEqual(str(error), f"cannot run {missing}: {reason}")


def alive(number: str) -> bool:
    """Tell whether there is a process of this number, not counting those that have ended and wait to be noticed."""
    try:
        with open(f"/proc/{number}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
