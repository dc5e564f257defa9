"""The edge to the operating system: devices, addresses, privileges."""
