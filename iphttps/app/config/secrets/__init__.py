"""Passwords and private keys in files: who may read them, and when a password may be used."""
