"""TUN devices without segmentation offload: what the tests of the tunnel ask of those that have it is asked of these.

So the two ways between the kernel and the daemons, one packet at a time and many, pass the same tests.
"""

import json
from typing import Any

from iphttps.lab.programs import Program
from tests.lab import test_clauses, test_kernels, test_robustness, test_tunnel, test_witness
from tests.lab.case import LabCase


class OffloadTests(LabCase):
    """True if segmentation is offloaded."""

    def _offloaded(self, *flags: str) -> Any:
        control = self.lab.directory / "control"
        server = self.server("--control", str(control), *flags)
        command = self.lab.twistd[0].replace("twistd", "iphttps")
        status = self.lab.gateway.run(command, "status", "--json", "--control", str(control))
        server.stop()
        return json.loads(status.stdout)["offload"]

    def test_offloaded(self) -> None:
        """It is unless that is forbidden, or the device is a TAP; the status tells."""
        self.assertEqual(["tcp", "udp"], self._offloaded())
        self.assertEqual([], self._offloaded("--offload", "off"))
        self.assertEqual([], self._offloaded("--device", "tap"))


class PlainTests(test_tunnel.TunnelTests):
    """A client and a server without offload."""

    server_device = client_device = "plain"


class PlainServerTests(test_tunnel.SeveralClientsTests):
    """A server without it, and clients of both kinds."""

    server_device = "plain"

    def client(self, number: int = 1, *flags: str, **choices: Any) -> Program:
        """Start a client, the second one without offload."""
        return super().client(number, "--offload", "off" if number == 2 else "auto", *flags, **choices)


class NoneClauseTests(test_clauses.NoneClauseTests):
    """The rules of the link in mode None."""

    server_device = "plain"


class CertificatesClauseTests(test_clauses.CertificatesClauseTests):
    """The same in mode Certificates."""

    server_device = "plain"


class ServerWitnessTests(test_witness.ServerWitnessTests):
    """Packets of a server without offload."""

    server_device = "plain"


class ClientWitnessTests(test_witness.ClientWitnessTests):
    """Packets of a client without offload."""

    client_device = "plain"


class DuplicateTests(test_kernels.DuplicateTests):
    """Two clients that want the same address."""

    server_device = client_device = "plain"


class FramingTests(test_robustness.FramingTests):
    """Bytes that are no packets, from the wire and from local programs."""

    server_device = client_device = "plain"


class NeverReadingTests(test_robustness.NeverReadingTests):
    """A client that takes nothing."""

    server_device = "plain"
