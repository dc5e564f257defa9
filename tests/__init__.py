"""Tests."""

from hypothesis import settings

# How long an example takes depends on the machine, and says nothing about the code. Here, so that it holds for every
# test, whichever is run alone.
settings.register_profile("iphttps", deadline=None)
settings.load_profile("iphttps")
