"""The targets of `tools/fuzz`, run briefly without a fuzzer, reach the expected depth and find no fault."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.sstp import LOGIN, TARGETS, Conversation, one_input


class FuzzedTests(SynchronousTestCase):
    """The targets."""

    def test_depth(self) -> None:
        """An input can reach the state in which data passes, and none of its steps can be left out."""
        for left_out, passed in (
            (None, True),
            (1, False),
            (7, False),
            (len(LOGIN) - 2, False),
            (len(LOGIN) - 1, False),
        ):
            script = LOGIN if left_out is None else LOGIN[:left_out] + b"\x07" + LOGIN[left_out + 1 :]
            held = Conversation(script)
            held.run()
            self.assertEqual(passed, held.passed, left_out)

    @settings(max_examples=300, deadline=None)
    @given(st.integers(0, len(TARGETS) - 1), st.binary(max_size=200))
    def test_anything(self, target: int, data: bytes) -> None:
        """Nothing raises, and data passes only after a login and its binding."""
        one_input(bytes((target,)) + data)

    @settings(max_examples=300, deadline=None)
    @given(st.integers(0, len(LOGIN)), st.binary(max_size=100))
    def test_after_login(self, cut: int, data: bytes) -> None:
        """The same for a call that has begun well."""
        Conversation(LOGIN[:cut] + data).run()
