"""Voxel counts and surface distances that follow the annotation beside the window.

Both are brought up to date between the frames, so that no click waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_spinalsam.annotation.jobs import sentence_of
from napari_spinalsam.annotation.statistics import Tally, parts_of
from napari_spinalsam.core.metrics import SurfaceDistances, surface_distances
from napari_spinalsam.widgets.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.core.masks import Box
    from napari_spinalsam.widgets.controller import SegmentController

# Voxels of one part, and how long the window waits while parts follow each other.
PART_VOXELS = 500_000
TURN_SECONDS = 0.02
WHOLE: Box = (slice(None), slice(None), slice(None))
# The thread begins after the frame, and once a series of strokes has come to rest.
REST_MS = 100
EVERY_LABEL = frozenset(range(1, 256))


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
        self._restart()

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
            self._restart()
        elif change.labels is not None:
            self._wait_for(change.labels, with_reference=False)

    def _restart(self) -> None:
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


class LiveDistances(QObject):
    """The surface distances of each structure, following the counts of its voxels.

    Parameters
    ----------
    controller : SegmentController
        Whose annotation and reference.
    live : LiveTally
        Tells which structures have changed.
    parent : QObject
        Owner.

    Signals
    -------
    updated()
        Voxels were counted, or a structure was measured.
    """

    updated = Signal()

    def __init__(
        self, controller: SegmentController, live: LiveTally, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._controller, self._live = controller, live
        self.known: dict[int, SurfaceDistances | None] = {}
        self._waiting: set[int] = set()
        self._follows = False
        self._running: _Measuring | None = None
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._go_on)

    @property
    def is_done(self) -> bool:
        """Whether all structures are measured."""
        return not self._waiting and self._running is None

    def start(self) -> None:
        """Measure all structures, and follow their changes from now on."""
        if not self._follows:
            self._follows = True
            self._live.updated.connect(self._on_updated)
            self._controller.annotation_changed.connect(self._on_changed)
            self._on_updated(EVERY_LABEL)

    def stop(self) -> None:
        """Follow no more; the worker ends by itself and is not heard."""
        if self._follows:
            self._live.updated.disconnect(self._on_updated)
            self._controller.annotation_changed.disconnect(self._on_changed)
            self._turn.stop()
            self._follows, self._running = False, None
            self._waiting.clear()
            self.known.clear()

    def _on_changed(self, change: Change) -> None:
        if change.geometry:
            self._on_updated(EVERY_LABEL)  # the same voxels, of another size

    def _on_updated(self, changed: frozenset[int]) -> None:
        """Measure again what has changed, where there is something to compare."""
        for label in changed:
            self.known.pop(label, None)
        tally, annotation = self._live.tally, self._controller.annotation
        if tally is None or annotation is None or not tally.has_reference:
            self._waiting.clear()
        elif not annotation.geometry.spacing_known:
            self._waiting.clear()  # there are no millimetres to measure in
        else:
            self._waiting |= changed & (tally.present | tally.present_in_reference)
        self.updated.emit()
        self._turn.start(REST_MS)

    def _go_on(self) -> None:
        """Give the next structure to a worker, one at a time."""
        if self._waiting and self._follows and self._running is None:
            label = self._next()
            self._waiting.discard(label)
            self._running = running = self._measuring(label)
            worker = Worker(running.measure)
            worker.returned.connect(self._on_measured)
            worker.errored.connect(partial(self._on_failed, running))
            worker.start()

    def _on_measured(self, measured: _Measuring) -> None:
        if measured is not self._running:
            return  # stopped meanwhile
        self._running = None
        if measured.label not in self._waiting:
            self.known[measured.label] = measured.distances
            self.updated.emit()
        self._go_on()

    def _on_failed(self, measured: _Measuring, error: Exception) -> None:
        if measured is not self._running:
            return  # stopped meanwhile
        self._running = None
        self._controller.report_error(sentence_of(error))
        self._go_on()

    def _next(self) -> int:
        """Return the structure to measure next: the selected one first."""
        annotation = self._controller.annotation
        selected = None if annotation is None else annotation.state.selected
        found = None
        if annotation is not None and selected is not None:
            found = annotation.state.find(selected)
        if found is not None and found.label in self._waiting:
            return found.label
        return min(self._waiting)

    def _measuring(self, label: int) -> _Measuring:
        """Take copies of a structure, which may go on changing."""
        annotation, tally = self._controller.annotation, self._live.tally
        box = None if tally is None else tally.box(label)
        if annotation is None or annotation.reference is None or box is None:
            return _Measuring(label)
        first = 1 if annotation.geometry.is_2d else 0
        at = (0,) * first
        compare = partial(
            surface_distances,
            (annotation.labels[box] == label)[at],
            (annotation.reference[box] == label)[at],
            annotation.geometry.spacing[first:],
        )
        return _Measuring(label, compare)


@dataclass(slots=True, eq=False)
class _Measuring:
    """One structure while it is measured; without a comparison there is no result."""

    label: int
    compare: Callable[[], SurfaceDistances | None] | None = None
    distances: SurfaceDistances | None = None

    def measure(self) -> _Measuring:
        """Do it; called in a worker."""
        if self.compare is not None:
            self.distances = self.compare()
        return self
