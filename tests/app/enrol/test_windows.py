"""The folder for Windows: what is in it, that its scripts parse, and that a name is never more than a name in them.

PowerShell's own parser is not to be had here; the grammar is that of tree-sitter. OpenSSL reads the PKCS#12 files.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import tree_sitter_powershell
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Language, Node, Parser

from iphttps.app.enrol.bundle import Bundle
from iphttps.app.enrol.windows import JOIN, LEAVE, folder_name, quoted, script
from iphttps.core.errors import ConfigError
from tests.app.enrolments import HOST, EnrolmentCase
from tests.pki.authority.support import AuthorityCase

ROOT = Path(__file__).parents[3]
GRAMMAR = Parser(Language(tree_sitter_powershell.language()))
HOSTILE = (
    "bob'; Remove-Item C:\\ -Recurse #",
    "bob\u2019; calc \u2018",
    "bob\u201a\u201b'",
    "$(calc)",
    "`n$env:x",
    "@URI@ @NAME@",
    "bob \\0 \\1",
    'a"b',
    "Zoë & | < > ^ %PATH%",
)


def constants(text: str) -> list[str]:
    """Return what the constants in single quotes stand for, as the grammar sees them; fails if it sees errors."""
    tree = GRAMMAR.parse(text.encode())
    if tree.root_node.has_error:
        raise AssertionError(f"not PowerShell:\n{text}")
    found: list[str] = []

    def visit(node: Node) -> None:
        if node.type == "verbatim_string_characters":
            assert node.text is not None
            found.append(re.sub("(['\u2018-\u201b])['\u2018-\u201b]", r"\1", node.text.decode()[1:-1]))
        for child in node.children:
            visit(child)

    visit(tree.root_node)
    return found


def shape(text: str) -> list[str]:
    """Return the kinds of all parts of a script, in order: what it is, whatever its constants say."""
    kinds: list[str] = []

    def visit(node: Node) -> None:
        kinds.append(node.type)
        for child in node.children:
            visit(child)

    visit(GRAMMAR.parse(text.encode()).root_node)
    return kinds


class ScriptTests(AuthorityCase):
    """The scripts' text."""

    def setUp(self) -> None:
        """Issue a certificate."""
        super().setUp()
        issued = self.authority.issue_client("alice")
        ca = self.authority.certificate_pem
        uri = f"https://{HOST}/IPHTTPS"
        self.bundle = Bundle("alice", uri, issued.certificate_pem, issued.key_pem, ca)

    def text(self, name: str, bundle: Bundle) -> str:
        """Return a script without what only Windows needs of it."""
        content = script(name, bundle).decode("utf-8")
        self.assertTrue(content.startswith("\ufeff#"))
        self.assertEqual(content.count("\n"), content.count("\r\n"))
        return content[1:].replace("\r\n", "\n")

    def test_parse(self) -> None:
        """Both are PowerShell, and say the server and the certificates by what Windows calls them."""
        fingerprint = self.openssl("x509", "-in", "ca/ca.pem", "-noout", "-fingerprint", "-sha1").split("=")[1]
        thumbprint = fingerprint.strip().replace(":", "")
        for name in (JOIN, LEAVE):
            found = constants(self.text(name, self.bundle))
            self.assertIn(self.bundle.uri, found)
            self.assertIn(thumbprint, found)
            self.assertNotIn("@", "".join(found))

    def test_broken_is_seen(self) -> None:
        """The grammar would see a name that is not quoted rightly."""
        text = self.text(JOIN, self.bundle)
        self.assertRaises(AssertionError, constants, text.replace("'alice'", "'a'lice'"))
        self.assertNotEqual(shape(text), shape(text.replace("'alice'", "'a'; calc; 'b'")))

    def test_hostile_names(self) -> None:
        """The scripts for different client names differ in that constant only."""
        expected = shape(self.text(JOIN, self.bundle))
        for name in HOSTILE:
            text = self.text(JOIN, replace(self.bundle, name=name))
            self.assertEqual(expected, shape(text), name)
            self.assertEqual(1, text.count(quoted(name)))
            self.assertEqual(self.text(LEAVE, self.bundle), self.text(LEAVE, replace(self.bundle, name=name)))

    def test_no_authority(self) -> None:
        """For a server that every Windows trusts, none is imported."""
        text = self.text(JOIN, replace(self.bundle, ca_pem=None))
        self.assertIn("\n$Authority = ''\n", text)
        constants(text)

    @settings(max_examples=300)
    @given(st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), max_size=30))
    def test_quoted(self, text: str) -> None:
        """A constant ends where it ends for PowerShell, at a quote of any kind that is not doubled."""
        if not text.isprintable():
            self.assertRaises(ConfigError, quoted, text)
            return
        inside = quoted(text)[1:-1]
        self.assertEqual("", re.sub("(['\u2018\u2019\u201a\u201b])\\1|[^'\u2018\u2019\u201a\u201b]", "", inside))

    def test_line_ends(self) -> None:
        """No constant has a line's end, or anything that is not to be seen."""
        for text in ("a\nb", "a\rb", "a\0b", "\u202e", "\u2028"):
            self.assertRaises(ConfigError, quoted, text)


