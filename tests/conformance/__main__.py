"""Prints the document, or a verdict for each clause."""

import sys

from tests.conformance.table import CLAUSES, SSTP_CLAUSES, document, verdict


def main() -> None:
    """Print the document, or run everything and print a line for each clause."""
    if sys.argv[1:] == ["document"]:
        print(document(), end="")
        return
    failed = False
    tables = {"[MS-IPHTTPS]": CLAUSES, **{f"[MS-SSTP], {side}": clauses for side, clauses in SSTP_CLAUSES.items()}}
    for specification, clauses in tables.items():
        print(specification)
        for clause in clauses:
            found = verdict(clause)
            failed |= found == "FAILS"
            print(f"{clause.number:>3}  {clause.section:<10} {clause.level:<11} {found:<20} {clause.says}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
