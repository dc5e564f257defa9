"""Certificates, revocation lists, peer verification, the certificate authority, atomic file writes."""
