"""`iphttps config`: what is configured, where each value comes from, and nothing that is secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from iphttps.app.config.client_options import Options
from iphttps.app.config.effective import effective
from iphttps.app.instances.paths import Places

from ...command import Answering, CommandCase

GOOD = 'uri = "https://*/"\nprefix = "2001:db8:2::/64"\nauthentication = "none"\ncertificate = "c"\nprivate-key = "k"\n'


class ConfigurationTests(CommandCase):
    """The values of an instance and of a file."""

    def setUp(self) -> None:
        """Configure a server."""
        super().setUp()
        self.places = Places(self.directory / "root")
        self.file = self.places.server_config("main")
        self.file.parent.mkdir(parents=True)
        self.file.write_text(GOOD)

    def config(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command on that machine."""
        return self.run_bare("config", *arguments, "--root", str(self.places.root))

    def values(self, *arguments: str) -> dict[str, Any]:
        """Return what the command says as JSON."""
        value = json.loads(self.config(*arguments, "--json")[1])
        assert isinstance(value, dict)
        return value

    def test_table(self) -> None:
        """The values of the file are shown with their lines; the only instance need not be named."""
        status, said, _ = self.config()
        self.assertEqual(0, status)
        self.assertEqual(
            [
                "server/main, not running",
                "KEY             VALUE            FROM",
                f"uri             https://*/       {self.file}:1",
                f"authentication  none             {self.file}:3",
                f"certificate     c                {self.file}:4",
                f"private-key     k                {self.file}:5",
                f"prefix          2001:db8:2::/64  {self.file}:2",
            ],
            said.splitlines(),
        )

    def test_effective(self) -> None:
        """With --effective the defaults as well."""
        _, said, _ = self.config("main", "--effective")
        self.assertIn("max-clients                1000             default\n", said)
        self.assertIn("route                      -                default\n", said)
        found = {one["key"]: one for one in self.values("server/main", "--effective")["options"]}
        self.assertEqual(
            {"key": "strict", "value": False, "source": "default", "file": None, "line": None}, found["strict"]
        )
        self.assertEqual(
            ("file", str(self.file), 2), tuple(found["prefix"][name] for name in ("source", "file", "line"))
        )
        self.assertNotIn("config", found)

    def test_elsewhere(self) -> None:
        """A file that lies elsewhere is told by its keys, or by --role."""
        path = self.directory / "x.toml"
        for text, role, arguments in (
            (GOOD, "server", ()),
            ('uri = "https://vpn.example.org/"\n', "client", ()),
            ('log-level = "info"\n', "client", ("--role", "client")),
        ):
            path.write_text(text)
            self.assertEqual(role, self.values(str(path), *arguments)["role"])
        self.assertIn("give --role", self.complaint(self.config(str(path)), 2))
        self.assertIn("no such file", self.complaint(self.config(f"{path}.toml")))

    def test_several(self) -> None:
        """Of several instances one must be named; without any it is said so."""
        self.places.server_config("other").write_text(GOOD)
        self.assertIn("server/main, server/other", self.complaint(self.config(), 2))
        self.assertIn("no configuration in", self.complaint(self.run_bare("config", "--root", str(self.directory))))

    def test_wrong(self) -> None:
        """Errors are shown with the values, and give exit status 1."""
        self.file.write_text(f"{GOOD}max-clients = 0\nquux = 1\n")
        status, said, complaints = self.config()
        self.assertEqual((1, True), (status, "2001:db8:2::/64" in said))
        self.assertEqual(
            [
                f"iphttps: {self.file}:7: unknown key 'quux'",
                f"iphttps: {self.file}:6: max-clients takes a number of at least 1, not '0'",
            ],
            complaints.splitlines(),
        )

    def test_running(self) -> None:
        """An instance that runs is asked what is in force."""
        control = self.places.control("server", "main")
        control.parent.mkdir(parents=True)
        self.serve(control)
        one = {"key": "max-clients", "value": "7", "source": "command line", "file": None, "line": None}
        Answering.prepared = 200, json.dumps({"role": "server", "options": [one]}).encode()
        _, said, _ = self.config("main")
        self.assertEqual(
            ["server/main, running", "KEY          VALUE  FROM", "max-clients  7      command line"], said.splitlines()
        )
        self.assertEqual([("GET", "/configuration", b"")], Answering.seen)
        self.assertTrue(self.values("main")["running"])

    def test_other_version(self) -> None:
        """An incomplete answer is reported as that of another version."""
        control = self.places.control("server", "main")
        control.parent.mkdir(parents=True)
        self.serve(control)
        for answer in (b"{}", b'{"options": [{}]}', b'{"options": [1]}'):
            Answering.prepared = 200, answer
            status, _, complaints = self.config("main")
            self.assertEqual(1, status)
            self.assertIn("it may be of another version", complaints)

    def test_secret(self) -> None:
        """A user and a password in the URL of the proxy are shown to nobody."""
        path = Path(self.mktemp())
        path.touch(0o600)
        path.write_text('uri = "https://vpn.example.org/"\nproxy = "http://alice:se@cret@proxy.example.org:3128"\n')
        options = Options()
        options.parse(["--config", str(path)])
        (shown,) = (one["value"] for one in effective(options)["options"] if one["key"] == "proxy")
        self.assertEqual("http://***@proxy.example.org:3128", shown)
