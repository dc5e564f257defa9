"""Instances on this machine: paths, owners, units, start and stop."""
