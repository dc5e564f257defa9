"""Watches over the host: its network, a link's addresses, changes of an interface by other programs."""
