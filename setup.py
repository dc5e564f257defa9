"""Builds the one compiled part, which is optional: where it cannot be built all else is installed, and works."""

from setuptools import Extension, setup

setup(ext_modules=[Extension("iphttps.host.device._offload", ["iphttps/host/device/offload.c"], optional=True)])
