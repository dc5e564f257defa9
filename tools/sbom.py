"""Writes a list of what is in the Debian package (SBOM, in CycloneDX's JSON).

    python tools/sbom.py PACKAGE.deb ARCHITECTURE SITE-PACKAGES

It has each distribution in a folder of them, and below it what that distribution says is compiled into it (PEP 770):
OpenSSL in cryptography is one of these. SOURCE_DATE_EPOCH is the time that it gives.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License, LicenseAcknowledgement
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

OWN = canonicalize_name("iphttps")
NO_LICENSE = "UNKNOWN"  # what setuptools wrote where none was given


class SbomError(Exception):
    """The list cannot be made; the message is a sentence."""


def licenses(distribution: Distribution) -> Iterator[License]:
    """Yield what a distribution says of its license: an SPDX expression if it is one, else its words."""
    said = distribution.metadata.json
    text = str(said.get("license_expression") or said.get("license") or "")
    if not text or text == NO_LICENSE or "\n" in text:
        kinds = [each for each in said.get("classifier", ()) if each.startswith("License :: ")]
        text = ", ".join(each.rpartition(" :: ")[2] for each in kinds)
    if text:
        yield LicenseFactory().make_from_string(text, license_acknowledgement=LicenseAcknowledgement.DECLARED)


def compiled_in(distribution: Distribution) -> Iterator[Component]:
    """Yield what a distribution says is in its files besides itself.

    Raises:
        SbomError: It says so in another way than CycloneDX's JSON.
    """
    for file in distribution.files or ():
        if file.parent.name != "sboms" or not file.parent.parent.name.endswith(".dist-info"):
            continue
        try:
            said = json.loads(file.read_text())
            if said.get("bomFormat") != "CycloneDX":
                raise ValueError("it is not CycloneDX's JSON")
            parts = said.get("components", [])
            if about := said.get("metadata", {}).get("component"):
                parts = [about, *parts]
            for part in parts:
                yield component(part, f"{file}#{part['name']}@{part.get('version', '')}")
        except (OSError, ValueError, KeyError) as error:
            raise SbomError(f"{file} cannot be read: {error}") from error


def component(said: dict[str, Any], name: str) -> Component:
    """Return a component of another list, by a name that is unique in this one."""
    return Component(
        name=said["name"],
        version=said.get("version"),
        type=ComponentType(said["type"]),
        bom_ref=name,
        purl=PackageURL.from_string(said["purl"]) if "purl" in said else None,
        hashes=[HashType(alg=HashAlgorithm(each["alg"]), content=each["content"]) for each in said.get("hashes", [])],
    )


def make(package: Path, architecture: str, site_packages: Path) -> Bom:
    """Return the list for a package, made of the distributions in a folder.

    Raises:
        SbomError: A distribution is missing, or says in a way unknown here what is in it.
    """
    found = {canonicalize_name(each.name): each for each in distributions(path=[str(site_packages)])}
    if OWN not in found:
        raise SbomError(f"{site_packages} has no {OWN}")
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    own = Component(
        name=OWN,
        version=found[OWN].version,
        type=ComponentType.APPLICATION,
        bom_ref=OWN,
        purl=PackageURL("generic", None, OWN, found[OWN].version, {"arch": architecture}),
        licenses=licenses(found[OWN]),
        description=package.name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    listed: dict[NormalizedName, Component] = {OWN: own}
    for name, distribution in found.items():
        if name != OWN:
            listed[name] = Component(
                name=name,
                version=distribution.version,
                type=ComponentType.LIBRARY,
                bom_ref=name,
                purl=PackageURL("pypi", None, name, distribution.version),
                licenses=licenses(distribution),
                description=distribution.metadata["Summary"],
                components=compiled_in(distribution),
            )
    libraries = (each for each in listed.values() if each is not own)
    bom = Bom(components=libraries, serial_number=uuid5(NAMESPACE_URL, digest))
    bom.metadata.component = own
    bom.metadata.timestamp = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    for name, each in listed.items():
        bom.register_dependency(each, [listed[other] for other in needed(found[name], listed)])
    return bom


def needed(distribution: Distribution, listed: dict[NormalizedName, Component]) -> Iterator[NormalizedName]:
    """Yield the names of what a distribution needs on this Python.

    Raises:
        SbomError: It is not there.
    """
    for each in map(Requirement, distribution.requires or ()):
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            name = canonicalize_name(each.name)
            if name not in listed:
                raise SbomError(f"{distribution.name} needs {name}, which is not there")
            yield name


def main(package: str, architecture: str, site_packages: str) -> None:
    """Print the list."""
    try:
        bom = make(Path(package), architecture, Path(site_packages))
    except SbomError as error:
        sys.exit(f"sbom: {error}")
    print(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
