"""Measures of an even division."""

from collections.abc import Sequence


def jain(shares: Sequence[float]) -> float:
    """Return Jain's index: 1 if all shares are equal, 1/n if one of n has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0
