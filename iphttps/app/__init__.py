"""Composition: options, and the two services that `twistd` runs."""
