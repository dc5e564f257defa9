"""The kernel's networking, through netlink and /proc: interfaces, addresses, routes, settings."""
