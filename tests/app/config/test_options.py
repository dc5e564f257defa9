"""The options of the daemons: the command line, its mistakes, and the file with the same words."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from iphttps.app.complaint import complain
from iphttps.app.config import client_options, server_options
from iphttps.app.config.options import DaemonOptions

from ..support import AppCase

PLAIN = ("--uri", "http://127.0.0.1:8080/", "--prefix", "2001:db8:2::/64", "--authentication", "none")
SECURE = (
    "--uri", "https://*/", "--prefix", "2001:db8:2::/64",
    "--certificate", "server.pem", "--private-key", "server.key", "--client-ca", "ca.pem",
)  # fmt: skip


def parsed(options: DaemonOptions, *arguments: str) -> dict[str, object]:
    """Return the options that a command line gives."""
    options.parseOptions(list(arguments))
    return dict(options)


class ServerFlagTests(AppCase):
    """The server's flags, which are a contract."""

    def test_defaults(self) -> None:
        """Absent options have their defaults."""
        expected: dict[str, object] = {
            "uri": "https://*/",
            "authentication": "certificates",
            "certificate": "server.pem",
            "private-key": "server.key",
            "client-ca": "ca.pem",
            "interface": "iphttps0",
            "prefix": "2001:db8:2::/64",
            "route": [],
            "default-router": 0,
            "max-clients": "1000",
            "config": None,
            "root": None,
        }
        given = parsed(server_options.Options(), *SECURE)
        self.assertEqual({name: given[name] for name in expected}, expected)

    def test_every_flag(self) -> None:
        """Every flag is taken, a route as often as it is given."""
        given = parsed(
            server_options.Options(), *SECURE, "--authentication", "none", "--interface", "vpn0", "--default-router",
            "--max-clients", "5", "--route", "2001:db8:1::/48", "--route", "2001:db8:9::/64",
        )  # fmt: skip
        expected = {
            "uri": "https://*/",
            "authentication": "none",
            "certificate": "server.pem",
            "private-key": "server.key",
            "client-ca": "ca.pem",
            "interface": "vpn0",
            "prefix": "2001:db8:2::/64",
            "route": ["2001:db8:1::/48", "2001:db8:9::/64"],
            "default-router": 1,
            "max-clients": "5",
        }
        self.assertEqual({name: given[name] for name in expected}, expected)

    def test_missing(self) -> None:
        """A missing mandatory option is named, with its purpose."""
        for arguments, sentence in (
            ((), "--uri is missing: say where to listen, such as https://*:443/IPHTTPS"),
            (PLAIN[:2], "--prefix is missing: give the link's IPv6 prefix, such as --prefix 2001:db8:2::/64"),
            (SECURE[:4], "--certificate is missing: https:// needs the server's certificate"),
            (SECURE[:6], "--private-key is missing: https:// needs the certificate's key"),
            (SECURE[:8], "--client-ca is missing: mode certificates needs the authority that issues them"),
        ):
            self.assertEqual(self.refusal(server_options.Options(), *arguments), sentence)

    def test_nobody_to_issue(self) -> None:
        """In mode None there is no authority to name, and over plain HTTP no certificate."""
        parsed(server_options.Options(), *SECURE[:8], "--authentication", "none")
        parsed(server_options.Options(), *PLAIN)

    def test_wrong_values(self) -> None:
        """The error for an invalid value quotes it and gives a valid form."""
        for flag, value, sentence in (
            ("--uri", "vpn.example.org", ("'vpn.example.org' is not a URI for IP-HTTPS: "
                "it must look like https://vpn.example.org/IPHTTPS")),
            ("--prefix", "2001:db8:2::/48", ("--prefix 2001:db8:2::/48 must be a /64: "
                "clients form 64-bit interface identifiers")),
            ("--prefix", "2001:db8:2::1/64", ("--prefix 2001:db8:2::1/64 has host bits set: "
                "did you mean 2001:db8:2::/64?")),
            ("--prefix", "fe80::/64", "--prefix fe80::/64 must be global or unique local unicast"),
            ("--prefix", "ff02::/64", "--prefix ff02::/64 must be global or unique local unicast"),
            ("--prefix", "::/64", "--prefix ::/64 must be global or unique local unicast"),
            ("--route", "2001:db8:1::1/48", ("--route 2001:db8:1::1/48 has host bits set: "
                "did you mean 2001:db8:1::/48?")),
            ("--authentication", "maybe", "--authentication is certificates or none, not 'maybe'"),
            ("--max-clients", "many", "--max-clients takes a number of at least 1, not 'many'"),
            ("--max-clients", "0", "--max-clients takes a number of at least 1, not '0'"),
            ("--max-clients", "inf", "--max-clients takes a number of at least 1, not 'inf'"),
            ("--max-clients", "nan", "--max-clients takes a number of at least 1, not 'nan'"),
        ):  # fmt: skip
            self.assertEqual(self.refusal(server_options.Options(), *PLAIN, flag, value), sentence)

    def test_not_a_prefix(self) -> None:
        """An invalid prefix is quoted, with the reason and a valid one."""
        for flag in ("--prefix", "--route"):
            for value in ("everything", "192.0.2.0/24", "2001:db8:2::/129", "2001:db8:2::/sixty-four"):
                refusal = self.refusal(server_options.Options(), *PLAIN, flag, value)
                self.assertTrue(refusal.startswith(f"{flag} {value!r} is not an IPv6 prefix ("), refusal)
                self.assertTrue(refusal.endswith("): it must look like 2001:db8:2::/64"), refusal)

    def test_good_prefixes(self) -> None:
        """Global and unique local prefixes are good, and the one kept for documentation."""
        for prefix in ("2a00:1450:4001::/64", "fd12:3456:789a:1::/64", "2001:db8:2::/64"):
            options = server_options.Options()
            options.parseOptions([*PLAIN, "--prefix", prefix])
            self.assertEqual(str(options.config.prefix), prefix)


