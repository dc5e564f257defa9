"""A file evaluated in a real child process: what it answers, what it may take, what it has of ours."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SkipTest, TestCase

from iphttps.app.daemon.process.child import RunningProgram
from iphttps.core.errors import DiscoveryError
from iphttps.net.connect import pac_process
from iphttps.net.connect.endpoints import URI
from iphttps.net.interfaces import IReactor

from ...host.support import NOBODY, need_another_user

SERVER = URI.parse("https://vpn.example.org/IPHTTPS")
ENDLESS = "while (true) {}"
ANSWER = "function FindProxyForURL(url, host) { return %s; }"


class Programs:
    """The daemon's way to run programs, which notes what it has run."""

    def __init__(self) -> None:
        self.run: list[RunningProgram] = []

    def __call__(self, *arguments: Any, **options: Any) -> RunningProgram:
        """Run a program."""
        self.run.append(RunningProgram(cast(IReactor, reactor), *arguments, **options))
        return self.run[-1]


class Case(TestCase):
    """A test at whose end no child is left."""

    def setUp(self) -> None:
        """Root needs somebody else to become."""
        need_another_user()
        self.programs = Programs()
        self.addCleanup(self.until, lambda: all(program.ended.called for program in self.programs.run))

    def evaluate(self, pac: str, uri: URI = SERVER, time_limit: float = 20) -> Deferred[str]:
        """Have a file evaluated."""
        return pac_process.evaluate(self.programs, pac, uri, time_limit)

    async def refused(self, pac: str, time_limit: float = 20) -> str:
        """Return why a file gives no answer."""
        try:
            answer = await self.evaluate(pac, time_limit=time_limit)
        except DiscoveryError as error:
            return str(error)
        raise AssertionError(f"it answers {answer!r}")

    def until(self, condition: Callable[[], object], seconds: float = 10.0) -> Deferred[None]:
        """Fire once the condition holds."""

        async def poll() -> None:
            deadline = time.monotonic() + seconds
            while not condition():
                self.assertLess(time.monotonic(), deadline, "it did not come about")
                await deferLater(reactor, 0.02)

        return Deferred.fromCoroutine(poll())


class AnswerTests(Case):
    """The results."""

    async def test_arguments(self) -> None:
        """The file is told scheme, host and port of the server, and not the path."""
        both = ANSWER % "url + ' ' + host"
        for uri, expected in (
            ("https://vpn.example.org/IPHTTPS", "https://vpn.example.org/ vpn.example.org"),
            ("http://vpn.example.org:8080/x", "http://vpn.example.org:8080/ vpn.example.org"),
            ("https://[2001:db8::1]/", "https://[2001:db8::1]/ 2001:db8::1"),
        ):
            self.assertEqual(await self.evaluate(both, URI.parse(uri)), expected)

    async def test_large(self) -> None:
        """A file of a mebibyte, in letters of all kinds, is evaluated like any other."""
        self.assertEqual(await self.evaluate(ANSWER % "'DIRECT'" + "// ü€😀\n" * 100_000), "DIRECT")

    async def test_errors(self) -> None:
        """A file that is none, or has no end of calls, or answers with something else, fails with the reason."""
        self.assertIn("SyntaxError", await self.refused("<html>"))
        self.assertIn("RangeError", await self.refused("function f() { return f() + 1; } f();"))
        self.assertIn("not answer with a string", await self.refused(ANSWER % "null"))
        error = await self.refused("throw '\\x1b[31m';")
        self.assertTrue(error.isprintable(), error)

    async def test_no_python(self) -> None:
        """If Python cannot be run, as for a user who may not read it, the failure says so."""
        self.patch(sys, "executable", "/nowhere/python")
        self.assertIn("cannot run Python", await self.refused(ANSWER % "''"))

    async def test_search_path(self) -> None:
        """A relative path to Python's modules holds for the process too, which runs in another directory."""
        Path("relative").mkdir()
        Path("relative", "answering.py").write_text("""print('{"answer": "DIRECT"}')""")
        self.patch(os, "environ", {**os.environ, "PYTHONPATH": "nowhere:relative"})
        self.patch(pac_process, "PROGRAM", ("-P", "-m", "answering"))
        self.assertEqual(await self.evaluate(""), "DIRECT")

    async def test_error_output(self) -> None:
        """A warning beside the answer does not spoil it."""
        program = """import sys; sys.stderr.write("a warning"); print('{"answer": "DIRECT"}')"""
        self.patch(pac_process, "PROGRAM", ("-c", program))
        self.assertEqual(await self.evaluate(""), "DIRECT")

    async def test_silent_program(self) -> None:
        """A program that ends without a word fails with the way it ended."""
        for program, expected in (
            ("", "without apparent errors: process finished with exit code 0."),
            ("raise SystemExit(3)", "with a probable error condition: process ended with exit code 3."),
            ("import os; os.abort()", "with a probable error condition: process ended by signal 6."),
        ):
            self.patch(pac_process, "PROGRAM", ("-c", program))
            self.assertEqual(await self.refused(""), f"its evaluation failed: A process has ended {expected}")

    async def test_broken_program(self) -> None:
        """A program that ends without an answer, or writes too much, fails with what is known of it."""
        self.patch(pac_process, "PROGRAM", ("-c", "raise ImportError('no \\x1b such module')"))
        self.assertIn("ImportError: no \\x1b such module", await self.refused(""))
        for text in ("[]", '{"answer": 1}', "[" * 60_000):
            self.patch(pac_process, "PROGRAM", ("-c", f"print('{text}')"))
            self.assertIn("its evaluation failed", await self.refused(""))
        self.patch(pac_process, "PROGRAM", ("-c", "while True: print('x' * 1000)"))
        self.assertIn("wrote too much", await self.refused(""))


