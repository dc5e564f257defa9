"""The Twisted shell around the core: TLS, listening, connecting, sessions."""
