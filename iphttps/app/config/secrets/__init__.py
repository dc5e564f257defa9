"""Passwords and private keys in files: checks of their permissions, and the use of passwords."""
