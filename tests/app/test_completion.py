"""Completion, in real shells: commands, options, and the names of instances."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.app.instances.paths import Places

BIN = Path(sys.executable).parent


class CompletionTests(SynchronousTestCase):
    """The script that `iphttps completion` prints, loaded as its help says."""

    def setUp(self) -> None:
        """Configure instances."""
        self.places = Places(Path(self.mktemp()).absolute())
        for role, name in (("server", "main"), ("server", "mars"), ("client", "vpn.example.org"), ("client", "main")):
            path = self.places.config(role, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def shell(self, name: str, script: str) -> list[str]:
        """Run a script in a shell; return the lines that it prints, sorted."""
        program = shutil.which(name)
        if program is None:
            raise SkipTest(f"There is no {name}: type 'make test', which installs it.")
        flags = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[name]
        environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(self.places.root),
            "TERM": "dumb",
        }
        done = subprocess.run(
            [program, *flags, "-c", script], capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        self.assertEqual(("", 0), (done.stderr, done.returncode))
        return sorted(done.stdout.split("\n"))[1:] if done.stdout.endswith("\n") else sorted(done.stdout.split("\n"))

    def bash(self, *words: str) -> list[str]:
        """Complete the last of the words in bash, as readline would have it done."""
        line = " ".join(f"'{word}'" for word in words)
        return self.shell(
            "bash",
            f"source <(iphttps completion bash)\nCOMP_WORDS=({line})\nCOMP_CWORD={len(words) - 1}\n"
            "_iphttps_completion iphttps\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n",
        )

    def zsh(self, *words: str) -> list[str]:
        """Complete in zsh, with what adds the words to the list replaced, for there is no line editor."""
        line = " ".join(f"'{word}'" for word in words)
        return self.shell(
            "zsh",
            "autoload -U compinit\ncompinit -u -D\nsource <(iphttps completion zsh)\n"
            "(( $+functions[_iphttps_completion] )) && [[ $_comps[iphttps] == _iphttps_completion ]] || exit 3\n"
            # Not `shift`: the words are the second parameter of both.
            "function _describe { local name=$3; print -l -- ${${(P)name}%%:*} }\n"
            "function compadd { local name=${@[-1]}; print -l -- ${(P)name} }\n"
            f"words=({line})\nCURRENT={len(words)}\n_iphttps_completion\n",
        )

    def fish(self, *words: str) -> list[str]:
        """Complete in fish, which has a command for that."""
        found = self.shell("fish", f"iphttps completion fish | source\ncomplete -C '{' '.join(words)}'\n")
        return [word.partition("\t")[0] for word in found]

    def assert_completes(self, shell: str) -> None:
        """Check what a shell makes of the beginnings of words."""
        complete = getattr(self, shell)
        root = ("--root", str(self.places.root))
        self.assertEqual(["status"], complete("iphttps", "st"))
        self.assertEqual(["disable", "disconnect"], complete("iphttps", "dis"))
        self.assertEqual(["mars"], complete("iphttps", "status", *root, "mar"))
        self.assertEqual(["server/main", "server/mars"], complete("iphttps", "up", *root, "server/"))
        self.assertEqual(["vpn.example.org"], complete("iphttps", "check", *root, "vp"))
        self.assertEqual(["--json"], complete("iphttps", "status", "--j"))
        self.assertEqual(["bash"], complete("iphttps", "completion", "b"))

    def test_bash(self) -> None:
        """In bash."""
        self.assert_completes("bash")

    def test_zsh(self) -> None:
        """In zsh."""
        self.assert_completes("zsh")

    def test_fish(self) -> None:
        """In fish."""
        self.assert_completes("fish")
