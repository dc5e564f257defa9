"""SSTP over Twisted's transports: the service and its sessions."""
