"""The status of an SSTP client: what it shows is what docs/control.md says."""

from __future__ import annotations

import json
from ipaddress import IPv4Address

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.control.sstp_status import negotiated, sstp_client_status
from iphttps.core.sstp.client_call import ClientCall, LinkUp
from iphttps.core.sstp.ppp.client import IPv4Addresses
from iphttps.core.sstp.ppp.login import Login
from iphttps.pki import des

from ..schema import differences, documented, violations

ADDRESSES = IPv4Addresses(
    IPv4Address("10.99.0.2").packed, IPv4Address("10.99.0.1").packed, (IPv4Address("10.0.0.53").packed,)
)


class SSTPStatusTests(SynchronousTestCase):
    """The negotiated parameters, and the other fields of the status."""

    def setUp(self) -> None:
        """Begin a call."""
        self.call = ClientCall(bytes, Login(b"alice", bytes(16)), b"", des.encrypt)
        self.call.start(0.0)
        self.example = documented("sstp-client")
        self.client = documented("client")

    def status(self, link: LinkUp | None, code: str | None = "0x274D") -> dict[str, object]:
        """Return the status with a link."""
        failure = self.client["last_failure"] | {"code": code}
        found = sstp_client_status(self.client | {"last_failure": failure}, negotiated("alice", self.call, link))
        plain = json.loads(json.dumps(found))
        assert isinstance(plain, dict)
        return plain

    def test_as_documented(self) -> None:
        """It has the members that the document shows, in that order, before and after the link is up."""
        for link in (
            None,
            LinkUp(ADDRESSES, None, 1400),
            LinkUp(None, None, 1400),
            LinkUp(IPv4Addresses(bytes(4)), None, 9),
        ):
            status = self.status(link)
            self.assertEqual([], differences(self.example, status))
            self.assertEqual([], violations("status", status))
        self.assertEqual([], violations("status", sstp_client_status(self.client, None)))

    def test_negotiated(self) -> None:
        """Addresses and DNS servers are those of IPCP; before PPP is up there are none."""
        before, after = (negotiated("alice", self.call, link) for link in (None, LinkUp(ADDRESSES, None, 1300)))
        self.assertEqual(("CLIENT_CONNECT_REQUEST_SENT", None, []), (before["state"], before["address"], before["dns"]))
        self.assertEqual(
            ("alice", "10.99.0.2", "10.99.0.1", ["10.0.0.53"], 1300),
            tuple(after[name] for name in ("user", "address", "peer", "dns", "mtu")),
        )

    def test_code(self) -> None:
        """The code of a failure is the one that Windows' dialog shows."""
        for code, shown in (("0x274D", "0x8007274D"), ("691", "691"), (None, None)):
            failure = self.status(None, code)["last_failure"]
            assert isinstance(failure, dict)
            self.assertEqual(shown, failure["code"])
        self.assertIsNone(sstp_client_status(self.client | {"last_failure": None}, None)["last_failure"])
