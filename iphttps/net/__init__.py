"""The Twisted shell around the core: TLS, endpoints, tunnels."""
