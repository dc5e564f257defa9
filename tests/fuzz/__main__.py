"""Runs a module of targets under atheris: `python -m tests.fuzz sstp|sstp_client [OPTIONS OF LIBFUZZER] [CORPUS]`.

Only what is loaded below is instrumented, so that the inputs are guided by the branches of the parsers.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Fuzz until the options of libFuzzer say that it is enough, or something is found."""
    name = sys.argv.pop(1)
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["iphttps.core", "tests.fuzz"], enable_loader_override=False):
        target = import_module(f"tests.fuzz.{name}")
    for corpus in (Path(word) for word in sys.argv[1:] if not word.startswith("-")):
        for seed, data in target.SEEDS.items():
            (corpus / seed).write_bytes(data)
    atheris.Setup(sys.argv, target.one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
