"""Counts the voxels of each structure between the frames, so that no click waits."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_spinalsam.annotation.statistics import Tally, parts_of

if TYPE_CHECKING:
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.events import Box, Change
    from napari_spinalsam.widgets.controller import SegmentController

# Voxels of one part, and how long the window waits while parts follow each other.
PART_VOXELS = 500_000
TURN_SECONDS = 0.02
WHOLE: Box = (slice(None), slice(None), slice(None))


class LiveTally(QObject):
    """A tally of the open annotation that follows it.

    Parameters
    ----------
    controller : SegmentController
        Whose annotation and reference.
    parent : QObject or None
        Owner.

    Signals
    -------
    updated(labels)
        Counting is done; the frozenset of values whose voxels differ since.
    """

    updated = Signal(object)

    def __init__(
        self, controller: SegmentController, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._controller = controller
        self._annotation: Annotation | None = None
        self._tally: Tally | None = None
        # Parts to count, and whether their reference is still to be counted.
        self._waiting: deque[tuple[Box, bool]] = deque()
        self._changed: frozenset[int] = frozenset()
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._count)
        controller.annotation_changed.connect(self._on_changed)
        self._start_anew()

    @property
    def tally(self) -> Tally | None:
        """The counts so far; None without an annotation."""
        return self._tally

    @property
    def is_done(self) -> bool:
        """Whether all changes are counted."""
        return not self._waiting

    def _on_changed(self, change: Change) -> None:
        annotation = self._controller.annotation
        if annotation is not self._annotation or change.reference:
            self._start_anew()
        elif change.labels is not None:
            self._wait_for(change.labels, with_reference=False)

    def _start_anew(self) -> None:
        self._annotation = annotation = self._controller.annotation
        self._waiting.clear()
        self._changed = frozenset()
        self._tally = None
        if annotation is not None:
            self._tally = Tally(annotation.labels, annotation.reference)
            self._changed = frozenset(range(1, 256))
            self._wait_for(WHOLE, with_reference=True)

    def _wait_for(self, box: Box, *, with_reference: bool) -> None:
        if self._annotation is not None:
            shape = self._annotation.geometry.shape
            parts = parts_of(box, shape, PART_VOXELS)
            self._waiting.extend((part, with_reference) for part in parts)
            self._turn.start(0)

    def _count(self) -> None:
        end = perf_counter() + TURN_SECONDS
        while self._tally is not None and self._waiting and perf_counter() < end:
            box, with_reference = self._waiting.popleft()
            self._changed |= self._tally.update(box)
            if with_reference:
                self._tally.count_reference(box)
        if self._waiting:
            self._turn.start(0)
        else:
            changed, self._changed = self._changed, frozenset()
            self.updated.emit(changed)
