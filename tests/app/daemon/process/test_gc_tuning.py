"""The objects that the server's garbage collections traverse."""

from __future__ import annotations

import gc
from weakref import ref

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.process import gc_tuning

MANY = 200_000


class Node:
    """Something that can refer to itself."""

    def __init__(self) -> None:
        self.itself: Node | None = None


def circle() -> Node:
    """Make something that only a collection finds when nobody else refers to it any more."""
    node = Node()
    node.itself = node
    return node


class CollectingTests(SynchronousTestCase):
    """In this very process, which is put right again afterwards."""

    def setUp(self) -> None:
        """Begin."""
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)
        gc.collect()
        gc_tuning.install()
        self.addCleanup(gc.callbacks.remove, gc_tuning._collected)

    def test_bounded(self) -> None:
        """However much there is, collections that come by themselves go through what is new; and they do come."""
        sizes: list[int] = []

        def note(phase: str, info: dict[str, int]) -> None:
            if phase == "start" and info["generation"] == gc_tuning.OLDEST:
                sizes.append(len(gc.get_objects()))

        gc.callbacks.append(note)
        self.addCleanup(gc.callbacks.remove, note)
        kept = [[number] for number in range(MANY)]
        self.assertGreater(len(sizes), 1)
        self.assertLess(max(sizes[1:]), MANY // 3)
        self.assertGreater(gc.get_freeze_count(), len(kept) - MANY // 3)

    def test_found(self) -> None:
        """A circle that nobody refers to is found if it has come since the last one, old or not."""
        node = circle()
        gc.collect(1)
        gc.collect(1)
        found = ref(node)
        del node
        gc.collect()
        self.assertIsNone(found())

    def test_left_out(self) -> None:
        """One from before is not, until everything is to be looked at again."""
        node = circle()
        gc.collect()
        found = ref(node)
        del node
        gc.collect()
        self.assertIsNotNone(found())
        gc_tuning.look_at_all()
        gc.collect()
        self.assertIsNone(found())

    def test_young(self) -> None:
        """The many small collections leave out nothing."""
        before = gc.get_freeze_count()
        gc.collect(0)
        gc.collect(1)
        self.assertEqual(gc.get_freeze_count(), before)
