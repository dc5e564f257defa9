"""The targets of `tools/fuzz`, run briefly without a fuzzer, reach the expected depth and find no fault."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz import sstp_client as client
from tests.fuzz.sstp import LOGIN, TARGETS, Conversation, one_input


class FuzzedTests(SynchronousTestCase):
    """The targets for the server."""

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


class FuzzedClientTests(SynchronousTestCase):
    """The targets for the client."""

    def test_depth(self) -> None:
        """An input can bring the link up, and not without the ACK, the login, its proof, or an answer of IPCP."""
        call = client.CALL
        for cut, passed in (
            (call, True),
            (call.replace(b"\1\3", b"\3"), False),
            (call.replace(b"\7\7", b"\7"), False),
            (call.replace(b"\7\7", b"\7\x0c\0"), False),
            (call[:-4], False),
        ):
            held = client.Conversation(cut)
            held.run()
            self.assertEqual(passed, held.passed, cut)

    def test_answers(self) -> None:
        """The seed of the answer opens a call, whose first packet belongs to it ([MS-SSTP] 3.2.4.1)."""
        seed = client.SEEDS["answer"][1:]
        self.assertEqual(b"\x10\1\0\x08\0\x08\0\0", client.answer([seed]))
        self.assertIsNone(client.answer([seed.replace(b"200", b"503")]))

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from([b"", *client.SEEDS.values()]), st.integers(0, 200), st.binary(max_size=200))
    def test_anything(self, seed: bytes, cut: int, data: bytes) -> None:
        """Nothing raises, and no link comes up before the login, its proof and the crypto binding."""
        client.one_input(seed[:cut] + data)
