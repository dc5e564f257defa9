"""Prefixes and addresses in configurations."""
