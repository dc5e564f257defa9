"""The table of all clauses, as a page, and the verdict on each."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from twisted.trial.reporter import TestResult
from twisted.trial.runner import TestLoader

from tests.conformance.clause import Clause
from tests.conformance.client import CLIENT
from tests.conformance.server import SERVER
from tests.conformance.sstp_client import SSTP_CLIENT
from tests.conformance.sstp_server import SSTP_SERVER

CLAUSES = tuple(sorted((*CLIENT, *SERVER), key=lambda clause: clause.number))
"""The clauses of [MS-IPHTTPS]."""
SSTP_CLAUSES = {"server": SSTP_SERVER, "client": SSTP_CLIENT}
"""The clauses of [MS-SSTP], by the side that they are about."""


def loaded(name: str) -> Any:
    """Return the tests that a name stands for; it may be that of a module, a class or a method."""
    return TestLoader().loadByName(f"tests.{name}")


@cache
def outcome(name: str) -> TestResult:
    """Run the tests that a name stands for: once, though several clauses may name them."""
    result = TestResult()
    loaded(name).run(result)
    return result


def verdict(clause: Clause) -> str:
    """Say what came of a clause's tests."""
    if not clause.tests:
        return "no test"
    results = [outcome(name) for name in clause.tests]
    if any(result.failures or result.errors for result in results):
        return "FAILS"
    if any(result.skips for result in results):
        return "skipped"
    return f"holds ({sum(result.testsRun for result in results)} tests)"


def document() -> str:
    """Return docs/conformance.md."""
    return f"""\
# Conformance

Every normative statement of [MS-IPHTTPS] about the client (section 3.1), the server (section 3.2), or both, what we do
about it, and the tests that show it. The tests under `tests/lab` look from outside, at real daemons, with servers and
clients that speak by hand or with real kernels; the reconnect timer's look through a virtual clock.
`python -m tests.conformance` runs them all and prints a verdict for each clause; this page is made by
`python -m tests.conformance document`.

{_table(CLAUSES)}

## [MS-SSTP], the server

The same for the server of [MS-SSTP] (sections 3.1 and 3.3, and of section 2 what they rest on). These tests drive the
state machine, the codec and the attributes; `tests/lab/test_sstp.py` has real clients.

{_table(SSTP_SERVER)}

## [MS-SSTP], the client

The same for the client (section 3.2, of section 3.1 what concerns it, and the example for proxies in 4.5). In these
tests the client's call talks to the server's, or to one that breaks its word; the daemon talks to a proxy.

{_table(SSTP_CLIENT)}
"""


def _table(clauses: Iterable[Clause]) -> str:
    rows = "\n".join(
        f"| {clause.number} | {clause.section} | {clause.says}{_note(clause)} | {clause.level} "
        f"| {_code(clause.code)} | {_tests(clause)} |"
        for clause in clauses
    )
    return f"""\
| # | section | what it says | level | code, in iphttps/ | tests, in tests/ |
| --- | --- | --- | --- | --- | --- |
{rows}"""


def _note(clause: Clause) -> str:
    return f". *{clause.note}*" if clause.note else ""


def _code(code: str) -> str:
    return ", ".join(f"`{name}`" for name in code.split(", ")) if code else ""


def _tests(clause: Clause) -> str:
    return ", ".join(f"`{name}`" for name in clause.tests)
