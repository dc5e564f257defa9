"""The data of a crowd's flows, as the kernel reports them."""

from twisted.trial.unittest import SynchronousTestCase

from bench.crowd import passed

# Two flows of a client with their control connection, and one of another; `ss -OHtin state established`.
LINES = """\
0 0 [2001:db8:1::2]:5201 [2001:db8:2::a]:40000 cubic bytes_sent:400 bytes_acked:400 bytes_received:700 segs_out:5
0 0 [2001:db8:1::2]:5201 [2001:db8:2::a]:40001 cubic bytes_sent:1000000 bytes_acked:900000 bytes_received:37 segs_out:5
0 0 [2001:db8:1::2]:5201 [2001:db8:2::a]:40002 cubic bytes_sent:1000000 bytes_acked:800000 bytes_received:37 segs_out:5
0 0 [2001:db8:1::2]:5202 [2001:db8:2::b]:40003 cubic bytes_sent:40 bytes_received:600000 segs_out:5
"""


class PassedTests(SynchronousTestCase):
    """The sums of the figures of `ss`."""

    def test_down(self) -> None:
        """The bytes that clients have acknowledged have passed down, with all flows of a client and without control."""
        self.assertEqual({5201: 1_700_000}, passed(LINES, "down"))

    def test_up(self) -> None:
        """The bytes that the private host has received have passed up."""
        self.assertEqual({5202: 600_000}, passed(LINES, "up"))
