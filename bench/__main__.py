"""The command: `python -m bench [--quick | --rounds N] [--only NAME]... [--clients N]... [--document]`."""

import argparse
import os
import sys
import time

from bench.document import write
from bench.groups import (
    batching,
    crowd,
    curve,
    flows,
    handshakes,
    idle,
    many_flows,
    packets,
    raw_crowd,
    singles,
    slow_line,
    sstp_idle,
    tunnels,
    unread,
)
from bench.progress import say
from bench.rows import CrowdGroup, Group, Row, Scope
from bench.table import tables
from iphttps.lab import privilege
from iphttps.lab.errors import LabError, LabUnavailable
from iphttps.lab.namespaces import Namespace

MODULES = (
    tunnels,
    packets,
    flows,
    idle,
    sstp_idle,
    handshakes,
    unread,
    batching,
    curve,
    crowd,
    raw_crowd,
    singles,
    many_flows,
    slow_line,
)
GROUPS: dict[str, Group | CrowdGroup] = {module.GROUP.name: module.GROUP for module in MODULES}
ROUNDS = 5


def main() -> int:
    """Measure what is asked for, print the tables, and write the page if that is wanted."""
    asked = arguments().parse_args()
    try:
        privilege.enter()
    except LabUnavailable as reason:
        say(str(reason))
        return 1
    if asked.nice:
        os.nice(asked.nice)
        Namespace.niceness = asked.nice
    scope = Scope(asked.rounds, tuple(asked.clients), asked.alone, asked.before)
    rows: list[Row] = []
    failed = False
    begin = time.monotonic()
    for name in asked.only or GROUPS:
        say(f"{name}: {GROUPS[name].subject}")
        try:
            rows += GROUPS[name].rows(scope)
        except LabError as error:
            failed = True
            say(f"{name} has failed: {error}")
    say(f"{time.monotonic() - begin:.0f} s in all\n")
    print(tables(rows))
    if asked.document and not failed:
        write(rows, asked.rounds)
    return int(failed)


def arguments() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast the tunnel is, beside others.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"so many rounds in place of {ROUNDS}")
    parser.add_argument("--quick", action="store_const", const=1, dest="rounds", help="one round")
    parser.add_argument(
        "--only", action="append", choices=list(GROUPS), metavar="NAME",
        help=f"measure these rows alone, repeat for more: {', '.join(GROUPS)}",
    )  # fmt: skip
    parser.add_argument(
        "--clients", action="append", type=int, default=[], metavar="N",
        help="crowds of this size alone, repeat for more",
    )  # fmt: skip
    parser.add_argument("--alone", action="store_true", help="crowds of ours alone, without the other tunnels")
    parser.add_argument(
        "--before", default="", metavar="TWISTD",
        help="have another version of iphttps take turns with this one in crowds; this is the `twistd` of its checkout",
    )  # fmt: skip
    parser.add_argument(
        "--nice", type=int, default=0, metavar="N",
        help="the nice value of all programs, for a machine that others use: -10 leaves them a tenth of it",
    )  # fmt: skip
    parser.add_argument("--document", action="store_true", help="write the tables to docs/performance.md, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
