"""The rules that no type checker knows: who may import whom, how long a file is, that it says what it is for.

The syntax trees are walked, so an import counts wherever it stands, in a function too. Each rule broken is
reported with the file, the line, and the rule.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "iphttps"
MAXIMUM_LINES = 350

OURS = {
    "iphttps": (),
    "iphttps.core": ("iphttps.core",),
    "iphttps.pki": ("iphttps.core", "iphttps.pki"),
    "iphttps.net": ("iphttps.core", "iphttps.pki", "iphttps.net"),
    "iphttps.host": ("iphttps.core.ip", "iphttps.core.errors", "iphttps.core.counters", "iphttps.host"),
    "iphttps.app": ("iphttps.__version__", "iphttps.core", "iphttps.pki", "iphttps.net", "iphttps.host", "iphttps.app"),
    "iphttps.lab": ("iphttps.lab",),
}
"""Which modules of ours each layer may import: app -> net, host -> pki -> core, and the laboratory stands alone."""
LADDER = "imports go app -> net, host -> pki -> core, and the lab stands alone"
PROTOCOLS = ("iphttps", "sstp")
"""The protocols: a folder of this name in any layer holds one of them, and never imports the other's."""
SHARED = tuple(f"iphttps.{layer}" for layer in ("core", "host", "net", "pki"))
"""The layers that every protocol shares, apart from the folders named for a protocol."""
MAXIMUM_MODULES = 20

PURE = (
    "h11",
    # Of the standard library, what neither does input or output nor knows the time, as far as core uses it.
    "__future__",
    "abc",
    "base64",
    "binascii",
    "bisect",
    "codecs",
    "collections",
    "dataclasses",
    "difflib",
    "email.utils",
    "enum",
    "functools",
    "hashlib",
    "hmac",
    "http",
    "ipaddress",
    "itertools",
    "math",
    "operator",
    "re",
    "string",
    "struct",
    "typing",
    "urllib.parse",
    "zlib",
)
"""What else core may import: bytes, values and the time come in, values go out."""
IMPURE = ("http.client", "http.server", "http.cookiejar")
"""What the prefixes in PURE would let through."""

NOT_THEIRS = {
    "iphttps.core": ("twisted", "pyroute2", "pytun", "quickjs", "publicsuffixlist", "pyrad"),
    "iphttps.pki": ("twisted", "pyroute2", "pytun", "quickjs", "h11", "publicsuffixlist", "pyrad"),
    "iphttps.net": ("pyroute2", "pytun", "quickjs", "pyrad"),
    "iphttps.host": ("twisted", "h11", "pyrad"),
    "iphttps.lab": ("twisted", "h11"),
}
"""Which libraries a layer leaves to another: Twisted to net and app, the operating system's to host."""

STARTING = re.compile(
    r"subprocess\.(run|Popen|call|check_\w+|get\w*output)|os\.(fork\w*|posix_spawnp?|spawn[lv]\w*|exec[lv]\w*|system|popen)"
    r"|(.*\.)?(spawnProcess|getProcess\w+|create_subprocess_\w+)|(multiprocessing|pty)(\.\w+)?"
)
"""The ways to start a program or a process."""
STARTERS = {
    "iphttps.host.process.child": "subprocess.Popen",  # every child process of a daemon
    "iphttps.host.pac.names": "os.fork",  # the evaluator's resolver, no program
    "iphttps.host.kernel.firewall": "subprocess.run",
    "iphttps.app.instances.units": "subprocess.run",
    "iphttps.app.instances.launch": "subprocess.Popen",  # an instance in the background, which outlives the command
    "iphttps.app.instances.foreground": "subprocess.Popen",
    "iphttps.app.cli.commands.misc": "subprocess.run",
}
"""Who starts processes, and how; the lab apart."""


def within(module: str, names: tuple[str, ...]) -> bool:
    """Tell whether the module is one of the names, or lies in one of them."""
    return any(module == name or module.startswith(name + ".") for name in names)


