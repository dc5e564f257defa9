"""IP-HTTPS over Twisted: the server, its sessions, the client."""
