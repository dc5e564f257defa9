"""The JSON that the documents show, and whether a value is like it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from iphttps.core.errors import DropReason

DOCUMENT = Path(__file__).parents[2] / "docs" / "control.md"
DOCUMENTS = [DOCUMENT, DOCUMENT.with_name("certificates.md"), DOCUMENT.with_name("users.md")]

NULLABLE = (
    "identity", "waiting", "stage", "proxy", "obstacle", "router", "round_trip",
    "last_failure", "code", "next_attempt", "tls", "session", "crl", "revoked", "used",
    "authority", "published", "problem", "next_update", "address", "address6", "sstp",
    "authentication", "binding", "mtu", "peer", "max_rate",
)  # fmt: skip
"""The members that the documents say can be null."""


def documented(name: str) -> dict[str, Any]:
    """Return an example from a document."""
    text = "".join(document.read_text() for document in DOCUMENTS)
    found = re.search(rf"^```json {name}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found is not None, f"no example {name}"
    example = json.loads(found[1])
    assert isinstance(example, dict)
    return example


def violations(name: str, value: object) -> list[str]:
    """Return how a value differs from the JSON Schema of that name in docs/schemas."""
    schema = json.loads((DOCUMENT.parent / "schemas" / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(value)]


def differences(example: object, actual: object, where: str = "") -> list[str]:
    """Return in what a value differs from the example: its members, their order, and the kind of each."""
    if (actual is None or example is None) and where.rpartition(".")[2] in NULLABLE:
        return []
    if type(example) is not type(actual):
        return [f"{where}: {actual!r} is not like {example!r}"]
    if where.endswith(".drops"):
        assert isinstance(actual, dict)
        names = {reason.name.lower() for reason in DropReason}
        return [f"{where}: {name}" for name, number in actual.items() if name not in names or type(number) is not int]
    if isinstance(example, dict) and isinstance(actual, dict):
        if list(example) != list(actual):
            return [f"{where}: {list(actual)} instead of {list(example)}"]
        return [one for name in example for one in differences(example[name], actual[name], f"{where}.{name}")]
    if isinstance(example, list) and isinstance(actual, list):
        return [one for value in actual for one in differences(example[0], value, f"{where}[]")]
    return []
