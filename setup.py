"""Builds the one compiled part, which is optional: where it cannot be built all else is installed, and works."""

from setuptools import Extension, setup

DIRECTORY = "iphttps/host/device/"

setup(
    ext_modules=[
        Extension(
            "iphttps.host.device._offload",
            [DIRECTORY + "offload.c", DIRECTORY + "offload_module.c"],
            depends=[DIRECTORY + "offload.h"],
            optional=True,
        )
    ]
)