class CommandLineTests(AppCase):
    """Mistakes that have nothing to do with what an option means."""

    def test_unknown_flag(self) -> None:
        """An unknown flag ends in one sentence, with the flag that was probably meant."""
        self.assertEqual(
            self.refusal(server_options.Options(), *PLAIN, "--interfaces", "vpn0"),
            "option --interfaces not recognized (did you mean --interface?); see `twistd iphttps-server --help`",
        )
        self.assertEqual(
            self.refusal(client_options.Options(), "--quux"),
            "option --quux not recognized; see `twistd iphttps-client --help`",
        )

    def test_missing_value(self) -> None:
        """A flag without its value ends in one sentence."""
        self.assertEqual(
            self.refusal(client_options.Options(), "--uri"),
            "option --uri requires argument; see `twistd iphttps-client --help`",
        )

    def test_surplus_words(self) -> None:
        """A word that belongs to no flag ends in one sentence."""
        self.assertEqual(
            self.refusal(server_options.Options(), *PLAIN, "start"),
            "unexpected argument 'start'; see `twistd iphttps-server --help`",
        )

    def test_status(self) -> None:
        """The program ends with 1 where a problem was found and with 2 where it was used wrongly."""
        for status, arguments in ((1, ()), (2, (2,))):
            ending = self.ending(partial(complain, "command", "a sentence", *arguments))
            self.assertEqual(ending, (status, "twistd command: a sentence\n"))

    def test_absolute_paths(self) -> None:
        """A file named relative to the working directory is found after the daemon has changed it."""
        options = server_options.Options()
        options.parseOptions(list(SECURE))
        self.assertEqual(options.config.certificate, Path.cwd() / "server.pem")
        options.parseOptions(list(PLAIN))
        self.assertIsNone(options.config.control)


