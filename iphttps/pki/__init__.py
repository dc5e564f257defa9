"""Certificates, revocation lists, the verification of peers; files that are written whole."""
