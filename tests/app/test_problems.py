"""All errors in options are reported at once, each with its file and line."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config import client_options, server_options
from iphttps.app.config.options import DaemonOptions
from iphttps.app.config.tomlfile import CONTROL, TomlFile, key_lines
from iphttps.core.errors import ConfigError


class LineTests(SynchronousTestCase):
    """On which line a key stands."""

    def test_plain(self) -> None:
        """Comments and blank lines count, and so does the line end of other systems."""
        self.assertEqual({"a": 1, "b": 4}, key_lines('a = 1\n\n# c = 3\r\n"b" = "# no comment"\r\n'))

    def test_many_lines(self) -> None:
        """A value with several lines belongs to the line on which its key stands."""
        text = 'a = [\n  "b = 1", # ]\n  "]",\n]\nc = """\nd = 1\n"""\ne = \'\'\'\nf = 2\'\'\'\ng = 1'
        self.assertEqual({"a": 1, "c": 5, "e": 8, "g": 10}, key_lines(text))

    def test_tables(self) -> None:
        """A key in a table is not a key of the document; the table is."""
        self.assertEqual(
            {"a": 1, "t": 2, "u": 5}, key_lines("a = 1\n[t]\nb = 2\na = 3\n[[u]]\nc = [\n[1],\n]\n[t.x]\n")
        )

    def test_dotted(self) -> None:
        """A dotted key is known by its first part."""
        self.assertEqual({"a": 2}, key_lines("\na.b = 1\na.c = 2\n"))

    def test_odd_separators(self) -> None:
        """Unicode's line separators do not end a line of TOML."""
        self.assertEqual({"a": 1, "b": 2}, key_lines('a = "\u2028\u0085"\nb = 1\n'))

    def test_every_example(self) -> None:
        """In the examples, every key is on the line that begins with it."""
        for name in ("server", "client"):
            path = Path(__file__).parents[2] / "etc" / f"{name}.toml"
            file = TomlFile.read(path)
            lines = path.read_text().splitlines()
            self.assertEqual(file.values.keys(), file.lines.keys())
            for key, line in file.lines.items():
                self.assertTrue(lines[line - 1].startswith(f"{key} = "), key)


class ProblemTests(SynchronousTestCase):
    """Everything that is wrong with a file."""

    def problems(self, options: DaemonOptions, text: str, *arguments: str) -> list[str]:
        """Return what is wrong with a file of this text, without its name."""
        path = Path(self.mktemp())
        path.write_text(text)
        found = [str(problem) for problem in options.read(["--config", str(path), *arguments])]
        first = found[0] if found else None
        try:
            type(options)().parse(["--config", str(path), *arguments])
        except ConfigError as error:
            self.assertEqual(first, str(error))
        else:
            self.assertIsNone(first)
        return [problem.replace(f"{path}:", "") for problem in found]

    def test_all(self) -> None:
        """All problems are found, in the order in which the daemon would meet them; it rejects with the first."""
        text = (
            'prefx = 1\nuri = "https://*/"\nmax-clients = 0\nroute = [\n"2001:db8:1::1/48", "2001:db8:3::1/48"]\n'
            'certificate = "a"\nprivate-key = true\nprefix = "2001:db8::/48"\ndns-server = "y"\n'
        )
        self.assertEqual(
            [
                "1: unknown key 'prefx'; did you mean 'prefix'?",
                "7: private-key must be a string, not True",
                "8: prefix 2001:db8::/48 must be a /64: clients form 64-bit interface identifiers",
                "4: route 2001:db8:1::1/48 has host bits set: did you mean 2001:db8:1::/48?",
                "4: route 2001:db8:3::1/48 has host bits set: did you mean 2001:db8:3::/48?",
                "9: dns-server 'y' is not an IPv6 address, such as 2001:db8:1::53",
                "3: max-clients takes a number of at least 1, not '0'",
                " --client-ca is missing: mode certificates needs the authority that issues them",
            ],
            self.problems(server_options.Options(), text),
        )

    def test_client(self) -> None:
        """The same for a client."""
        text = 'uri = "vpn.example.org"\nselect = "best"\nwhen = "command"\ncrl = "x"\npin = ["y"]\n'
        self.assertEqual(
            ["1", "2", "5", "3", "4"],
            [one.partition(":")[0] for one in self.problems(client_options.Options(), text)],
        )

    def test_command_line(self) -> None:
        """An error on the command line is not reported with the file."""
        text = 'uri = "http://*/"\nauthentication = "none"\nprefix = "2001:db8:2::/64"\nmax-clients = 5\n'
        self.assertEqual([], self.problems(server_options.Options(), text))
        self.assertEqual(
            ["--max-clients takes a number of at least 1, not '-1'"],
            self.problems(server_options.Options(), text, "--max-clients", "-1"),
        )
        self.assertEqual(
            ["2: authentication is certificates or none, not 'x'"],
            self.problems(server_options.Options(), text.replace("none", "x")),
        )

    def test_sources(self) -> None:
        """Of each value it is known where it comes from."""
        path = Path(self.mktemp())
        path.write_text('uri = "http://*/"\nprefix = "2001:db8:2::/64"\nmax-clients = 5\n')
        options = server_options.Options()
        options.parse(["--config", str(path), "--max-clients", "7", "--authentication", "none"])
        options.put("authentication", "none", CONTROL)
        self.assertEqual(
            [f"{path}:2", "command line", "control socket", "default"],
            [str(options.source(name)) for name in ("prefix", "max-clients", "authentication", "max-addresses")],
        )
        again = options.again()
        again.keep("authentication", options)
        self.assertEqual(
            ("control socket", f"{path}:1"), tuple(str(again.source(name)) for name in ("authentication", "uri"))
        )