class FileTests(AppCase):
    """The TOML file given by --config, which uses the same words."""

    def file(self, text: str) -> Path:
        """Write a file."""
        self.path = Path(self.mktemp())
        self.path.write_text(text, encoding="utf-8")
        return self.path

    def refused(self, text: str) -> str:
        """Return what is said of a file with this text, without the file's name in front of it."""
        refusal = self.refusal(server_options.Options(), *PLAIN, "--config", str(self.file(text)))
        self.assertTrue(refusal.startswith(str(self.path)), refusal)
        return refusal.removeprefix(f"{self.path}:")

    def test_same_words(self) -> None:
        """Every option but --config itself can stand in the file, and means the same there."""
        text = (
            'uri = "https://*/"\nauthentication = "none"\ncertificate = "server.pem"\nprivate-key = "server.key"\n'
            'client-ca = "ca.pem"\ninterface = "vpn0"\nprefix = "2001:db8:2::/64"\nmax-clients = 5\n'
            'route = ["2001:db8:1::/48", "2001:db8:9::/64"]\ndefault-router = true\n'
        )
        from_file = parsed(server_options.Options(), "--config", str(self.file(text)))
        from_flags = parsed(
            server_options.Options(), *SECURE, "--authentication", "none", "--interface", "vpn0", "--default-router",
            "--max-clients", "5", "--route", "2001:db8:1::/48", "--route", "2001:db8:9::/64",
        )  # fmt: skip
        self.assertEqual(from_file | {"config": None}, from_flags)

    def test_command_line_wins(self) -> None:
        """The command line overrides the file, even with the default value, in any order."""
        path = self.file('interface = "vpn0"\nmax-clients = 5\nroute = ["2001:db8:9::/64"]\n')
        given = parsed(
            server_options.Options(),
            *PLAIN,
            "--interface",
            "iphttps0",
            "--config",
            str(path),
            "--route",
            "2001:db8:1::/48",
        )
        found = (given["interface"], given["max-clients"], given["route"])
        self.assertEqual(found, ("iphttps0", "5", ["2001:db8:1::/48"]))

    def test_checked_like_flags(self) -> None:
        """A value from the file is checked like one from the command line."""
        refusal = self.refusal(server_options.Options(), *PLAIN, "--config", str(self.file("max-clients = 0.5\n")))
        self.assertEqual(refusal, f"{self.path}:1: max-clients takes a number of at least 1, not '0.5'")

    def test_yes_or_no(self) -> None:
        """If the command line takes yes or no, the file may say true or false as well."""
        for text, value in (("true", "yes"), ("false", "no"), ('"no"', "no")):
            path = str(self.file(f"default-route = {text}\n"))
            given = parsed(client_options.Options(), "--uri", "https://vpn.example.org/", "--config", path)
            self.assertEqual(value, given["default-route"])

    def test_unknown_key(self) -> None:
        """An unknown key is named, with the file, and the one that was probably meant."""
        self.assertEqual(self.refused('interfaces = "vpn0"'), "1: unknown key 'interfaces'; did you mean 'interface'?")
        self.assertEqual(self.refused("quux = 1"), "1: unknown key 'quux'")
        self.assertEqual(self.refused('private_key = "a"'), "1: unknown key 'private_key'; did you mean 'private-key'?")
        self.assertEqual(self.refused('[quux]\nuri = "http://*/"'), "1: unknown key 'quux'")

    def test_not_for_a_file(self) -> None:
        """Words that make sense on a command line only are unknown in a file."""
        for key in ("config", "root", "version", "help"):
            self.assertTrue(self.refused(f"{key} = true").startswith(f"1: unknown key {key!r}"))

    def test_wrong_type(self) -> None:
        """A value of the wrong type is quoted, with the right type."""
        for text, sentence in (
            ("interface = true", "interface must be a string, not True"),
            ("uri = []", "uri must be a string, not []"),
            ('default-router = "yes"', "default-router must be true or false, not 'yes'"),
            ("default-router = 1", "default-router must be true or false, not 1"),
            ("route = 64", "route must be a string or a list of strings, not 64"),
            ('uri = ["http://alice:secret@x"]', "uri must be a string, not a value that contains an @"),
            ("route = [64]", "route must be a string or a list of strings, not [64]"),
        ):
            self.assertEqual(self.refused(text), f"1: {sentence}")

    def test_not_toml(self) -> None:
        """A file that is no TOML is named, with the place of the mistake."""
        self.assertRegex(self.refused("uri: http://*/\n"), r"^1:4: not TOML: expected '='")
        self.path.write_bytes(b'\nuri = "\xff"\n')
        refusal = self.refusal(server_options.Options(), "--config", str(self.path))
        self.assertEqual(refusal, f"{self.path}:2: not TOML: it is not valid UTF-8")
        self.assertEqual(self.refused('uri = "http://*/"\nroute = [\n'), "3: not TOML: invalid value")

    def test_beyond_python(self) -> None:
        """Input that crashes Python's parser, and impossible paths, are rejected in a sentence."""
        for text, words in (
            ("max-clients = " + "9" * 5000, "1: not TOML: a number has too many digits"),
            ("route = " + "[" * 5000, "1: not TOML: it is nested too deeply"),
            ('certificate = "/etc/x\\u0000.pem"', "1: certificate must not hold a null character"),
            ('route = ["::/0", "\\u0000"]', "1: route must not hold a null character"),
        ):
            self.assertEqual(self.refused(text), words)

    def test_unreadable(self) -> None:
        """A file that cannot be read is named, with the system's reason."""
        for path, reason in (("nowhere.toml", "No such file or directory"), (".", "Is a directory")):
            self.assertEqual(
                self.refusal(server_options.Options(), "--config", path), f"--config: cannot read {path}: {reason}"
            )
