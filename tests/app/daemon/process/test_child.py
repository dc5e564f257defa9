"""Programs that the reactor runs: input, output and error output, and their end."""

from __future__ import annotations

from twisted.internet.task import deferLater

from iphttps.app.daemon.process.child import RunningProgram
from iphttps.host.process.child import PIPE
from iphttps.net.interfaces import ProgramEnd

from ...programs import ProgramCase


class RunningProgramTests(ProgramCase):
    """One program; tests of hooks and of PAC files cover more of it."""

    def run_program(self, *lines: str, given: bytes = b"", apart: bool = True) -> RunningProgram:
        """Run a script."""
        self.output, self.errors = bytearray(), bytearray()
        return RunningProgram(
            self.reactor,
            [str(self.program(*lines))],
            {"PATH": "/bin:/usr/bin"},
            limit=20.0,
            late="took too long",
            output=self.output.extend,
            errors=self.errors.extend if apart else None,
            given=given,
        )

    async def test_input(self) -> None:
        """Input of any length is written as the program reads it, and then ends."""
        given = bytes(range(256)) * 4096
        self.assertEqual(await self.run_program("exec cat", given=given).ended, ProgramEnd(0))
        self.assertEqual(bytes(self.output), given)

    async def test_input_not_read(self) -> None:
        """A program need not read its input, nor keep it open."""
        for script in ("exit 3", "exec <&-; sleep 0.3; exit 3"):
            self.assertEqual(await self.run_program(script, given=b"x" * 4 * PIPE).ended, ProgramEnd(3))

    async def test_input_refused(self) -> None:
        """A program that leaves its input unread is killed with it."""
        program = self.run_program("exec sleep 60", given=b"x" * 4 * PIPE)
        program.kill("was stopped")
        self.assertEqual(await program.ended, ProgramEnd(-9, "was stopped"))

    async def test_errors(self) -> None:
        """Error output is apart where it is asked for, to the last byte the program leaves behind."""
        script = f"head -c {PIPE} /dev/zero >&2; printf answer"
        await self.run_program(script).ended
        self.assertEqual((bytes(self.output), bytes(self.errors)), (b"answer", bytes(PIPE)))
        await self.run_program(script, apart=False).ended
        self.assertEqual((bytes(self.output), bytes(self.errors)), (bytes(PIPE) + b"answer", b""))

    async def test_readers(self) -> None:
        """Nothing of it is left in the reactor after its end."""
        await deferLater(self.reactor, 0)  # in a reactor that runs
        before = set(self.reactor.getReaders()), set(self.reactor.getWriters())
        await self.run_program("exit 0", given=b"x" * 4 * PIPE).ended
        self.assertEqual((set(self.reactor.getReaders()), set(self.reactor.getWriters())), before)

    def test_missing(self) -> None:
        """A program that cannot be run is an error, and leaves nothing in the reactor."""
        path = self.program("exit 0")
        path.chmod(0o644)
        arguments = {"limit": 1.0, "late": "", "output": print}
        self.assertRaises(PermissionError, RunningProgram, self.reactor, [str(path)], {}, **arguments)
