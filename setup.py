"""Builds the one compiled part, which is optional: where it cannot be built all else is installed, and works."""

from setuptools import Extension, setup

setup(ext_modules=[Extension("iphttps.host._offload", ["iphttps/host/offload.c"], optional=True)])
