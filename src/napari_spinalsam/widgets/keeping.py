"""Nothing lost: autosave, the offer to recover, and the annotation as one file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QRunnable, QThreadPool, QTimer, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_spinalsam.annotation.autosave import Autosave
from napari_spinalsam.annotation.recovery import discard, find_recoverable
from napari_spinalsam.annotation.saved import (
    SUFFIX,
    open_annotation,
    save_annotation,
)
from napari_spinalsam.core.errors import SpinalSamError
from napari_spinalsam.widgets.preferences import segment_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.recovery import Recoverable
    from napari_spinalsam.widgets.controller import SegmentController

# How often it is asked whether a save is due; saves themselves are rarer.
ASK_MS = 2_000
FILES = f"Annotations (*{SUFFIX})"


class Keeper(QObject):
    """Saves the annotation of a dock by itself, and finds what a crash has left.

    Parameters
    ----------
    controller : SegmentController
        Knows the annotation.

    Attributes
    ----------
    autosave : Autosave
        Writes to the recovery folder; to be closed, whatever becomes of the dock.

    Signals
    -------
    found(Recoverable)
        Work on this image that was not saved.
    saved()
        The annotation was written to the recovery folder.
    """

    found = Signal(object)
    saved = Signal()
    _told = Signal(str)

    def __init__(self, controller: SegmentController, parent: QObject) -> None:
        super().__init__(parent)
        self._controller = controller
        self.autosave = Autosave()
        self._heed_preferences()
        self._followed: Annotation | None = None
        # One after the other: jobs of one file must not overlap.
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._timer = QTimer(self)
        self._timer.setInterval(ASK_MS)
        self._timer.timeout.connect(self.save_if_due)
        self._timer.start()
        controller.annotation_changed.connect(self._follow)
        controller.closing.connect(self.close)
        self._told.connect(controller.report_error)
        self._follow()

    def save_if_due(self) -> None:
        """Save in a thread if it is time to, as the Preferences have it."""
        self._heed_preferences()
        if self.autosave.due():
            self._controller.attempt(self._save)

    def _heed_preferences(self) -> None:
        wanted = segment_settings()
        self.autosave.enabled = wanted.autosave
        self.autosave.interval = wanted.autosave_s

    def save_as(self) -> None:
        """Let the user choose a file and write the annotation to it."""
        self._controller.attempt(self._save_as)

    def open(self) -> None:
        """Let the user choose a saved annotation of this image and go on with it."""
        chosen, _ = QFileDialog.getOpenFileName(None, "Open an annotation", "", FILES)
        if chosen:
            self._controller.attempt(lambda: self._open(Path(chosen)))

    def recover(self, found: Recoverable) -> None:
        """Go on with what was left; the file goes once it is saved anew."""
        if self._controller.attempt(lambda: self._open(found.path)):
            discard(found)

    def close(self) -> None:
        """Save what is not saved, and let others find it."""
        if not self._timer.isActive():
            return
        self._timer.stop()
        self._pool.waitForDone()
        self._controller.annotation_changed.disconnect(self._follow)
        self._controller.attempt(self.autosave.close)

    def _save(self) -> None:
        self._in_thread(self.autosave.prepare(), self.saved.emit)

    def _save_as(self) -> None:
        annotation = self._controller.annotation
        name = "annotation" if annotation is None else Path(annotation.volume.name).stem
        chosen, _ = QFileDialog.getSaveFileName(
            None, "Save the annotation", f"{name}{SUFFIX}", FILES
        )
        if chosen and annotation is not None:
            path = Path(chosen if chosen.endswith(SUFFIX) else chosen + SUFFIX)
            save_annotation(annotation, path)
            self._pool.waitForDone()
            self.autosave.discard()
            self._controller.message.emit(f"Saved {path.name}.", False)

    def _open(self, path: Path) -> None:
        annotation = self._controller.annotation
        if annotation is not None:
            self._controller.take_up(open_annotation(path, annotation.volume))
            self._controller.message.emit(f"{path.name} is opened.", False)

    def _follow(self, change: object = None) -> None:
        annotation = self._controller.annotation
        if annotation is self._followed:
            return
        self._followed = annotation
        self._pool.waitForDone()
        self._controller.attempt(partial(self.autosave.follow, annotation))
        if annotation is not None:
            self._in_thread(partial(self._look_for_work, annotation))

    def _look_for_work(self, annotation: Annotation) -> None:
        for each in find_recoverable(image=annotation.image):
            if each.summary is not None:
                self.found.emit(each)
                return

    def _in_thread(
        self, job: Callable[[], None], then: Callable[[], Any] | None = None
    ) -> None:
        def run() -> None:
            try:
                job()
            except SpinalSamError as error:
                self._told.emit(str(error))
            else:
                if then is not None:
                    then()

        self._pool.start(QRunnable.create(run))


class RecoveryOffer(QWidget):
    """Asks whether to go on with what was found; hidden until there is something.

    Parameters
    ----------
    keeper : Keeper
        Finds and recovers.
    """

    def __init__(self, keeper: Keeper) -> None:
        super().__init__()
        self._keeper = keeper
        self._found: Recoverable | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.text = QLabel()
        self.text.setWordWrap(True)
        column.addWidget(self.text)
        row = QHBoxLayout()
        self.recover = QPushButton("Recover")
        self.discard = QPushButton("Discard")
        for made, pressed in (
            (self.recover, self._recover),
            (self.discard, self._discard),
        ):
            made.clicked.connect(pressed)
            row.addWidget(made)
        column.addLayout(row)
        keeper.found.connect(self.show_found)
        self.hide()

    def show_found(self, found: Recoverable) -> None:
        """Offer unsaved work."""
        self._found = found
        if found.summary is not None:
            names = ", ".join(each.name for each in found.summary.objects) or "prompts"
            when = found.summary.saved.replace("T", " ")[:16]
            self.text.setText(f"Work that was not saved was found: {names}, {when}.")
            self.show()

    def _recover(self) -> None:
        self.hide()
        if self._found is not None:
            self._keeper.recover(self._found)

    def _discard(self) -> None:
        self.hide()
        if self._found is not None:
            discard(self._found)
