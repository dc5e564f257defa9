"""After `twistd --uid` Python's files may be out of reach: whatever is imported only when it is needed is missing."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

BEFORE = """
import sys
import iphttps.app.daemon.client
import twisted.internet.reactor
loaded = set(sys.modules)
from base64 import b64decode
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from iphttps.core.proxy.url import Login
from iphttps.core.proxy.challenges import Digest, read_challenges
from iphttps.core.proxy.login import AuthScheme
from iphttps.net.connect.pac_text import text_of
from iphttps.net.connect.spnego import tokens
from iphttps.net.tls.contexts import ClientTLS

# What only this test has loaded is not there for the daemons.
for name in set(sys.modules) - loaded:
    del sys.modules[name]
sys.meta_path.clear()
"""

CHALLENGE = (
    "TlRMTVNTUAACAAAADAAMADgAAAAVgonic2V0Y2hhbGwAAAAAAAAAAGAAYABEAAAACgBhSgAAAA9FAFgAQQBNAFAAQwACAAwARQBYAEEATQBQAEMAAQAM"
    "AEUAWABBAE0AUABDAAQAFABlAHgAYQBtAHAAbABlAC4AYwBvAG0AAwAUAGUAeABhAG0AcABsAGUALgBjAG8AbQAAAAAA"
)
"""A second message of NTLM, as a proxy sends it."""


class LateImportTests(SynchronousTestCase):
    """In a process of its own, in which from some point on nothing can be imported."""

    def run_late(self, code: str) -> str:
        """Run the code behind that point; return what it has printed."""
        command = [sys.executable, "-c", BEFORE + code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout.strip()

    def test_control(self) -> None:
        """Something that is really missing is noticed."""
        self.assertEqual("missing", self.run_late("try: b'x'.decode('cp037')\nexcept LookupError: print('missing')"))

    def test_proxy(self) -> None:
        """A PAC file is read, each way to log in to a proxy is gone, and one at https:// is spoken to."""
        printed = self.run_late(f"""
print(text_of(b"\\xef\\xbb\\xbfa\\xc3\\xa9") + text_of(b"\\xe9"), end="")
print(text_of(b"\\xff\\xfea\\0"), text_of(b"\\xff", "windows-1251"), sep="", end="")
print(text_of(b"\\x93\\xfa", "shift_jis"), text_of(b"\\xfa", "no-such"), sep="")
for way in AuthScheme.NTLM, AuthScheme.NEGOTIATE:
    next_token = tokens(way, "proxy.example", Login("alice", "secret"))
    print(next_token(None).result[:1] in (b"N", b"`"), b"NTLMSSP" in next_token(b64decode("{CHALLENGE}")).result)
(challenge,) = read_challenges([b'Digest realm="x", nonce="y", algorithm=SHA-256'])
print(Digest(Login("alice", "\\u00e9"), "a:443", challenge).answer("c")[:6].decode())
factory = TLSMemoryBIOFactory(ClientTLS("proxy.example", None, None), True, Factory.forProtocol(Protocol))
transport = StringTransport()
factory.buildProtocol(None).makeConnection(transport)
print(len(transport.value()) > 100)
""")
        self.assertEqual("a\u00e9\u00e9a\u044f\u65e5\u00fa True True True True Digest True", " ".join(printed.split()))
