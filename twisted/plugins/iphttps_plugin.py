"""Makes `twistd iphttps-server` and `twistd iphttps-client` known to Twisted."""

from twisted.application.service import ServiceMaker

server = ServiceMaker("IP-HTTPS server", "iphttps.app.server", "Carry IPv6 for IP-HTTPS clients.", "iphttps-server")
client = ServiceMaker(
    "IP-HTTPS client", "iphttps.app.client", "Reach an IPv6 network through an IP-HTTPS server.", "iphttps-client"
)
