"""TLS: contexts, a protocol that encrypts without delay, and the reload of certificates and revocation lists."""