class ConfinementTests(Case):
    """A kernel that cannot confine the process."""

    async def test_warning(self) -> None:
        """The answer counts, and the log says it once; it says nothing where the kernel can."""
        events: list[Any] = []
        self.patch(pac_process._Evaluation, "warned", False)

        def observe(event: Any) -> None:
            if str(event.get("event", "")).startswith("pac-"):
                events.append(event)

        observer: Any = observe
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for program, expected in (
            (pac_process.PROGRAM, [] if _has_landlock() and _has_seccomp() else ["pac-unconfined"]),
            (("-c", _WITHOUT_LANDLOCK), ["pac-unconfined"]),
            (("-c", _WITHOUT_LANDLOCK), ["pac-unconfined"]),
        ):
            self.patch(pac_process, "PROGRAM", program)
            self.assertEqual(await self.evaluate(ANSWER % "'DIRECT'"), "DIRECT")
            self.assertEqual([event["event"] for event in events], expected)

    async def test_words(self) -> None:
        """The warning names what is lacking, and repeats no other word of the process's."""
        for said, expected in (
            ('["Landlock"]', "only one of Landlock and seccomp, because the kernel does not support Landlock:"),
            ('["seccomp"]', "only one of Landlock and seccomp, because the kernel does not support seccomp:"),
            ('["Landlock", "seccomp"]', "user only, because the kernel does not support Landlock and seccomp:"),
            ('"what it says"', "user only, because the kernel does not support its confinement:"),
        ):
            events: list[Any] = []
            observer: Any = events.append
            globalLogPublisher.addObserver(observer)
            self.patch(pac_process._Evaluation, "warned", False)
            self.patch(pac_process, "PROGRAM", ("-c", f"""print('{{"answer": "DIRECT", "unconfined": {said}}}')"""))
            self.assertEqual(await self.evaluate(""), "DIRECT")
            globalLogPublisher.removeObserver(observer)
            (text,) = [formatEvent(event) for event in events if event.get("event") == "pac-unconfined"]
            self.assertIn(expected, text)

    async def test_out_of_the_interpreter(self) -> None:
        """A process that does what it likes instead of the evaluation opens no socket, no file and no process."""
        if not _has_seccomp():
            raise SkipTest("This kernel has no seccomp filters.")
        self.patch(pac_process, "PROGRAM", ("-c", _HOSTILE))
        found = json.loads(await self.evaluate(""))
        self.assertEqual({name: outcome for name, outcome in found.items() if outcome != "EPERM"}, {})
        self.assertIn("UDP", found)

    async def test_refused(self) -> None:
        """A kernel that can and does not is no reason to go on."""
        self.patch(pac_process, "PROGRAM", ("-c", _REFUSED))
        self.assertIn("cannot be confined: Argument list too long", await self.refused(ANSWER % "'DIRECT'"))


_HOSTILE = """
import json
from iphttps.host.pac import evaluator
from tests.host.process.test_seccomp import attempts
evaluator.evaluate = lambda *_: json.dumps(attempts())
evaluator.main()
"""
_WITHOUT_LANDLOCK = "from iphttps.host.pac import evaluator; evaluator.confine = lambda: False; evaluator.main()"
_REFUSED = """
from iphttps.host.pac import evaluator
def confine():
    raise OSError(7, "Argument list too long")
evaluator.confine = confine
evaluator.main()
"""


