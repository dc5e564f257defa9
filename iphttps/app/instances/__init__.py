"""Instances on this machine: paths, owners, units, starting and stopping."""
