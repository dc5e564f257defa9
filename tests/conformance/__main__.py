"""Prints the document, or a verdict for each clause."""

import sys

from tests.conformance.table import CLAUSES, document, verdict


def main() -> None:
    """Print the document, or run everything and print a line for each clause."""
    if sys.argv[1:] == ["document"]:
        print(document(), end="")
        return
    verdicts = {clause: verdict(clause) for clause in CLAUSES}
    for clause, found in verdicts.items():
        print(f"{clause.number:>3}  {clause.section:<10} {clause.level:<11} {found:<20} {clause.says}")
    sys.exit("FAILS" in verdicts.values())


if __name__ == "__main__":
    main()
