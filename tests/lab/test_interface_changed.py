"""Others change the interface that is the daemon's own."""

from iphttps.lab.laboratory import INTERFACE
from tests.lab.case import LabCase


class InterfaceTests(LabCase):
    """The interface of each role."""

    def test_removed(self) -> None:
        """When somebody removes its interface, a daemon ends with status 1, so that a service manager restarts it."""
        server, client = self.server(), self.client()
        for host, daemon in ((self.lab.clients[0], client), (self.lab.gateway, server)):
            host.ip(f"link delete {INTERFACE}")
            self.assertEqual(1, daemon.wait_ended())
            self.assertIn("the interface is gone", daemon.text)
