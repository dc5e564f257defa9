"""Makes `twistd iphttps-server`, `twistd iphttps-client` and `twistd sstp-client` known to Twisted."""

import signal
import sys

from twisted.application.service import ServiceMaker

server = ServiceMaker(
    "IP-HTTPS server", "iphttps.app.daemon.server", "Carry IPv6 for IP-HTTPS clients.", "iphttps-server"
)
client = ServiceMaker(
    "IP-HTTPS client",
    "iphttps.app.daemon.client",
    "Reach an IPv6 network through an IP-HTTPS server.",
    "iphttps-client",
)
sstp_client = ServiceMaker(
    "SSTP client", "iphttps.app.daemon.sstp_client", "Reach a network through an SSTP server.", "sstp-client"
)

# Twisted's plugin loader swallows a KeyboardInterrupt, and elsewhere it ends in a traceback. A daemon that still
# imports its modules has changed nothing that would have to be undone, so SIGINT ends it as SIGTERM does; then
# iphttps.app.daemon.process.stop_signals takes over. Nothing of this is for the other commands of twistd.
_ours = {maker.tapname for maker in (server, client, sstp_client)}
if _ours & set(sys.argv) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
