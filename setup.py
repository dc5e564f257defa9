"""Builds the compiled parts, which are optional: where one cannot be built all else is installed, and works."""

from setuptools import Extension, setup

DEVICE = "iphttps/host/device/"
STREAM = "iphttps/net/stream/"

setup(
    ext_modules=[
        Extension(
            "iphttps.host.device._offload",
            [DEVICE + "offload.c", DEVICE + "offload_module.c"],
            depends=[DEVICE + "offload.h"],
            optional=True,
        ),
        Extension(
            "iphttps.net.stream._loop",
            [STREAM + "loop.c", STREAM + "loop_module.c"],
            depends=[STREAM + "loop.h"],
            optional=True,
        ),
    ]
)
