"""Surface distances to the reference, measured in a thread, one structure at a time."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_spinalsam.core.metrics import SurfaceDistances, surface_distances

if TYPE_CHECKING:
    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.widgets.controller import SegmentController
    from napari_spinalsam.widgets.counting import LiveTally

# The thread begins after the frame, and once a series of strokes has come to rest.
REST_MS = 100
EVERY_LABEL = frozenset(range(1, 256))
# How often to look whether it is done.
LOOK_MS = 20


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
        self._thread: ThreadPoolExecutor | None = None
        self._running: tuple[int, Future[SurfaceDistances | None]] | None = None
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._go_on)

    @property
    def is_done(self) -> bool:
        """Whether all structures are measured."""
        return not self._waiting and self._running is None

    def start(self) -> None:
        """Measure all structures, and follow their changes from now on."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "surface-distances")
            self._live.updated.connect(self._on_updated)
            self._controller.annotation_changed.connect(self._on_changed)
            self._on_updated(EVERY_LABEL)

    def stop(self) -> None:
        """Follow no more; what runs in the thread ends by itself."""
        if self._thread is not None:
            self._live.updated.disconnect(self._on_updated)
            self._controller.annotation_changed.disconnect(self._on_changed)
            self._turn.stop()
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = self._running = None
            self._waiting.clear()
            self.known.clear()

    def _on_changed(self, change: Change) -> None:
        if change.geometry:
            self._on_updated(EVERY_LABEL)  # the same voxels, of another size

    def _on_updated(self, changed: frozenset[int]) -> None:
        """Measure anew what has changed, where there is something to compare."""
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
        """Take an answer of the thread and hand it the next structure."""
        if self._running is not None:
            label, answer = self._running
            if not answer.done():
                self._turn.start(LOOK_MS)
                return
            self._running = None
            if label not in self._waiting:
                self.known[label] = answer.result()
                self.updated.emit()
        if self._waiting and self._thread is not None:
            label = self._next()
            self._waiting.discard(label)
            self._running = (label, self._submit(self._thread, label))
            self._turn.start(LOOK_MS)

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

    def _submit(
        self, thread: ThreadPoolExecutor, label: int
    ) -> Future[SurfaceDistances | None]:
        """Give the thread copies of a structure, which may go on changing."""
        annotation, tally = self._controller.annotation, self._live.tally
        box = None if tally is None else tally.box(label)
        if annotation is None or annotation.reference is None or box is None:
            return thread.submit(lambda: None)
        first = 1 if annotation.geometry.is_2d else 0
        at = (0,) * first
        return thread.submit(
            surface_distances,
            (annotation.labels[box] == label)[at],
            (annotation.reference[box] == label)[at],
            annotation.geometry.spacing[first:],
        )
