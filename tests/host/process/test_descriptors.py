"""Tests for iphttps.host.process.descriptors."""

from __future__ import annotations

import resource
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from iphttps.host.process.descriptors import MOST, raise_limit


class RaiseTests(SynchronousTestCase):
    """Raising the soft limit."""

    def test_raised(self) -> None:
        """It becomes the hard limit, or what is enough, and is never lowered."""
        endless = resource.RLIM_INFINITY
        for soft, hard, expected in (
            (1024, 4096, 4096),
            (1024, 524288, MOST),
            (1024, endless, MOST),
            (4096, 4096, 4096),
            (2 * MOST, 524288, 2 * MOST),
            (endless, endless, endless),
        ):
            with (
                patch.object(resource, "getrlimit", return_value=(soft, hard)),
                patch.object(resource, "setrlimit") as changed,
            ):
                self.assertEqual(expected, raise_limit())
            if expected == soft:
                changed.assert_not_called()
            else:
                changed.assert_called_once_with(resource.RLIMIT_NOFILE, (expected, hard))
