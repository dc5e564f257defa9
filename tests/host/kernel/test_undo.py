"""The settings left by a killed gateway, and their restoration by the next process."""

from __future__ import annotations

import json
import os
from pathlib import Path

from iphttps.core.errors import ConfigError
from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel.network import LinuxNetwork, NetworkConfig, undo
from iphttps.host.kernel.undo import CONF, Note

from ..support import NamespaceCase, add_veth, in_child, setting

NAME = "iphttps-test"
ROUTER = NetworkConfig(NAME, up=True, settings={"accept_ra": 0}, forwarding=True)


class UndoTests(NamespaceCase):
    """A host with an uplink that listens to routers, and an interface that forwards already."""

    def setUp(self) -> None:
        """Make the interfaces."""
        super().setUp()
        self.path = Path(self.mktemp()).absolute()
        add_veth("uplink", "inner")
        setting("inner", "forwarding", 1)
        self.before = self.settings()

    def settings(self) -> dict[str, int]:
        """Return every setting that forwarding has to do with."""
        found = [path for name in ("forwarding", "accept_ra") for path in sorted(CONF.glob(f"*/{name}"))]
        return {str(path.relative_to(CONF)): int(path.read_text()) for path in found}

    def killed(self) -> None:
        """Have a process turn forwarding on and end without a chance to turn it off."""

        def gateway() -> None:
            device = TunDevice(NAME)
            LinuxNetwork(Note(self.path)).apply(ROUTER)
            os.close(device.fileno())

        in_child(gateway)
        self.assertNotEqual(self.before, self.settings())

    def test_undone(self) -> None:
        """All settings are as they were, and the note is gone; a second time there is nothing to do."""
        self.killed()
        self.assertTrue(undo(Note(self.path)))
        self.assertEqual(self.before, self.settings())
        self.assertFalse(self.path.exists())
        self.assertFalse(undo(Note(self.path)))

    def test_killed_half_way(self) -> None:
        """The note is there before the first setting changes."""
        Note(self.path).write({CONF / "uplink" / "accept_ra": "1", CONF / "all" / "forwarding": "0"})
        setting("uplink", "accept_ra", 2)
        self.assertTrue(undo(Note(self.path)))
        self.assertEqual(self.before, self.settings())

    def test_orderly_end(self) -> None:
        """A gateway that puts everything back itself leaves no note."""
        device = TunDevice(NAME)
        self.addCleanup(device.close)
        network = LinuxNetwork(Note(self.path))
        network.apply(ROUTER)
        self.assertTrue(self.path.exists())
        network.restore()
        self.assertFalse(self.path.exists())

    def test_set_since(self) -> None:
        """A setting changed by somebody else since then stays."""
        self.killed()
        setting("all", "forwarding", 0)
        setting("uplink", "accept_ra", 0)
        setting("default", "forwarding", 1)
        undo(Note(self.path))
        self.assertEqual((0, 1), (setting("uplink", "accept_ra"), setting("default", "forwarding")))

    def test_interface_gone(self) -> None:
        """An interface that is gone since is passed over."""
        Note(self.path).write({CONF / "gone" / "accept_ra": "1", CONF / "gone" / "forwarding": "0"})
        self.assertFalse(undo(Note(self.path)))

    def test_elsewhere(self) -> None:
        """A note from another network namespace, or another boot, is not believed."""
        self.killed()
        kept = json.loads(self.path.read_text())
        during = self.settings()
        for place, said in enumerate(kept["where"]):
            other = list(kept["where"])
            other[place] = said[:-1] + "x"
            self.path.write_text(json.dumps(kept | {"where": other}))
            self.assertFalse(undo(Note(self.path)))
            self.assertEqual(during, self.settings())

    def test_forged(self) -> None:
        """A note can change nothing but these settings to these values, and rubbish is said to be such."""
        kept: dict[str, object] = {"where": []}
        for content in (
            *(
                json.dumps(kept | {"before": [pair]})
                for pair in (["all/disable_ipv6", "1"], ["../../kernel/x/forwarding", "1"])
            ),
            *(json.dumps(kept | {"before": [pair]}) for pair in (["all/forwarding", "7"], ["all/forwarding"])),
            "[]",
            "[" * 100_000,
            "\0",
        ):
            self.path.write_text(content)
            self.assertIn("of another version of iphttps", str(self.assertRaises(ConfigError, undo, Note(self.path))))

    def test_not_ours(self) -> None:
        """A link, a pipe, or somebody else's file is not read."""
        self.path.symlink_to("/etc/passwd")
        self.assertRaises(ConfigError, undo, Note(self.path))
        self.path.unlink()
        os.mkfifo(self.path)
        self.assertRaises(ConfigError, undo, Note(self.path))
        self.path.unlink()
        self.path.write_text("{}")
        os.chown(self.path, 1, 1)
        self.assertIn("not a file of this user", str(self.assertRaises(ConfigError, undo, Note(self.path))))

    def test_set_aside(self) -> None:
        """Anything in the note's place can be set aside repeatedly, directories included."""
        note = Note(self.path)
        names = set()
        for make in (self.path.mkdir, self.path.touch, self.path.mkdir, self.path.touch):
            make()
            if self.path.is_dir():
                (self.path / "something").touch()
            aside = note.set_aside()
            self.assertFalse(self.path.exists())
            names.add(aside.name.removeprefix(self.path.name))
        self.assertEqual({".unreadable", ".unreadable.1", ".unreadable.2"}, names)
        self.assertEqual({}, note.read())

    def test_no_place(self) -> None:
        """If no note can be written, nothing is changed, and a sentence says why."""
        device = TunDevice(NAME)
        self.addCleanup(device.close)
        network = LinuxNetwork(Note(self.path / "missing"))
        refused = self.assertRaises(ConfigError, network.apply, ROUTER)
        self.assertIn("No such file", str(refused))
        self.assertEqual(0, setting("all", "forwarding"))
