"""IPv6 over HTTPS, client and server, as [MS-IPHTTPS] specifies it."""

__version__ = "0.1.0"