_LASTING = "from iphttps.host.pac import evaluator; evaluator.LIFETIME = 120; evaluator.main()"


class LimitTests(Case):
    """The limits of the process."""

    async def test_time(self) -> None:
        """A loop without end is ended by the time limit."""
        started = time.monotonic()
        self.assertIn("longer than 0.5 seconds", await self.refused(ENDLESS, time_limit=0.5))
        self.assertLess(time.monotonic() - started, 4)

    async def test_processor(self) -> None:
        """The kernel ends a loop too, by the processor's time, and memory that is asked for again and again."""
        self.patch(pac_process, "PROGRAM", ("-P", "-c", _LASTING))  # on a busy machine three seconds take long
        endless = self.refused(ENDLESS, time_limit=100)
        hungry = self.refused("var s = 'x'; while (true) try { s += s } catch (error) { }", time_limit=100)
        for refusal in (Deferred.fromCoroutine(endless), Deferred.fromCoroutine(hungry)):
            self.assertIn("CPU time limit", await refusal)

    async def test_memory(self) -> None:
        """Memory is bounded, in one piece and in many; a string of 4 GiB is none."""
        self.assertIn("out of memory", await self.refused("'x'.repeat(100 << 20);"))
        self.assertIn("InternalError", await self.refused("var s = 'x'; while (true) s += s;"))
        self.assertIn("fails", await self.refused(ANSWER % "'x'.repeat(4294967296)"))
        self.assertIn("out of memory", await self.refused("var a = []; while (true) a.push(new Array(99999).fill(1));"))

    async def test_cancel(self) -> None:
        """Cancelling ends the process."""
        answer = self.evaluate(ENDLESS)
        answer.cancel()
        await self.assertFailure(answer, CancelledError)
        await self.until(lambda: self.programs.run[0].ended.called, 3)

    async def test_alone(self) -> None:
        """The child has three pipes and a process to ask, is nobody if we are root, and leads its own session."""
        self.patch(os, "environ", {**os.environ, "https_proxy": "http://alice:secret@proxy.example"})
        open_here = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, open_here)
        os.set_inheritable(open_here, True)
        answer = self.evaluate(ENDLESS, time_limit=20)
        process = Path(f"/proc/{self.programs.run[0].pid}")
        user = str(NOBODY if os.geteuid() == 0 else os.geteuid())
        # It has given up root, and then computes: what it is from now on.
        await self.until(lambda: f"Uid:\t{user}\t{user}\t{user}" in (process / "status").read_text())
        await self.until(lambda: _seconds(process) > 0.3)
        status = (process / "status").read_text()
        self.assertIn("CapEff:\t0000000000000000", status)
        if _has_landlock():
            self.assertIn("NoNewPrivs:\t1", status)
        self.assertEqual(os.getsid(int(process.name)), int(process.name))
        if _has_seccomp():
            self.assertIn("Seccomp:\t2", status)
        # Beside the pipes only the socket over which names are asked for. libffi, which ctypes brings along, keeps its
        # own file open for its trampolines in some releases of Debian.
        opened = {int(link.name): os.readlink(link) for link in (process / "fd").iterdir()}
        others = [to for number, to in opened.items() if number > 2 and "/libffi.so" not in to]
        self.assertEqual([to.partition(":")[0] for to in others], ["socket"])
        resolver = Path("/proc", (process / "task" / process.name / "children").read_text().strip())
        self.assertIn(f"Uid:\t{user}\t{user}\t{user}", (resolver / "status").read_text())
        self.assertFalse({"0", "1", "2"} & set(os.listdir(resolver / "fd")))
        self.assertNotIn(b"secret", (process / "environ").read_bytes())
        self.assertNotIn(b"example", (process / "cmdline").read_bytes())
        limits = {line[:26].strip(): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()}
        self.assertEqual((limits["Max processes"], limits["Max file size"]), ("0", "0"))
        self.assertEqual(limits["Max address space"], str(512 << 20))
        answer.cancel()
        await self.assertFailure(answer, CancelledError)
        await self.until(lambda: not resolver.exists() or "State:\tZ" in (resolver / "status").read_text(), 3)


def _has_seccomp() -> bool:
    return "Seccomp_filters:" in Path("/proc/self/status").read_text()


def _has_landlock() -> bool:
    return int(ctypes.CDLL(None).syscall(444, None, 0, 1)) > 0  # landlock_create_ruleset(2): its version


def _seconds(process: Path) -> float:
    """Return the processor's time that a process has had."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
