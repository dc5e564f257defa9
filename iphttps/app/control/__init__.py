"""The control socket: its HTTP resource, the actions behind it, a client for it."""
