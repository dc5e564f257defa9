"""The output of `--json` matches the JSON Schemas in docs/schemas exactly."""

from __future__ import annotations

import json
from typing import Any

from .command import Answering, CommandCase
from .machine import Machine, MachineCase
from .schema import DOCUMENT, documented, violations

DOCUMENTED = {
    "server": "status",
    "client": "status",
    "sstp-client": "status",
    "clients": "clients",
    "configuration": "configuration",
    "list": "ca-list",
    "users": "users",
}
"""The examples in docs/control.md, docs/certificates.md and docs/users.md, and the schema of each."""


class SchemaTests(MachineCase, CommandCase):
    """The schemas, the examples, and what the command prints."""

    def setUp(self) -> None:
        """Make the machine where the path of a socket is short enough."""
        super().setUp()
        self.machine = Machine(self.directory)
        self.places = self.machine.places

    def printed(self, *arguments: str) -> Any:
        """Return what a command prints with --json."""
        _, said, _ = self.run_bare(*arguments, "--json")
        return json.loads(said)

    def test_examples(self) -> None:
        """The examples in the document are as their schemas say; with anything left out or added they are not."""
        for example, schema in DOCUMENTED.items():
            value = documented(example)
            self.assertEqual([], violations(schema, value))
            for name in value:
                self.assertNotEqual([], violations(schema, {key: value[key] for key in value if key != name}), name)
            self.assertNotEqual([], violations(schema, value | {"more": 1}))

    def test_asked(self) -> None:
        """A daemon's answer is printed unchanged."""
        for example, command in (
            ("server", "status"),
            ("client", "status"),
            ("sstp-client", "status"),
            ("clients", "clients"),
        ):
            Answering.prepared = 200, json.dumps(documented(example)).encode()
            self.assertEqual([], violations(command, self.printed(command, "--control", str(self.path))))

    def test_config(self) -> None:
        """The configuration, of a file that is good and of one that is not, and of a daemon that runs."""
        root = ("--root", str(self.places.root))
        for words in (("server/main",), ("client/main", "--effective")):
            self.assertEqual([], violations("config", self.printed("config", *words, *root)))
        self.machine.configure({"max-clients": 0, "route": "2001:db8:1::/64", "strict": True})
        self.assertEqual([], violations("config", self.printed("config", "server/main", *root)))
        self.places.run.mkdir(parents=True)
        self.serve(self.places.control("server", "main"))
        Answering.prepared = 200, json.dumps(documented("configuration")).encode()
        self.assertEqual([], violations("config", self.printed("config", "server/main", *root)))

    def test_check(self) -> None:
        """The findings."""
        root = ("--root", str(self.places.root))
        self.machine.configure({"quux": 0, "prefix": ""})
        value = self.printed("check", *root)
        self.assertEqual(["server/main", "client/main"], [one["instance"] for one in value["checked"]])
        self.assertEqual([], violations("check", value))

    def test_ca_list(self) -> None:
        """An authority without certificates, and one that has issued, and revoked."""
        root = ("--root", str(self.places.root))
        self.run_bare("ca", "init", *root)
        self.assertEqual([], violations("ca-list", self.printed("ca", "list", *root)))
        for words in (("server", "vpn.example.org"), ("client", "alice")):
            self.run_bare("ca", *words, "--key", "ecdsa", "--out", str(self.directory), *root)
        self.run_bare("ca", "revoke", "alice", *root)
        found = self.printed("ca", "list", *root)
        self.assertEqual({"valid", "revoked"}, {each["state"] for each in found["certificates"]})
        self.assertEqual([], violations("ca-list", found))

    def test_all(self) -> None:
        """Every schema is spoken of in the documents."""
        texts = "".join(path.read_text() for path in DOCUMENT.parent.glob("*.md"))
        for path in (DOCUMENT.parent / "schemas").iterdir():
            self.assertIn(f"schemas/{path.name}", texts)
