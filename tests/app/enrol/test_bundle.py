"""The file that makes a client, and its passphrase: what is taken, and that nothing else is."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.enrol.bundle import BEGIN, COSTS, END, LARGEST, Bundle, check_data, parse, read_bundle, seal, unseal
from iphttps.app.enrol.passphrase import ALPHABET, new_passphrase, read_passphrase
from iphttps.core.errors import ConfigError
from iphttps.pki.authority.issuing import KeyKind
from iphttps.pki.authority.store import Authority

CHEAP = COSTS[0]
PASSPHRASE = "0123-4567-89ab-cdef-ghjk"


def armoured(data: bytes) -> bytes:
    """Return a file that holds this, with the right checksum."""
    body = b64encode(data + crc32(data).to_bytes(4)).decode()
    return f"{BEGIN}\n{body}\n{END}\n".encode()


class BundleCase(SynchronousTestCase):
    """An enrolment of alice."""

    def setUp(self) -> None:
        """Issue her certificate, and have all in a file."""
        authority = Authority.create(Path(self.mktemp()).absolute(), "CA", key=KeyKind.ECDSA)
        issued = authority.issue_client("alice", key=KeyKind.ECDSA)
        uri = "https://vpn.example.org/IPHTTPS"
        self.other = authority.issue_client("bob", key=KeyKind.ECDSA)
        self.bundle = Bundle("alice", uri, issued.certificate_pem, issued.key_pem, authority.certificate_pem)
        self.sealed = seal(self.bundle, PASSPHRASE, CHEAP)


class FileTests(BundleCase):
    """The content of the file."""

    def test_there_and_back(self) -> None:
        """The content is read back unchanged, with and without the authority."""
        self.assertEqual(self.bundle, unseal(check_data(self.sealed), PASSPHRASE))
        without = replace(self.bundle, ca_pem=None)
        self.assertEqual(without, unseal(check_data(seal(without, PASSPHRASE, CHEAP)), PASSPHRASE))

    def test_nothing_in_the_clear(self) -> None:
        """Neither names nor keys can be read in it, and no two are alike."""
        data = check_data(self.sealed)
        for word in (b"alice", b"vpn.example", b"PRIVATE", b"BEGIN CERT"):
            self.assertNotIn(word, data)
        self.assertNotEqual(data[:30], check_data(seal(self.bundle, PASSPHRASE, CHEAP))[:30])
        self.assertNotIn("PRIVATE", repr(self.bundle))

    def test_default_cost(self) -> None:
        """A guess at the passphrase takes 64 MiB unless something else is wanted."""
        self.assertEqual(16, check_data(seal(self.bundle, PASSPHRASE))[1])

    def test_other_passphrase(self) -> None:
        """With another passphrase it stays closed."""
        with self.assertRaisesRegex(ConfigError, "^the passphrase is wrong for this file$"):
            unseal(check_data(self.sealed), PASSPHRASE[:-1] + "0")

    def test_line_ends(self) -> None:
        """On its way through mail or Windows it may get other line ends and blank lines around."""
        self.assertEqual(check_data(self.sealed), check_data(b"\r\n" + self.sealed.replace(b"\n", b"\r\n") + b"\n\n"))

    def test_damaged(self) -> None:
        """A file that is cut, or has another character anywhere, is damaged, and no passphrase is blamed."""
        for end in range(len(BEGIN) + 1, len(self.sealed) - 2, 97):
            with self.assertRaisesRegex(ConfigError, "is damaged: copy it from the server again"):
                check_data(self.sealed[:end])
        for place in range(len(BEGIN) + 1, len(self.sealed) - len(END) - 3, 101):
            changed = bytearray(self.sealed)
            changed[place] = ord("A") if changed[place] != ord("A") else ord("B")
            with self.assertRaisesRegex(ConfigError, "damaged"):
                check_data(bytes(changed))

    def test_others(self) -> None:
        """Something else, a later version, and a derivation that would take all memory are rejected before any work."""
        data = check_data(self.sealed)
        for content, said in (
            (b"", "is not an enrolment"),
            (b"\x7fELF\x00\xff", "is not an enrolment"),
            (b"A" * (LARGEST + 1), "is too large for an enrolment"),
            (armoured(b"\x02" + data[1:]), "has version 2, which this iphttps does not support"),
            (armoured(data[:1] + bytes((30,)) + data[2:]), "has key derivation parameters"),
            (armoured(data[:1] + b"\x01" + data[2:]), "has key derivation parameters"),
            (armoured(data[:10]), "is damaged"),
        ):
            with self.assertRaisesRegex(ConfigError, said):
                check_data(content)

    def test_header_counts(self) -> None:
        """A changed header with a corrected checksum breaks the seal."""
        data = bytearray(check_data(self.sealed))
        data[1] = COSTS[1]
        with self.assertRaisesRegex(ConfigError, "the passphrase is wrong"):
            unseal(check_data(armoured(bytes(data))), PASSPHRASE)

    def test_read(self) -> None:
        """A file that is not there, is a directory, or never ends is said in a sentence with its name."""
        for path, said in (
            ("/nowhere/x", "cannot read /nowhere/x: No such file"),
            ("/", "cannot read /: Is a directory"),
            ("/dev/zero", "/dev/zero is too large for an enrolment"),
        ):
            with self.assertRaisesRegex(ConfigError, said):
                read_bundle(Path(path))


class ContentTests(BundleCase):
    """The decrypted content is validated as well."""

    def content(self, **changes: Any) -> dict[str, Any]:
        """Return what is sealed, with changes; what becomes ... is left out."""
        found = {
            "name": "alice",
            "uri": self.bundle.uri,
            "certificate": self.bundle.certificate_pem.decode(),
            "key": self.bundle.key_pem.decode(),
            "ca": None,
        }
        return {name: value for name, value in (found | changes).items() if value is not ...}

    def test_good(self) -> None:
        """Text around certificates and keys is dropped, and so are JSON keys of later versions."""
        mixed = "junk\n" + self.bundle.certificate_pem.decode() + "more junk\x1b[2J\n"
        found = parse(json.dumps(self.content(certificate=mixed, future={"a": [1]})).encode())
        self.assertEqual(replace(self.bundle, ca_pem=None), found)

    def test_bad(self) -> None:
        """A bundle with content of the wrong kind is rejected as a whole."""
        certificate = self.bundle.certificate_pem.decode()
        for changes in (
            {"name": ...},
            {"name": 3},
            {"name": "../../etc/cron.d/x"},
            {"name": "x\nup-script = '/bin/sh'"},
            {"uri": "http://vpn.example.org/IPHTTPS"},
            {"uri": "https://*/IPHTTPS"},
            {"uri": 'https://x"\nup-script="/x'},
            {"uri": "https://fe80::1%$(reboot)/"},
            {"uri": "https://[fe80::1%'; reboot]/"},
            {"uri": "https://user:secret@vpn.example.org/"},
            {"uri": ["https://vpn.example.org/"]},
            {"certificate": ...},
            {"certificate": ""},
            {"certificate": 2 * certificate},
            {"certificate": self.other.certificate_pem.decode()},
            {"key": self.other.key_pem.decode()},
            {"key": "x" * 9000},
            {"key": "\ud800"},
            {"ca": 1},
            {"ca": "nothing"},
            {"ca": 11 * certificate},
            {"ca": ...},
        ):
            with self.assertRaisesRegex(ConfigError, "the content of the enrolment is invalid"):
                parse(json.dumps(self.content(**changes)).encode())
        for plain in (b"", b"[]", b"3", b"[" * 60_000, b'{"name": 1e999}', b"\xff\xfe"):
            with self.assertRaisesRegex(ConfigError, "the content of the enrolment is invalid"):
                parse(plain)


class FuzzTests(BundleCase):
    """Any input gives one sentence and no traceback."""

    @settings(max_examples=400, deadline=None)
    @given(st.binary(max_size=400), st.booleans())
    def test_file(self, content: bytes, dressed: bool) -> None:
        """Bytes as a file, or between the lines of one."""
        try:
            check_data(armoured(content) if dressed else content)
        except ConfigError as error:
            self.assertTrue(str(error).isprintable())
            self.assertTrue(str(error).startswith(("is ", "has ")))

    @settings(max_examples=400, deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.floats(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["name", "uri", "certificate", "key", "ca"]), inner, max_size=5)
            ),
            max_leaves=8,
        )
    )
    def test_content(self, content: object) -> None:
        """JSON of all kinds as what was sealed."""
        self.assertRaises(ConfigError, parse, json.dumps(content).encode())

    @settings(max_examples=25, deadline=None)
    @given(st.data())
    def test_flipped(self, data: st.DataObject) -> None:
        """A bit that is turned round, and a checksum that does not give it away: the seal does."""
        found = bytearray(check_data(self.sealed))
        place = data.draw(st.integers(2, len(found) - 1))
        found[place] ^= 1 << data.draw(st.integers(0, 7))
        with self.assertRaisesRegex(ConfigError, "the passphrase is wrong"):
            unseal(check_data(armoured(bytes(found))), PASSPHRASE)


class PassphraseTests(SynchronousTestCase):
    """Words that are told once."""

    def test_random(self) -> None:
        """Each has 100 bits, none of them twice."""
        made = {new_passphrase() for _ in range(200)}
        self.assertEqual(200, len(made))
        for passphrase in made:
            self.assertRegex(passphrase, f"^([{ALPHABET}]{{4}}-){{4}}[{ALPHABET}]{{4}}$")
        self.assertEqual(32, len(set(ALPHABET)))
        self.assertEqual(set(ALPHABET), set("".join(made)) - {"-"})

    def test_typed(self) -> None:
        """However a person types it, it is the same: with capitals, blanks, letters for the digits they look like."""
        for typed in (PASSPHRASE, " O123 4567 89AB CDEF GHJK\n", "oi23-4567-89abcdefghjk", "0L23 4567 89ab cdef ghjk"):
            self.assertEqual(PASSPHRASE, read_passphrase(typed))

    def test_wrong(self) -> None:
        """An invalid passphrase is rejected before any work, and not repeated in the error."""
        for typed in ("", "secret", PASSPHRASE[:-1], PASSPHRASE + "0", "u" + PASSPHRASE[1:]):
            with self.assertRaisesRegex(ConfigError, "malformed passphrase: it is five groups of four") as raised:
                read_passphrase(typed)
            self.assertNotIn(typed or "\0", str(raised.exception))
