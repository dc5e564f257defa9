"""`python -m manual DIRECTORY` writes pages and completions there; `--document` writes the generated pages in docs/."""

from __future__ import annotations

import sys
from pathlib import Path

from iphttps.app.cli.commands.misc import script
from iphttps.app.cli.entry import group

from .drops import drop_reasons
from .example import ROOT
from .markdown import document
from .pages import pages
from .picture import picture

DOCUMENTS = {"configuration.md": document, "drop-reasons.md": drop_reasons, "gateway.svg": picture}
"""The pages in docs/ that are generated."""

COMPLETIONS = {"bash": "iphttps", "zsh": "_iphttps", "fish": "iphttps.fish"}
"""The file names under which the shells look for completions."""


def main(arguments: list[str]) -> int:
    """Write the generated pages or the manual; return the exit status."""
    match arguments:
        case ["--document"]:
            for name, generated in DOCUMENTS.items():
                (ROOT / "docs" / name).write_text(generated())
        case [directory]:
            for page in pages():
                _write(Path(directory, "man", page.file), str(page))
            for shell, name in COMPLETIONS.items():
                _write(Path(directory, "completion", shell, name), script(group, shell))
        case _:
            print("usage: python -m manual DIRECTORY | --document", file=sys.stderr)
            return 2
    return 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
