"""Nothing lost: autosave, the offer to recover, and the annotation as one file."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QElapsedTimer,
    QObject,
    Qt,
    QThreadPool,
    QTimer,
    Signal,
)
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_spinalsam.annotation.jobs import sentence_of
from napari_spinalsam.annotation.storage.autosave import (
    Autosave,
    discard,
    find_recoverable,
    recover,
)
from napari_spinalsam.annotation.storage.files import (
    SUFFIX,
    open_annotation,
    save_annotation,
)
from napari_spinalsam.core.anatomy import listed
from napari_spinalsam.core.errors import CancelledError, InputError, SpinalSamError
from napari_spinalsam.layers.images import known_annotations, path_beside
from napari_spinalsam.widgets.dialogs import REPLACE, choose, path_to_write
from napari_spinalsam.widgets.preferences import segment_settings
from napari_spinalsam.widgets.window import DRAWN_MS
from napari_spinalsam.widgets.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.annotation.storage.autosave import Recoverable
    from napari_spinalsam.widgets.controller import SegmentController

# How often it is asked whether a save is due; saves themselves are rarer.
ASK_MS = 2_000
FILES = f"Annotations (*{SUFFIX})"
SAVE, DO_NOT_SAVE, SAVE_AS = "Save", "Do not save", "Save as…"


class AutosaveController(QObject):
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
    found(tuple of Recoverable)
        Work on this image that was not saved, the newest first; empty if none.
    saved()
        The annotation was written to the recovery folder.
    """

    found = Signal(object)
    saved = Signal()
    _looked = Signal(object, object)

    def __init__(self, controller: SegmentController, parent: QObject) -> None:
        super().__init__(parent)
        self._controller = controller
        self.autosave = Autosave()
        self._apply_preferences()
        self._followed: Annotation | None = None
        # No layer shows them any more, but a result is still to be written into them.
        self._held: list[Annotation] = []
        self._resuming = False
        # One after the other: jobs of one file must not overlap.
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._timer = self._timer_every(ASK_MS)
        self._timer.start()
        self._soon = self._timer_every(DRAWN_MS)
        self._soon.setSingleShot(True)
        # Since the layer was searched for edits that napari has not told of.
        self._searched = QElapsedTimer()
        self._searched.start()
        controller.annotation_changed.connect(self._on_changed)
        controller.predictions.job_ended.connect(self._on_job_ended)
        controller.closing.connect(self.close)
        self._looked.connect(self._offer)
        self._follow(controller.annotation)

    def save_if_due(self) -> None:
        """Save in a thread if it is time to, as the Preferences have it."""
        self._apply_preferences()
        # A disk that is slow gets one save at a time.
        if self._pool.activeThreadCount() > 0:
            return
        is_late = self._searched.elapsed() >= 1_000 * self.autosave.interval
        if is_late or self.autosave.due():
            self._take_edits(in_stroke=False)
        if self.autosave.due():
            self._controller.attempt(
                lambda: self._in_thread(self.autosave.prepare(), self.saved)
            )

    def save(self) -> None:
        """Write the annotation to its file; let the user choose one if it has none."""
        self._controller.attempt(self._save)

    def save_as(self) -> None:
        """Let the user choose a file and write the annotation to it."""
        self._controller.attempt(self._save_as)

    def open(self) -> None:
        """Let the user choose a saved annotation of this image and go on with it."""
        chosen, _ = QFileDialog.getOpenFileName(
            None, "Open an annotation", str(self._proposal().parent), FILES
        )
        if chosen:
            path = Path(chosen)
            self._controller.attempt(
                lambda: self._resume(
                    partial(open_annotation, path), path.name, f"{path.name} is opened."
                )
            )

    def recover(self, found: Recoverable) -> bool:
        """Go on with what was left, in its own file; return whether it is so now."""
        annotation = self._controller.annotation
        file = None if annotation is None else annotation.storage.recovery
        if file is not None and file.path == found.path:
            return True
        told = f"{_described(found)} is back, and not saved yet: Ctrl+S saves it."
        return self._controller.attempt(
            lambda: self._resume(partial(recover, found), "what was found", told)
        )

    def discard(self, found: Recoverable) -> bool:
        """Delete what was left; return whether it is gone."""
        gone = self._controller.attempt(lambda: discard(found))
        if not gone:
            self.look_for_work()
        return gone

    def look_for_work(self) -> None:
        """Find what was left on this image; `found` tells it later."""
        annotation = self._controller.annotation
        if annotation is not None:
            self._in_thread(partial(self._look_for_work, annotation))

    def close(self) -> None:
        """Save what is not saved, and let others find it."""
        if not self._timer.isActive():
            return
        self._timer.stop()
        self._soon.stop()
        self._take_edits()
        self._pool.waitForDone()
        self._controller.annotation_changed.disconnect(self._on_changed)
        self._controller.predictions.job_ended.disconnect(self._on_job_ended)
        try:
            self.autosave.close()
        except InputError as error:
            self._save_at_the_end(str(error))

    def _timer_every(self, interval_ms: int) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(interval_ms)
        timer.timeout.connect(self.save_if_due)
        return timer

    def _apply_preferences(self) -> None:
        wanted = segment_settings()
        self.autosave.enabled = wanted.autosave
        self.autosave.interval = wanted.autosave_s

    def _take_edits(self, *, in_stroke: bool = True) -> None:
        """Let what was written into the layer without a word be saved too."""
        self._searched.restart()
        if self._controller.layers is not None:
            self._controller.layers.take_edits(in_stroke=in_stroke)

    def _annotation(self) -> Annotation:
        annotation = self._controller.annotation
        if annotation is None:
            raise InputError("There is no annotation: choose an image first.")
        return annotation

    def _save(self) -> None:
        file = self._annotation().storage.file
        if file is None:
            self._save_as()
            return
        if file.was_replaced:
            question = f"Another program has changed {file.path.name} since."
            told = "Replacing it loses what is in it now."
            answer = choose(question, told, SAVE_AS, REPLACE)
            if answer != REPLACE:
                if answer == SAVE_AS:
                    self._save_as()
                return
        self._write(file.path)

    def _save_as(self) -> None:
        annotation = self._annotation()
        file = annotation.storage.file
        proposal = self._proposal() if file is None else file.path
        title = "Save the annotation"
        self._write(path_to_write(title, proposal, "Annotations", (SUFFIX,)))

    def _write(self, path: Path) -> None:
        annotation = self._annotation()
        self._take_edits()
        save_annotation(annotation, path)
        self._pool.waitForDone()
        self.autosave.discard()
        told = f"Saved {path.name}."
        if annotation.state.preview is not None:
            told += " The mask that is shown is not in it until it is accepted."
        self._controller.message.emit(told, False)

    def _proposal(self) -> Path:
        """Return the name that an annotation without a file would get."""
        layers = self._controller.layers
        return Path() if layers is None else path_beside(layers.image, SUFFIX)

    def _resume(
        self, open_on: Callable[[Any], Annotation], what: str, told: str
    ) -> None:
        """Go on with another annotation of the image, the present one in safety."""
        present = self._annotation()
        if self._controller.predictions.has_jobs():
            raise InputError(
                "Work on whole objects is going on: wait for it, or cancel it, before "
                "another annotation takes the place of this one."
            )
        opened = open_on(present.opened)
        file = opened.storage.recovery
        try:
            self._secure(present, what)
            if opened.storage.file is not None and opened.storage.file.was_replaced:
                opened = open_on(present.opened)  # the present one was saved there
            self._resuming = True
            self._controller.take_up(opened)
        except SpinalSamError:
            if file is not None:
                file.release()
            raise
        finally:
            self._resuming = False
        self._controller.message.emit(told, False)

    def _secure(self, annotation: Annotation, what: str) -> None:
        """Put an annotation's unsaved work in safety before another takes its place.

        Raises
        ------
        CancelledError
            If the user would rather go on with it.
        InputError
            If it cannot be saved.
        """
        self._take_edits()
        if annotation.storage.has_all_of(annotation.state):
            return
        names = listed(entry.name for entry in annotation.state.objects)
        kept = "Without, it stays in the recovery folder and is offered next time."
        lost = "Without, it is lost: autosave is switched off."
        answer = choose(
            f"{names or 'Work'} on {annotation.volume.name} is not saved in a file. "
            f"Save it before {what} takes its place?",
            kept if self.autosave.enabled else lost,
            SAVE,
            DO_NOT_SAVE,
        )
        if answer == SAVE:
            self._save()
        if answer != DO_NOT_SAVE:
            if not annotation.storage.has_all_of(annotation.state):
                raise CancelledError("Nothing was opened.")
        elif self.autosave.enabled:
            self._pool.waitForDone()
            self.autosave.save()

    def _save_at_the_end(self, problem: str) -> None:
        """Ask for another place, as often as need be, before all is gone."""
        annotation = self._controller.annotation
        while annotation is not None and not annotation.storage.has_all_of(
            annotation.state
        ):
            question = f"The work on {annotation.volume.name} will be lost."
            if choose(question, problem, SAVE_AS) != SAVE_AS:
                return
            try:
                self._save_as()
            except SpinalSamError as error:
                problem = str(error)

    def _on_changed(self, change: Change) -> None:
        annotation = self._controller.annotation
        if annotation is not self._followed:
            self._follow(annotation)
        elif change.labels is not None:
            self._soon.start()

    def _follow(self, annotation: Annotation | None) -> None:
        self._followed = annotation
        self._pool.waitForDone()
        self._controller.attempt(partial(self.autosave.follow, annotation))
        self._keep()
        if not self._resuming:
            self.found.emit(())
            self.look_for_work()

    def _keep(self) -> None:
        """Keep what the layers show or a result comes to; let others find the rest."""
        controller = self._controller
        reachable = [each for _, each in known_annotations(controller.viewer.layers)]
        worked_on = controller.predictions.worked_on()
        self._held = [each for each in worked_on if each not in reachable]
        controller.attempt(partial(self.autosave.keep, [*reachable, *self._held]))

    def _on_job_ended(self) -> None:
        """Let go of what a result came to after its image was closed; offer it."""
        if self._held:
            self._pool.waitForDone()
            self._keep()
            self.look_for_work()

    def _look_for_work(self, annotation: Annotation) -> None:
        self._looked.emit(annotation, find_recoverable(image=annotation.image))

    def _offer(self, annotation: Annotation, found: tuple[Recoverable, ...]) -> None:
        if annotation is self._controller.annotation:
            self.found.emit(found)

    def _in_thread(self, job: Callable[[], None], then: Any = None) -> None:
        worker = Worker(job)
        worker.errored.connect(self._on_failed)
        if then is not None:
            worker.returned.connect(then)
        worker.start(self._pool)

    def _on_failed(self, error: Exception) -> None:
        self._controller.report_error(sentence_of(error))


