"""The sources of the Debian package: lists of versions and hashes, and the list of its content."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any, NamedTuple

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parents[1]
LISTS = ROOT / "tools" / "requirements"
PYTHONS = "3.11", "3.12", "3.13", "3.14"
MACHINES = "x86_64", "aarch64"
HASH = re.compile(r" --hash=sha256:[0-9a-f]{64}(?= |$)")


class Locked(NamedTuple):
    """A line of a list."""

    requirement: Requirement
    hashes: int

    @property
    def version(self) -> str:
        """The one version that it allows."""
        (only,) = self.requirement.specifier
        assert only.operator == "=="
        return only.version


def locked(name: str) -> Iterator[Locked]:
    """Yield the lines of a list; anything else in it, such as an option, is an error."""
    text = re.sub(r"\s*\\\n\s*", " ", (LISTS / name).read_text())
    for line in text.splitlines():
        if line and not line.startswith("#"):
            requirement, hashes = HASH.subn("", line)
            yield Locked(Requirement(requirement), hashes)


def wanted(name: str) -> list[Requirement]:
    """Return what a list was made from."""
    if name == "build.txt":
        text = (LISTS / "build.in").read_text()
    else:
        parser = ConfigParser()
        parser.read(ROOT / "setup.cfg")
        text = parser["options"]["install_requires"]
    lines = (line.strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def environments() -> Iterator[dict[str, str]]:
    """Yield what markers see on each Python and machine that a package may be built on."""
    for python in PYTHONS:
        for machine in MACHINES:
            yield {
                "python_version": python,
                "python_full_version": f"{python}.4",
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
                "platform_machine": machine,
                "platform_system": "Linux",
                "sys_platform": "linux",
                "os_name": "posix",
                "extra": "",
            }


class RequirementsTests(SynchronousTestCase):
    """`make lock` makes the lists."""

    def test_hashes(self) -> None:
        """Each line is one version, with hashes of its files."""
        for name in ("package.txt", "build.txt"):
            lines = [*locked(name)]
            self.assertGreater(len(lines), 5)
            for line in lines:
                self.assertGreater(line.hashes, 0, line.requirement)
                Version(line.version)

    def test_wanted(self) -> None:
        """The requirements of setup.cfg and of the build are listed once for each Python, in sufficient versions."""
        for name in ("package.txt", "build.txt"):
            lines = [*locked(name)]
            for environment in environments():
                versions: dict[str, str] = {}
                for line in lines:
                    if line.requirement.marker is None or line.requirement.marker.evaluate(environment):
                        library = canonicalize_name(line.requirement.name)
                        self.assertNotIn(library, versions)
                        versions[library] = line.version
                for each in wanted(name):
                    version = versions.get(canonicalize_name(each.name))
                    self.assertIsNotNone(version, f"{name} has no {each}: type 'make lock'")
                    self.assertIn(version, each.specifier, f"{name} is behind {each}: type 'make lock'")


class SbomTests(SynchronousTestCase):
    """tools/sbom.py on a folder that holds two distributions, one with something compiled into it."""

    def setUp(self) -> None:
        """Make the folder and the package."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.package = self.folder / "iphttps_1.2_amd64.deb"
        self.package.write_bytes(b"package")
        self.distribution("iphttps", "1.2", "License-Expression: MIT\nRequires-Dist: Some.Library>=3\n")
        self.library = self.distribution(
            "some_library",
            "3.4",
            "Summary: In a sentence\nClassifier: License :: OSI Approved :: MIT License\n"
            "Requires-Dist: other; python_version < '3'\nRequires-Dist: more; extra == 'more'\n",
        )

    def distribution(self, name: str, version: str, more: str) -> Path:
        """Make what pip leaves of a distribution; return its folder."""
        folder = self.folder / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}")
        (folder / "RECORD").write_text(f"{folder.name}/METADATA,,\n{folder.name}/sboms/engine.json,,\n")
        (folder / "sboms").mkdir()
        (folder / "sboms" / "engine.json").write_text('{"bomFormat": "CycloneDX", "components": []}')
        return folder

    def run_it(self) -> subprocess.CompletedProcess[str]:
        """Run it as tools/deb does."""
        command: list[str | Path] = [sys.executable, ROOT / "tools" / "sbom.py", self.package, "amd64", self.folder]
        return subprocess.run(command, env={"SOURCE_DATE_EPOCH": "0"}, capture_output=True, text=True, check=False)

    def test_list(self) -> None:
        """It is valid, and has each distribution with its version, what it needs, and what is compiled into it."""
        engine = {
            "type": "library",
            "name": "openssl",
            "version": "4.0.3",
            "purl": "pkg:generic/openssl@4.0.3",
            "hashes": [{"alg": "SHA-256", "content": "ab" * 32}],
        }
        said = {"bomFormat": "CycloneDX", "components": [engine]}
        (self.library / "sboms" / "engine.json").write_text(json.dumps(said))
        done = self.run_it()
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(done.stdout))
        made: dict[str, Any] = json.loads(done.stdout)
        about = made["metadata"]["component"]
        self.assertEqual(("iphttps", "1.2"), (about["name"], about["version"]))
        self.assertEqual(hashlib.sha256(b"package").hexdigest(), about["hashes"][0]["content"])
        self.assertEqual("1970-01-01T00:00:00+00:00", made["metadata"]["timestamp"])
        (library,) = made["components"]
        self.assertEqual("pkg:pypi/some-library@3.4", library["purl"])
        self.assertEqual("MIT License", library["licenses"][0]["license"]["name"])
        (inside,) = library["components"]
        self.assertEqual(engine, {key: inside[key] for key in engine})
        self.assertIn({"ref": "iphttps", "dependsOn": ["some-library"]}, made["dependencies"])
        self.assertEqual(done.stdout, self.run_it().stdout)

    def test_unknown(self) -> None:
        """A missing file, or one of unknown format, ends the build with a sentence."""
        (self.library / "sboms" / "engine.json").write_text('{"spdxVersion": "SPDX-2.3"}')
        done = self.run_it()
        self.assertEqual(1, done.returncode)
        self.assertIn("engine.json cannot be read: it is not CycloneDX's JSON\n", done.stderr)
        self.assertEqual(1, len(done.stderr.splitlines()))
        self.library.rename(self.folder / "away")
        self.assertEqual("sbom: iphttps needs some-library, which is not there\n", self.run_it().stderr)
