"""docs/drop-reasons.md: each reason for a dropped packet, as the JSON answers name it."""

from iphttps.core.errors import DropReason

HEAD = """# Drop reasons

`drops` in the answers of the control socket ([control.md](control.md)) counts dropped packets by these reasons. `make doc` writes this page.

| reason | meaning |
| --- | --- |
"""


def drop_reasons() -> str:
    """Return the page in Markdown, a row for each DropReason."""
    return HEAD + "".join(f"| `{reason.name.lower()}` | {reason.value} |\n" for reason in DropReason)