class FolderTests(EnrolmentCase):
    """`iphttps enrol --windows`."""

    def folder(self, name: str, *more: str) -> tuple[Path, str]:
        """Enrol somebody with RSA, as for Windows; return the folder and the passphrase."""
        if not self.gateway.authority.exists():
            self.good(*self.setup_words())
        path, secret = self.enrol(name, "--windows", "--key", "rsa", *more)
        return path, secret.read_text().strip()

    def opened(self, folder: Path, passphrase: str, *more: str) -> tuple[str, str]:
        """Return what OpenSSL says of the PKCS#12 file, and the certificate and key in it."""
        command = [
            "openssl",
            "pkcs12",
            "-in",
            str(folder / "client.p12"),
            "-passin",
            f"pass:{passphrase}",
            "-nodes",
            *more,
        ]
        done = subprocess.run([*command, "-info"], capture_output=True, text=True, timeout=60, check=True)
        return done.stderr, done.stdout

    def test_contents(self) -> None:
        """It has certificate and key, the authority and both scripts; the folder and the key are its owner's alone."""
        folder, _ = self.folder("alice")
        self.assertEqual("alice-windows", folder.name)
        self.assertEqual(
            {"client.p12": 0o600, "ca.cer": 0o644, JOIN: 0o644, LEAVE: 0o644},
            {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()},
        )
        self.assertEqual(0o700, folder.stat().st_mode & 0o777)
        command = ["openssl", "x509", "-inform", "DER", "-in", str(folder / "ca.cer")]
        pem = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
        self.assertEqual(self.server_authority.certificate_pem, pem)

    def test_encryption(self) -> None:
        """By default it is the form that every Windows imports, or else AES; only the passphrase opens them."""
        for flags, more, cipher in (
            ((), ("-legacy",), "pbeWithSHA1And3-KeyTripleDES-CBC"),
            (("--pkcs12", "aes"), (), "AES-256-CBC"),
        ):
            folder, passphrase = self.folder(f"alice{len(flags)}", *flags)
            said, inside = self.opened(folder, passphrase, *more)
            self.assertIn(cipher, said)
            self.assertIn("BEGIN CERTIFICATE", inside)
            self.assertIn("BEGIN PRIVATE KEY", inside)
            self.assertRaises(subprocess.CalledProcessError, self.opened, folder, "wrong", *more)

    def test_hostile_names(self) -> None:
        """A folder is made of any name that a client can have, where Windows can have it, and its scripts parse."""
        for name in HOSTILE:
            folder, _ = self.folder(name, "--key", "ecdsa")
            self.assertEqual(self.directory, folder.parent)
            self.assertNotRegex(folder.name, r'[<>:"/\\|?*]')
            constants((folder / JOIN).read_text("utf-8-sig"))

    def test_names(self) -> None:
        """Windows' own names of devices, and characters that it cannot have, do not become a folder's name."""
        self.assertEqual("CON-windows", folder_name("CON"))
        self.assertEqual("a_b_c_-windows", folder_name("a:b\\c?"))
        self.assertRaises(ConfigError, folder_name, "../x")
        self.assertRaises(ConfigError, folder_name, "\U00020000" * 64)

    def test_documentation(self) -> None:
        """The command of docs/windows.md makes the folder that the page says it does, with the files it lists."""
        text = (ROOT / "docs" / "windows.md").read_text()
        (command,) = re.findall(r"^```sh gateway\n(.*)\n```$", text, re.MULTILINE)
        self.good(*self.setup_words())
        self.good(*command.split()[1:], "--root", self.gateway.root, "--out", self.directory)
        (folder,) = re.findall(r"makes a folder, `(.*?)`", text)
        listed = re.findall(r"^\| `(.*?)` \|", text, re.MULTILINE)
        self.assertEqual(set(listed), {path.name for path in (self.directory / folder).iterdir()})

    def test_no_overwriting(self) -> None:
        """A folder that is there stays as it is."""
        folder, _ = self.folder("alice")
        before = (folder / "client.p12").read_bytes()
        words = ("enrol", "alice", "--windows", "--root", self.gateway.root, "--out", self.directory)
        self.assertIn("already exists and is not overwritten", self.bad(*words))
        self.assertEqual(before, (folder / "client.p12").read_bytes())
