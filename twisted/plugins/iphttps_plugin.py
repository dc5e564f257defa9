"""Makes `twistd iphttps-server` and `twistd iphttps-client` known to Twisted."""

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

# Twisted's plugin loader swallows a KeyboardInterrupt, and elsewhere it ends in a traceback. A daemon that still
# imports its modules has changed nothing that would have to be undone, so SIGINT ends it as SIGTERM does; then
# iphttps.app.daemon.process.stop_signals takes over. Nothing of this is for the other commands of twistd.
if {server.tapname, client.tapname} & set(sys.argv) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
