"""IPv6 over HTTPS, client and server, as [MS-IPHTTPS] specifies it."""

__version__ = "0.1.0"
"""The only place of the version: setup.cfg, `iphttps --version`, status and the manual pages take it from here."""