def module_name(path: str) -> str:
    """Return the dotted name of the module in a file, whose path is relative to the root."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def protocol(module: str) -> str | None:
    """Return the protocol that a module of ours belongs to; None where both share it."""
    return next((part for part in module.split(".")[1:] if part in PROTOCOLS), None)


def imported(tree: ast.Module, path: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything that is imported, be it a module or something in one."""
    here = module_name(path).split(".")
    package = here if path.endswith("/__init__.py") else here[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = [*start, node.module] if node.module else start
            for alias in node.names:
                yield node.lineno, ".".join([*base, alias.name])


def starts(tree: ast.Module, path: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of every way to start a process that is used or imported."""
    used = ((node.lineno, ast.unparse(node)) for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    yield from ((line, name) for line, name in (*used, *imported(tree, path)) if STARTING.fullmatch(name))


def broken_rules(path: str, source: str) -> list[str]:
    """Return a sentence for each rule that the file breaks; its path is relative to the root."""
    tree = ast.parse(source, path)
    sentences = []
    lines = len(source.splitlines())
    if lines >= MAXIMUM_LINES:
        sentences.append(f"{path}:{lines}: a file has fewer than {MAXIMUM_LINES} lines")
    if not ast.get_docstring(tree):
        sentences.append(f"{path}:1: a module says in its docstring what it is for")
    layer = ".".join(module_name(path).split(".")[:2])
    if not path.startswith(f"{PACKAGE}/"):
        return sentences
    if layer not in OURS:
        return [*sentences, f"{path}:1: {layer} is no layer: core, pki, net, host, app, lab"]
    for line, name in starts(tree, path) if layer != "iphttps.lab" else ():
        if STARTERS.get(module_name(path)) != name:
            sentences.append(f"{path}:{line}: no {name} here: iphttps.host.process.child starts child processes")
    for line, name in imported(tree, path):
        sentences += [f"{path}:{line}: {rule}" for rule in _broken_by(layer, name)]
        if {protocol(module_name(path)), protocol(name)} == set(PROTOCOLS):
            sentences.append(f"{path}:{line}: {module_name(path)} may not import {name}: the protocols never meet")
        if within(module_name(path), SHARED) and not protocol(module_name(path)) and protocol(name):
            sentences.append(f"{path}:{line}: {module_name(path)} may not import {name}: all protocols share it")
    return sentences


def _broken_by(layer: str, name: str) -> Iterator[str]:
    if within(name, (PACKAGE,)):
        if not within(name, OURS[layer]):
            yield f"{layer} may not import {name}: {LADDER}"
    elif within(name, NOT_THEIRS.get(layer, ())):
        yield f"{layer} may not import {name}, which is another layer's"
    elif layer == "iphttps.core" and (not within(name, PURE) or within(name, IMPURE)):
        yield f"{layer} may not import {name}: it is pure, and uses pure parts of the standard library and h11 only"


def crowded(paths: Iterable[str]) -> list[str]:
    """Return a sentence for each folder that holds too many modules."""
    folders = Counter(path.rpartition("/")[0] for path in paths if not path.endswith("/__init__.py"))
    return [f"{folder}: {count} modules, at most {MAXIMUM_MODULES}" for folder, count in folders.items() if count > 20]


def cycles(files: Mapping[str, str]) -> list[str]:
    """Return the modules of an import cycle, if there is one, among imports that run when a module is loaded."""
    modules = {module_name(path): path for path in files}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        tree = ast.parse(files[path], path)
        top = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        found = (name if name in modules else name.rpartition(".")[0] for _, name in imported(top, path))
        graph[module] = {name for name in found if name in modules} - {module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def sources(*folders: str) -> dict[str, str]:
    """Return the source of every file in the folders, by path relative to the root."""
    found = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in found}


class TreeTests(SynchronousTestCase):
    """The tree as it is."""

    def test_rules(self) -> None:
        """Imports go app -> net, host -> pki -> core; core is pure; every file is short and says what it is for."""
        files = sources(PACKAGE, "tests", "bench", "manual", "twisted")
        self.assertIn("iphttps/core/iphttps/policy.py", files)
        broken = [sentence for path, source in files.items() for sentence in broken_rules(path, source)]
        self.assertEqual("", "\n".join(broken))

    def test_folders(self) -> None:
        """A folder of the program holds at most 20 modules."""
        self.assertEqual([], crowded(sources(PACKAGE)))
        self.assertEqual(["x: 21 modules, at most 20"], crowded(f"x/{n}.py" for n in range(21)))
        self.assertEqual([], crowded(["x/__init__.py", *(f"x/{n}.py" for n in range(20))]))

    def test_cycles(self) -> None:
        """No module needs, to be loaded, one that needs it."""
        self.assertEqual([], cycles(sources(PACKAGE)))
        both = {"iphttps/a.py": "from . import b", "iphttps/b.py": "def f():\n    from . import a"}
        self.assertEqual([], cycles(both))
        both["iphttps/b.py"] = "from .a import f"
        self.assertEqual({"iphttps.a", "iphttps.b"}, set(cycles(both)))

    def test_pure_is_standard(self) -> None:
        """What core is allowed, but for h11, is the standard library's."""
        self.assertEqual(["h11"], [name for name in PURE if name.partition(".")[0] not in sys.stdlib_module_names])


class RuleTests(SynchronousTestCase):
    """The rules themselves, on files that break them."""

    def broken(self, path: str, *lines: str) -> list[int]:
        """Return the lines that break a rule, in a file which has these after its docstring."""
        sentences = broken_rules(path, "\n".join(('"""Text."""', *lines)))
        self.assertTrue(all(sentence.startswith(f"{path}:") for sentence in sentences), sentences)
        return [int(sentence.split(":")[1]) for sentence in sentences]

    def test_pure_core(self) -> None:
        """Core imports nothing that does input or output, or knows the time; not in a function either."""
        for name in ("os", "socket", "time", "random", "twisted.logger", "pyroute2", "http.client", "sys"):
            self.assertEqual([3], self.broken("iphttps/core/x.py", "import struct, h11", f"import {name}"), name)
            self.assertEqual([3], self.broken("iphttps/core/x.py", "def f():", f"    from {name} import y"), name)
        self.assertEqual([2], self.broken("iphttps/core/x.py", "from http import client"))
        pure = ("from http import HTTPStatus", "from email.utils import formatdate", "from collections.abc import Set")
        self.assertEqual(
            [], self.broken("iphttps/core/x.py", *pure, "from . import ipv6", "from .policy import Policy")
        )

    def test_core_imports_no_layer(self) -> None:
        """Core imports nothing upwards, however it is written."""
        ways = (
            "from ..net import tls",
            "from .. import net",
            "import iphttps.net.tls.contexts",
            "from iphttps.host.tun import x",
        )
        for way in ways:
            self.assertEqual([2], self.broken("iphttps/core/x.py", way), way)

    def test_net_and_host_never_meet(self) -> None:
        """Net and host import core, and neither the other nor app nor the laboratory."""
        for layer, other in (("net", "host"), ("host", "net")):
            for way in (f"from ..{other} import x", "from ..app import x", "from ..lab.poll import x"):
                self.assertEqual([2], self.broken(f"iphttps/{layer}/x.py", way), way)
        self.assertEqual([], self.broken("iphttps/net/x.py", "from ..core.policy import Policy", "import socket"))

    def test_host_knows_packets_only(self) -> None:
        """Host imports of core what is about packets, and nothing about clients."""
        few = ("from ..core.ip import ipv6", "from ..core.ip.batch import Batch", "from .tun import x", "import os")
        self.assertEqual([], self.broken("iphttps/host/x.py", *few))
        for way in ("from ..core import policy", "from ..core.policy import Policy", "from .. import core"):
            self.assertEqual([2], self.broken("iphttps/host/x.py", way), way)

    def test_pki(self) -> None:
        """The certificates' half knows core and OpenSSL, and neither Twisted nor anything above it."""
        self.assertEqual([], self.broken("iphttps/pki/x.py", "from ..core.errors import x", "from OpenSSL import SSL"))
        for way in ("from ..net import x", "from ..host import x", "from ..app import x", "import twisted.logger"):
            self.assertEqual([2], self.broken("iphttps/pki/x.py", way), way)
        self.assertEqual([2], self.broken("iphttps/host/x.py", "from ..pki import x"))

    def test_protocols_never_meet(self) -> None:
        """Neither protocol imports the other, in any layer; what they share lies outside both."""
        for one, other in (PROTOCOLS, PROTOCOLS[::-1]):
            self.assertEqual([2], self.broken(f"iphttps/net/{one}/x.py", f"from ..{other}.session import x"), one)
            self.assertEqual([2], self.broken(f"iphttps/net/{one}/x.py", f"from ...core.{other} import x"), one)
            self.assertEqual([], self.broken(f"iphttps/net/{one}/x.py", f"from ...core.{one} import x"), one)
            self.assertEqual([], self.broken(f"iphttps/net/{one}/x.py", "from ..session import x"), one)

    def test_shared(self) -> None:
        """What all protocols use imports none of them."""
        for name in PROTOCOLS:
            self.assertEqual([2], self.broken("iphttps/net/connect/x.py", f"from ...core.{name}.request import x"))
            self.assertEqual([2], self.broken("iphttps/net/listen/x.py", f"from ..{name}.client import x"))
            self.assertEqual([2], self.broken("iphttps/core/http/x.py", f"from ..{name}.request import x"))
        self.assertEqual([], self.broken("iphttps/net/connect/x.py", "from ...core.http.head import x"))

    def test_libraries(self) -> None:
        """Twisted belongs to net and app, the operating system's libraries to host."""
        self.assertEqual([2], self.broken("iphttps/host/x.py", "from twisted.logger import Logger"))
        self.assertEqual([2], self.broken("iphttps/net/x.py", "import pyroute2"))
        self.assertEqual([], self.broken("iphttps/app/x.py", "import twisted", "from ..net.tls import x"))

    def test_laboratory(self) -> None:
        """App imports everything but the laboratory, which imports nothing of ours but itself."""
        self.assertEqual([2], self.broken("iphttps/app/x.py", "from iphttps.lab.demo import main"))
        self.assertEqual([], self.broken("iphttps/lab/x.py", "from iphttps.lab.poll import x", "from . import poll"))
        for layer in ("core", "net", "host", "app"):
            self.assertEqual([2], self.broken("iphttps/lab/x.py", f"from iphttps.{layer} import x"), layer)

    def test_one_child_process(self) -> None:
        """Child processes are started in one place; the synchronous commands are listed."""
        popen = ("import subprocess", "subprocess.Popen(())")
        self.assertEqual([], self.broken("iphttps/host/process/child.py", *popen))
        self.assertEqual([], self.broken("iphttps/lab/x.py", *popen))
        self.assertEqual([3], self.broken("iphttps/host/kernel/firewall.py", *popen))
        for way in ("reactor.spawnProcess()", "os.fork()", "os.execv()", "asyncio.create_subprocess_exec()"):
            for path in ("iphttps/net/x.py", "iphttps/app/x.py", "iphttps/host/process/child.py"):
                self.assertEqual([2], self.broken(path, way), way)
        for way in (
            "from subprocess import run",
            "import multiprocessing",
            "from twisted.internet.utils import getProcessOutput",
        ):
            self.assertEqual([2], self.broken("iphttps/app/x.py", way), way)

    def test_package(self) -> None:
        """The package itself imports nothing, and has no other layers than these."""
        self.assertEqual([2], self.broken("iphttps/__init__.py", "from .core import policy"))
        self.assertEqual([2], self.broken("iphttps/core/__init__.py", "from .. import net"))
        self.assertEqual([1], self.broken("iphttps/utilities/x.py"))

    def test_files(self) -> None:
        """A file has fewer than 350 lines, and a docstring."""
        self.assertEqual([], self.broken("tests/x.py", *["x = 1"] * 348))
        self.assertEqual([350], self.broken("tests/x.py", *["x = 1"] * 349))
        self.assertEqual(["tests/x.py:1: a module says in its docstring what it is for"], self.of("x = 1"))
        self.assertEqual(["tests/x.py:1: a module says in its docstring what it is for"], self.of(""))

    def of(self, source: str) -> list[str]:
        """Return what a test file of this source breaks."""
        return broken_rules("tests/x.py", source)

    def test_sentence(self) -> None:
        """Who breaks a rule reads which, and where."""
        expected = (
            "iphttps/core/x.py:2: iphttps.core may not import time: "
            "it is pure, and uses pure parts of the standard library and h11 only"
        )
        self.assertEqual([expected], broken_rules("iphttps/core/x.py", '"""Text."""\nimport time'))
