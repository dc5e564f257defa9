"""The package that is built from this checkout, and the commands that appear where it is installed."""

import ast
import configparser
import functools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps import __version__
from iphttps.host.device import offload

ROOT = Path(__file__).parents[1]
SOURCES = ("iphttps", "twisted", "setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE")
BUILT = shutil.ignore_patterns("__pycache__", "dropin.cache", "*.so")
PLUGINS = ("iphttps-server", "iphttps-client", "sstp-client")


def run(*command: str | Path, directory: Path, **environment: str) -> str:
    """Run a command to its successful end and return all it printed."""
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with status {done.returncode}\n{done.stdout}")
    return done.stdout


@functools.cache
def build_wheel(**environment: str) -> Path:
    """Build the wheel, once, from a copy of the sources: what earlier builds left beside them stays out."""
    directory = Path(tempfile.mkdtemp(prefix="packaging-", dir=Path.cwd()))
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, directory / name, ignore=BUILT)
        else:
            shutil.copy(ROOT / name, directory)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", directory=directory, **environment)
    (wheel,) = (directory / "dist").glob("*.whl")
    return wheel


class WheelTests(SynchronousTestCase):
    """The wheel holds what it must, and nothing that would break Twisted."""

    def test_contents(self) -> None:
        """The plugin, the laboratory and the mark of typed code are there; Twisted's own files are not."""
        with zipfile.ZipFile(build_wheel()) as wheel:
            names = set(wheel.namelist())
        for name in (
            "twisted/plugins/iphttps_plugin.py",
            "iphttps/lab/demo.py",
            "iphttps/py.typed",
            "iphttps/app/config/examples/server.toml",
            "iphttps/app/config/examples/client.toml",
            "iphttps/app/config/examples/sstp-client.toml",
            "iphttps/app/enrol/windows_scripts/Join.ps1",
            "iphttps/app/enrol/windows_scripts/Leave.ps1",
        ):
            self.assertIn(name, names)
        # Either would hide the rest of Twisted.
        self.assertNotIn("twisted/__init__.py", names)
        self.assertNotIn("twisted/plugins/__init__.py", names)
        top = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
        self.assertEqual(top, {"iphttps", "twisted"})

    def test_every_module(self) -> None:
        """No module of the checkout is left out."""
        with zipfile.ZipFile(build_wheel()) as wheel:
            names = set(wheel.namelist())
        modules = {str(path.relative_to(ROOT)) for path in (ROOT / "iphttps").rglob("*.py")}
        self.assertEqual(modules - names, set())

    def test_laboratory(self) -> None:
        """Of the laboratory there is what `iphttps demo` needs, and no fixtures of the tests."""
        needed: set[str] = set()
        waiting = ["iphttps.lab.demo"]
        while waiting:
            module = waiting.pop()
            path = ROOT / f"{module.replace('.', '/')}.py"
            if module in needed or not path.exists():
                continue
            needed.add(module)
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        with zipfile.ZipFile(build_wheel()) as wheel:
            found = {name for name in wheel.namelist() if name.startswith("iphttps/lab/")}
        packed = {name.removesuffix(".py").replace("/", ".") for name in found} - {"iphttps.lab.__init__"}
        self.assertEqual(needed, packed)


class VersionTests(SynchronousTestCase):
    """The version, which stands in `iphttps.__version__` alone."""

    def test_wheel(self) -> None:
        """The wheel bears it, because setup.cfg takes it from there."""
        read = configparser.ConfigParser()
        read.read(ROOT / "setup.cfg")
        self.assertEqual("attr: iphttps.__version__", read["metadata"]["version"])
        self.assertEqual(["iphttps", __version__], build_wheel().name.split("-")[:2])

    def test_documents(self) -> None:
        """The newest release in the changelog is this one, and examples show it."""
        for name, pattern in (
            ("CHANGELOG.md", r"^## \[(\d[^\]]*)\]"),
            ("docs/control.md", r'"version": "(\d[^"]*)"'),
            ("docs/service.md", r"iphttps_([0-9][^_]*)_amd64\.deb"),
        ):
            found = re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE)
            shown = set(found[:1] if name == "CHANGELOG.md" else found)
            self.assertEqual({__version__}, shown, name)


class CompiledTests(SynchronousTestCase):
    """The compiled parts, which are optional."""

    def compiled(self, **environment: str) -> set[str]:
        """Build a wheel and return what in it was compiled; the rest must be there in any case."""
        with zipfile.ZipFile(build_wheel(**environment)) as wheel:
            names = set(wheel.namelist())
        self.assertIn("iphttps/host/device/offload.py", names)
        self.assertIn("iphttps/host/device/_offload.pyi", names)
        self.assertIn("iphttps/net/stream/_loop.pyi", names)
        return {name for name in names if name.endswith(".so")}

    def test_compiler(self) -> None:
        """With a compiler they are built."""
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        parts = {f"iphttps/host/device/_offload{suffix}", f"iphttps/net/stream/_loop{suffix}"}
        self.assertEqual(parts, self.compiled())

    def test_no_compiler(self) -> None:
        """If there is none, everything else is installed, and a TUN device is one without offload."""
        self.assertEqual(set(), self.compiled(CC="no-such-compiler"))
        self.patch(offload, "COMPILED", False)
        self.patch(offload, "TunDevice", lambda name, *, ipv4, mtu: f"plain {name}, {ipv4}")
        self.assertEqual("plain vpn0, False", offload.open_tun("vpn0"))
        self.assertEqual("plain vpn0, True", offload.open_tun("vpn0", ipv4=True))


class InstalledTests(SynchronousTestCase):
    """With the package installed, twistd has three more commands."""

    def assert_plugins(self, shown: str) -> None:
        """Check that the commands stand in twistd's list."""
        listed = [line.split()[0] for line in shown.splitlines() if line.strip()]
        for plugin in PLUGINS:
            self.assertIn(plugin, listed)

    def test_wheel(self) -> None:
        """A virtual environment with the wheel in it lists them."""
        directory = Path(self.mktemp()).absolute()
        run(sys.executable, "-m", "venv", "--without-pip", directory, directory=ROOT)
        python = directory / "bin" / "python"
        run(
            sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", build_wheel(),
            directory=directory,
        )  # fmt: skip
        # What the package depends on is borrowed from here. A path line in a .pth file brings no other .pth
        # file with it, so the checkout itself, if installed here as editable, stays out of sight.
        borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (site_packages,) = directory.glob("lib/python*/site-packages")
        (site_packages / "borrowed.pth").write_text("\n".join(sorted(borrowed)))

        where = run(python, "-P", "-c", "import iphttps; print(iphttps.__file__)", directory=directory)
        self.assertEqual(Path(where.strip()).parent, site_packages / "iphttps")
        twistd = "from twisted.scripts.twistd import run; run()"
        self.assert_plugins(run(python, "-P", "-c", twistd, "--help", directory=directory))
        self.assertIn("disconnect", run(directory / "bin" / "iphttps", "--help", directory=directory))
        self.assertEqual(
            f"iphttps {__version__}\n", run(directory / "bin" / "iphttps", "--version", directory=directory)
        )
        run(python, "-P", "-c", "import iphttps.lab.demo", directory=directory)

    def test_this_environment(self) -> None:
        """The environment of these tests lists them, from any directory; in a checkout it is an editable install."""
        elsewhere = Path(self.mktemp())
        elsewhere.mkdir()
        twistd = Path(sys.executable).with_name("twistd")
        self.assert_plugins(run(twistd, "--help", directory=elsewhere))
