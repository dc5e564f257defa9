"""The seats of a server: its limit on the number of clients, for all protocols on its port together."""

from __future__ import annotations

__all__ = ["Seats"]


class Seats:
    """The seats for clients. `maximum` may change at any time; lowering it frees no seat."""

    __slots__ = ("maximum", "taken")

    def __init__(self, maximum: int) -> None:
        """Begin with all seats free."""
        self.maximum = maximum
        self.taken = 0
        """The number of clients that have a seat."""

    def take(self) -> bool:
        """Take a seat; return False if none is free."""
        if self.taken >= self.maximum:
            return False
        self.taken += 1
        return True

    def free(self) -> None:
        """Free the seat of a disconnected client."""
        self.taken -= 1