class RecoveryOffer(QWidget):
    """Asks whether to go on with what was found; hidden until there is something.

    Parameters
    ----------
    controller : AutosaveController
        Finds and recovers.
    """

    def __init__(self, controller: AutosaveController) -> None:
        super().__init__()
        self._controller = controller
        self._found: tuple[Recoverable, ...] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        column.addWidget(self.text)
        self.recover = QPushButton("Recover")
        self.discard = QPushButton("Discard…")
        self.another = QPushButton("Another")
        self.another.setToolTip("Other work on this image that was not saved")
        self.discard_for_good = QPushButton("Discard for good")
        self.keep = QPushButton("Keep")
        row = QHBoxLayout()
        for made, pressed in (
            (self.recover, self._recover),
            (self.discard, self._ask),
            (self.another, self._show_another),
            (self.keep, self._show),
            (self.discard_for_good, self._discard),
        ):
            made.clicked.connect(pressed)
            row.addWidget(made)
        column.addLayout(row)
        controller.found.connect(self.show_found)
        self.hide()

    def show_found(self, found: tuple[Recoverable, ...]) -> None:
        """Offer unsaved work, the first of all that was found; none hides the offer."""
        self._found = found
        self._show()

    def _show(self) -> None:
        self.setVisible(bool(self._found))
        if not self._found:
            return
        first, others = self._found[0], len(self._found) - 1
        told = f"Work that was not saved was found: {_described(first)}."
        if first.summary is None:
            told = f"Work that was not saved cannot be read: {first.problem}"
        self.text.setText(told)
        self.another.setText(f"Another ({others})")
        self._show_buttons(asking=False)
        self.recover.setEnabled(first.summary is not None)
        self.another.setVisible(others > 0)

    def _show_buttons(self, *, asking: bool) -> None:
        for button in (self.recover, self.discard, self.another):
            button.setVisible(not asking)
        for button in (self.keep, self.discard_for_good):
            button.setVisible(asking)

    def _recover(self) -> None:
        if self._found and self._controller.recover(self._found[0]):
            self.show_found(())

    def _ask(self) -> None:
        self.text.setText(
            f"Discard {_described(self._found[0])}? Nothing brings it back."
        )
        self._show_buttons(asking=True)

    def _discard(self) -> None:
        if self._found and self._controller.discard(self._found[0]):
            self.show_found(self._found[1:])

    def _show_another(self) -> None:
        self.show_found((*self._found[1:], *self._found[:1]))


def _described(found: Recoverable) -> str:
    """Say what was found, and when it was saved by the user's clock."""
    if found.summary is None:
        return found.path.name
    saved = datetime.fromisoformat(found.summary.saved).astimezone()
    names = listed(each.name for each in found.summary.objects)
    return f"{names or 'prompts'}, {saved:%Y-%m-%d %H:%M}"
