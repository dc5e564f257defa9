"""The processor time that programs have used, with all the processes they have started."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from iphttps.lab.programs import Program

TICKS = os.sysconf("SC_CLK_TCK")


def seconds(programs: Iterable[Program]) -> float:
    """Return user plus system time, in seconds, until now; it is counted in hundredths."""
    return sum(_ticks(pid) for program in programs for pid in family(program.pid)) / TICKS


def family(pid: int) -> Iterator[int]:
    """Yield a process and its descendants; ocserv has one for each client."""
    yield pid
    try:
        children = [
            child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
        ]
    except OSError:
        return  # it has ended meanwhile
    for child in children:
        yield from family(int(child))


def resident(program: Program) -> int:
    """Return how many bytes of memory a program has resident, without its children."""
    return int(Path(f"/proc/{program.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])  # utime and stime, the 14th and 15th of proc(5)
